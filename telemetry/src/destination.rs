//! Where traces go, by the variables that OpenTelemetry has for it.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

/// How long a collector may take for one batch, where nothing is said of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time between two batches, where nothing is said of it.
const EVERY: Duration = Duration::from_secs(5);

/// Where traces go.
#[derive(Clone)]
pub struct Destination {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) patience: Duration,
    pub(crate) every: Duration,
}

/// Why traces cannot go anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// The address is none.
    #[error("{variable} is no address: write it as http://collector:4318")]
    Address {
        /// The variable that has it.
        variable: &'static str,
    },
    /// The protocol is another one.
    #[error("{variable} is `{protocol}`, and traces are sent by `http/protobuf` alone")]
    Protocol {
        /// The variable that has it.
        variable: &'static str,
        /// The protocol.
        protocol: String,
    },
    /// The headers are none. Their values are secrets.
    #[error("{variable} holds no headers: write them as name=value,name=value")]
    Headers {
        /// The variable that has them.
        variable: &'static str,
    },
}

/// The two variables of a setting: that of traces goes first.
struct Setting {
    traces: &'static str,
    all: &'static str,
}

const ENDPOINT: Setting = Setting { traces: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", all: "OTEL_EXPORTER_OTLP_ENDPOINT" };
const PROTOCOL: Setting = Setting { traces: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", all: "OTEL_EXPORTER_OTLP_PROTOCOL" };
const HEADERS: Setting = Setting { traces: "OTEL_EXPORTER_OTLP_TRACES_HEADERS", all: "OTEL_EXPORTER_OTLP_HEADERS" };
const TIMEOUT: Setting = Setting { traces: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", all: "OTEL_EXPORTER_OTLP_TIMEOUT" };

/// How long spans wait for others.
const DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";
/// What turns traces off, whatever else is said.
const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";

impl Setting {
    /// The variable that says something, and what. An empty one says nothing.
    fn of(&self, variable: &impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
        let said = |name: &'static str| Some((name, variable(name).filter(|text| !text.trim().is_empty())?));
        said(self.traces).or_else(|| said(self.all))
    }
}

impl Destination {
    /// The variables that workers are given as they are: where traces go, and how. Headers hold secrets, and are not among
    /// them.
    pub const HANDED_ON: [&str; 10] = [
        ENDPOINT.all,
        ENDPOINT.traces,
        PROTOCOL.all,
        PROTOCOL.traces,
        TIMEOUT.all,
        TIMEOUT.traces,
        DELAY,
        DISABLED,
        EXPORTER,
        "OTEL_RESOURCE_ATTRIBUTES",
    ];
    /// The variable with headers.
    pub const HEADERS: &str = HEADERS.all;

    /// Where the variables say that traces go; nowhere, if they do not.
    ///
    /// # Errors
    /// When they say something that cannot be.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, DestinationError> {
        let is = |name: &str, value: &str| variable(name).is_some_and(|text| text.trim().eq_ignore_ascii_case(value));
        if is(DISABLED, "true") || is(EXPORTER, "none") {
            return Ok(None);
        }
        let Some((name, text)) = ENDPOINT.of(&variable) else { return Ok(None) };
        if let Some((variable, protocol)) = PROTOCOL.of(&variable).filter(|(_, it)| it.trim() != "http/protobuf") {
            return Err(DestinationError::Protocol { variable, protocol });
        }
        let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut url = url.ok_or(DestinationError::Address { variable: name })?;
        if name == ENDPOINT.all {
            let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        let headers = match HEADERS.of(&variable) {
            Some((variable, text)) => headers(&text).ok_or(DestinationError::Headers { variable })?,
            None => HeaderMap::new(),
        };
        let millis = |text: Option<String>, otherwise: Duration| {
            let millis = text.and_then(|text| text.trim().parse().ok()).filter(|millis| *millis > 0);
            millis.map_or(otherwise, Duration::from_millis)
        };
        let patience = millis(TIMEOUT.of(&variable).map(|(_, text)| text), PATIENCE);
        Ok(Some(Self { url, headers, patience, every: millis(variable(DELAY), EVERY) }))
    }
}

fn headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(text)? {
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
    }
    Some(headers)
}

/// `name=value,name=value`, percent-encoded.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some((name.trim().to_owned(), value.into_owned()))
    };
    parts.map(pair).collect()
}

/// Without what may be a secret: credentials, and a query.
impl fmt::Display for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        write!(out, "{}://{}{port}{}", self.url.scheme(), self.url.host_str().unwrap_or_default(), self.url.path())
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Destination>, DestinationError> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Destination::of(find)
    }

    #[test]
    fn the_address_of_traces_is_whole_and_that_of_everything_is_not() {
        for (variables, address) in [
            (&[][..], None),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], None),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")], Some("http://c:4318/v1/traces")),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp/")], Some("https://c/otlp/v1/traces")),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:1/t")], Some("http://c:1/t")),
            (
                &[
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"),
                    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d:2/x"),
                ],
                Some("http://d:2/x"),
            ),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), ("OTEL_SDK_DISABLED", "TRUE")], None),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), ("OTEL_TRACES_EXPORTER", "none")], None),
            (
                &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
                Some("http://c:1/v1/traces"),
            ),
        ] {
            let found = of(variables).expect("it can be").map(|destination| destination.url.to_string());
            assert_eq!(found.as_deref(), address, "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_told_with_its_variable_and_without_its_secret() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hidden@c:1/?key=hidden");
        for (variables, said) in [
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")][..], "OTEL_EXPORTER_OTLP_ENDPOINT is no address"),
            (&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`"),
            (&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "hidden")], "OTEL_EXPORTER_OTLP_HEADERS holds no headers"),
            (&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "a=hidden%0a")], "OTEL_EXPORTER_OTLP_HEADERS holds no headers"),
        ] {
            let error = of(variables).expect_err("it cannot be").to_string();
            assert!(error.starts_with(said) && !error.contains("hidden"), "{error}");
        }
        let destination = of(&[endpoint]).expect("it can be").expect("somewhere");
        assert_eq!(format!("{destination} {destination:?}"), "http://c:1/v1/traces http://c:1/v1/traces");
    }

    #[test]
    fn headers_and_patience_are_read() {
        let destination = of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc, x-tenant = 7 ,"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ]);
        let destination = destination.expect("it can be").expect("somewhere");
        assert_eq!(destination.headers["authorization"], "Bearer abc");
        assert_eq!(destination.headers["x-tenant"], "7");
        assert_eq!((destination.patience, destination.every), (Duration::from_millis(1500), EVERY));
        assert!(destination.headers["authorization"].is_sensitive());
    }
}
