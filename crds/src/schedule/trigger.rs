//! What makes a Schedule fire.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What makes a Schedule fire: exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Trigger {
    /// Times of the calendar.
    Cron(CronTrigger),
    /// A fixed time between two fires.
    Interval(IntervalTrigger),
    /// A request to the operator. Who sends it needs the token.
    Webhook(WebhookTrigger),
    /// New files at a Connector.
    FileArrival(FileArrivalTrigger),
    /// Messages of a Kafka topic.
    Kafka(KafkaTrigger),
    /// Another Pipeline's success.
    PipelineSucceeded(PipelineSucceededTrigger),
}

impl Trigger {
    /// Every key that may name a trigger, in the order of the documentation.
    pub const KEYS: [&'static str; 6] = ["cron", "interval", "webhook", "fileArrival", "kafka", "pipelineSucceeded"];

    /// The key that names this trigger in a manifest.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Cron(_) => "cron",
            Self::Interval(_) => "interval",
            Self::Webhook(_) => "webhook",
            Self::FileArrival(_) => "fileArrival",
            Self::Kafka(_) => "kafka",
            Self::PipelineSucceeded(_) => "pipelineSucceeded",
        }
    }
}

/// What makes it fire, in words: `every 15m`, `after flights`, `5 * * * * (and 2 more) Europe/Berlin`.
impl std::fmt::Display for Trigger {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cron(cron) => {
                let first = cron.expressions.first().map_or("", String::as_str);
                write!(out, "{first} ")?;
                if let Some(others @ 1..) = cron.expressions.len().checked_sub(1) {
                    write!(out, "(and {others} more) ")?;
                }
                out.write_str(&cron.time_zone)
            }
            Self::Interval(interval) => write!(out, "every {}", interval.every),
            Self::Webhook(_) => out.write_str("by request"),
            Self::FileArrival(files) => write!(out, "files at {}", files.connector),
            Self::Kafka(kafka) => write!(out, "messages of {}", kafka.topic),
            Self::PipelineSucceeded(other) => write!(out, "after {}", other.name),
        }
    }
}

/// Times of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CronTrigger {
    /// One or more expressions of five fields (minute, hour, day of month, month, day of week), as `5 * * * *`. A time
    /// that several of them name fires once.
    #[schemars(length(min = 1, max = 50))]
    pub expressions: Vec<String>,
    /// The IANA time zone that the expressions are read in. A fire in the hour that daylight saving skips runs at its end;
    /// one in the hour that it repeats runs once. Default: UTC.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

fn utc() -> String {
    "UTC".into()
}

/// A fixed time between two fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntervalTrigger {
    /// The time between two fires, as `15m`.
    pub every: String,
    /// The first fire; all others are a whole number of intervals later. Default: when the schedule was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<jiff::Timestamp>,
}

/// A request to the operator: `POST /webhooks/NAMESPACE/NAME`, where it listens (`--webhook-address`), with a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookTrigger {
    /// The SHA-256 of the token that a request carries (`Authorization: Bearer TOKEN`), in 64 hexadecimal digits. The token
    /// itself is kept nowhere. It must be long and random, as `openssl rand -hex 32` makes one: nobody finds it by guessing
    /// then, so that no slow hash is needed, as of passwords.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"), length(max = 64))]
    pub token_sha256: String,
    /// The request header that names the event: requests with the same value are one fire, as long as the first of them is
    /// among the last 100. One without it is a fire of its own. Default: Idempotency-Key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id_header: Option<String>,
    /// Parameters of the Pipeline that are taken from the request's JSON body: name and JSONPath (RFC 9535). A request whose
    /// body does not have each of them once, as text, a number or a truth value, is refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// New files at a Connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileArrivalTrigger {
    /// The Connector to look at; of type `file` or `s3`.
    #[schemars(length(min = 1, max = 253))]
    pub connector: String,
    /// A glob over the files, as a source's `stream`.
    #[schemars(length(min = 1))]
    pub stream: String,
    /// The time between two looks, as `1m`. Default: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// How long a file must have stayed as it is to count as whole, as `30s`. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<String>,
}

/// Messages of a Kafka topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KafkaTrigger {
    /// The Connector to listen to; of type `kafka`.
    #[schemars(length(min = 1, max = 253))]
    pub connector: String,
    /// The topic.
    #[schemars(length(min = 1, max = 249))]
    pub topic: String,
    /// Messages that arrive within this time of the first start one run together, as `10s`. Default: 0s, one run each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// Parameters of the Pipeline that are taken from the (first) message's JSON value: name and JSONPath (RFC 9535).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

/// Another Pipeline's success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineSucceededTrigger {
    /// The other Pipeline's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
