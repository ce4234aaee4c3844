//! Which control plane tests have: the real one, or the one inside one program.

/// Says which, as `real` or `embedded`. Not set: the real one.
const VARIABLE: &str = "AGGREGATOR_PLANE";

/// Which control plane tests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// The programs that Kubernetes publishes.
    Real,
    /// The API and the controllers of `embedded-kube`, which are one program.
    Embedded,
}

impl Plane {
    /// The one that tests are to have.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn chosen() -> Self {
        match std::env::var(VARIABLE).unwrap_or_default().as_str() {
            "" | "real" => Self::Real,
            "embedded" => Self::Embedded,
            other => panic!("{VARIABLE} is `{other}`: it may be `real` or `embedded`"),
        }
    }
}
