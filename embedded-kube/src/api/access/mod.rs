//! Who asks, and whether they may.
//!
//! ```text
//! token, certificate ─► authentication ─► User ─► impersonation ─► User ─► Authority::decide ─► Decision ─► Refusal
//!                                                                            ├─ system:masters
//!                                                                            ├─ node: what a node needs for its Pods
//!                                                                            └─ role: rules that bindings grant
//! ```
//! Pure: what must be looked up comes in by [`Objects`], [`Rules`] and [`Pods`], and the time as an argument.
//! Nobody is anonymous.

mod aggregation;
mod attributes;
mod authentication;
mod authority;
mod defaults;
mod escalation;
mod forbidden;
mod impersonation;
mod name;
mod node;
pub mod review;
mod role;
mod token;
mod user;

pub use aggregation::aggregated;
pub use attributes::{Attributes, Resource, Target};
pub use authentication::{Authenticated, Authentication};
pub use authority::{Authority, Decision};
pub use defaults::defaults;
pub use escalation::{Write, escalation};
pub use forbidden::{forbidden, unauthorized};
pub use impersonation::{Impersonation, wanted};
pub use node::Pods;
pub use role::{Binding, Grant, Index, Missing, RoleRef, Rule, Rules, Subject, SubjectKind, allowed};
pub use token::{Hash, Issuer, KeyError, Objects, Tokens};
pub use user::User;
