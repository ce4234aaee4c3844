//! Schedules and their triggers.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use regex::Regex;

use super::path::Path;
use super::report::Report;
use super::{Validate, Violation, parse_duration};
use crate::Schedule;
use crate::schedule::{CronTrigger, MissedRuns, MissedRunsPolicy, ScheduleBackfill, Trigger};

static TOPIC: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^[-._a-zA-Z0-9]{1,249}$").expect("the pattern is a constant that every test compiles")
});

/// The SHA-256 of a token.
static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^[0-9a-f]{64}$").expect("the pattern is a constant that every test compiles"));

/// That of no text: what a token was that a shell has not found.
const NO_TOKEN: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a run's name adds to a Schedule's: `-yyyymmdd-hhmmss-` and 5 digits, of the 63 characters that a Job's name may have.
const LONGEST_NAME: usize = 63 - 22;

/// The longest time that fires may be spread over.
const LONGEST_JITTER: Duration = Duration::from_secs(24 * 60 * 60);

impl Validate for Schedule {
    fn validate(&self) -> Vec<Violation> {
        let mut report = Report::default();
        report.metadata(&self.metadata, LONGEST_NAME);
        let spec = Path::root("spec");
        report.object_name(&spec.field("pipelineRef").field("name"), &self.spec.pipeline_ref.name);
        report.trigger(&spec, &self.spec.trigger, &self.spec.pipeline_ref.name);
        if let Some(jitter) = &self.spec.jitter {
            let path = spec.field("jitter");
            report.jitter(&path, jitter, &self.spec.trigger);
        }
        if let Some(missed) = &self.spec.missed_runs {
            report.missed_runs(&spec.field("missedRuns"), missed);
        }
        if let Some(backfill) = &self.spec.backfill {
            report.schedule_backfill(&spec.field("backfill"), backfill, &self.spec.trigger);
        }
        report.param_names(&spec.field("params"), &self.spec.params);
        for (field, limit) in [
            ("successfulRunsHistoryLimit", self.spec.successful_runs_history_limit),
            ("failedRunsHistoryLimit", self.spec.failed_runs_history_limit),
        ] {
            if let Some(limit) = limit {
                report.range(&spec.field(field), limit.into(), 0, 1000);
            }
        }
        report.plain(&spec, &self.spec);
        report.into_violations()
    }
}

impl Report {
    fn trigger(&mut self, spec: &Path, trigger: &Trigger, pipeline: &str) {
        let path = spec.field(trigger.key());
        match trigger {
            Trigger::Cron(cron) => self.cron(&path, cron),
            Trigger::Interval(interval) => {
                self.duration_from(&path.field("every"), &interval.every, Duration::from_secs(1));
            }
            Trigger::Webhook(webhook) => {
                self.token(&path.field("tokenSha256"), &webhook.token_sha256);
                if let Some(header) = &webhook.event_id_header {
                    self.header_name(&path.field("eventIdHeader"), header);
                }
                self.event_params(&path.field("params"), &webhook.params);
            }
            Trigger::FileArrival(arrival) => {
                self.object_name(&path.field("connector"), &arrival.connector);
                self.glob(&path.field("stream"), &arrival.stream);
                if let Some(interval) = &arrival.interval {
                    self.duration_from(&path.field("interval"), interval, Duration::from_secs(1));
                }
                if let Some(settle) = &arrival.settle {
                    self.duration(&path.field("settle"), settle);
                }
            }
            Trigger::Kafka(kafka) => {
                self.object_name(&path.field("connector"), &kafka.connector);
                if !TOPIC.is_match(&kafka.topic) || matches!(kafka.topic.as_str(), "." | "..") {
                    let message = format!("`{}` is not a name of a topic", kafka.topic);
                    self.add(&path.field("topic"), message, "use at most 249 letters, digits, `-`, `_` and `.`");
                }
                if let Some(window) = &kafka.window {
                    self.duration(&path.field("window"), window);
                }
                self.event_params(&path.field("params"), &kafka.params);
            }
            Trigger::PipelineSucceeded(other) => {
                let path = path.field("name");
                self.object_name(&path, &other.name);
                if other.name == pipeline {
                    let help = "name another Pipeline, or use `interval`";
                    self.add(&path, format!("the Pipeline `{pipeline}` would wait for its own success"), help);
                }
            }
        }
    }

    fn token(&mut self, path: &Path, hash: &str) {
        let help = "write the 64 digits that `printf %s \"$TOKEN\" | sha256sum` gives";
        if !TOKEN.is_match(hash) {
            // It may be the token itself, which is not repeated.
            self.add(path, "it is not a SHA-256 in small hexadecimal digits", help);
        } else if hash == NO_TOKEN {
            self.add(path, "it is the SHA-256 of an empty token", help);
        }
    }

    fn jitter(&mut self, path: &Path, jitter: &str, trigger: &Trigger) {
        self.duration(path, jitter);
        if parse_duration(jitter).is_ok_and(|jitter| jitter > LONGEST_JITTER) {
            self.add(path, format!("{jitter} is longer than a day"), "write at most `24h`");
        }
        if !matches!(trigger, Trigger::Cron(_) | Trigger::Interval(_)) {
            let message = format!("`jitter` is not used by `{}`", trigger.key());
            self.add(path, message, "leave `jitter` out, or use `cron` or `interval`");
        }
    }

    fn schedule_backfill(&mut self, path: &Path, backfill: &ScheduleBackfill, trigger: &Trigger) {
        if !matches!(trigger, Trigger::Cron(_) | Trigger::Interval(_)) {
            let message = format!("`backfill` is not used by `{}`", trigger.key());
            self.add(path, message, "leave `backfill` out, or use `cron` or `interval`");
        }
        if backfill.from >= backfill.to {
            let message = format!("{} is not after {}", backfill.to, backfill.from);
            self.add(&path.field("to"), message, "make `to` later than `from`");
        }
    }

    fn cron(&mut self, path: &Path, cron: &CronTrigger) {
        let expressions = path.field("expressions");
        if cron.expressions.is_empty() {
            self.add(&expressions, "the list is empty", "give at least one expression, as `\"5 * * * *\"`");
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        for (index, expression) in cron.expressions.iter().enumerate() {
            if let Err(error) = parser.parse(expression) {
                self.add(
                    &expressions.index(index),
                    format!("`{expression}` is not a cron expression: {}", cron_reason(&error)),
                    "write five fields (minute, hour, day of month, month, day of week), as `5 * * * *`",
                );
            }
        }
        let all = cron.expressions.iter().map(String::as_str);
        self.unique("expression", all.enumerate().map(|(index, text)| (expressions.index(index), text)));
        if TimeZone::get(&cron.time_zone).is_err() {
            self.add(
                &path.field("timeZone"),
                format!("`{}` is not a time zone", cron.time_zone),
                "use a name of the IANA database, as `Europe/Berlin` or `UTC`",
            );
        }
    }

    /// Parameters and the JSONPaths that find their values in an event.
    fn event_params(&mut self, path: &Path, params: &BTreeMap<String, String>) {
        self.param_names(path, params);
        for (name, json_path) in params {
            self.json_path(&path.key(name), json_path);
        }
    }

    fn missed_runs(&mut self, path: &Path, missed: &MissedRuns) {
        match (missed.policy, missed.max) {
            (MissedRunsPolicy::All, None) => {
                let help = "set the most fires to make up for, as `max: 24`";
                self.add(&path.field("max"), "the policy All needs a bound", help);
            }
            (MissedRunsPolicy::All, Some(max)) => self.range(&path.field("max"), max.into(), 1, 1000),
            (policy, Some(_)) => {
                let message = format!("`max` is not used by the policy {policy:?}");
                self.add(&path.field("max"), message, "use the policy All, or leave `max` out");
            }
            (_, None) => {}
        }
        if let Some(age) = &missed.max_age {
            let path = path.field("maxAge");
            self.duration_from(&path, age, Duration::from_secs(1));
            if missed.policy == MissedRunsPolicy::Skip {
                let help = "use the policy Latest or All, or leave `maxAge` out";
                self.add(&path, "`maxAge` is not used by the policy Skip", help);
            }
        }
    }
}

/// What is wrong, without the class that the parser puts in front and without a full stop.
fn cron_reason(error: &CronError) -> String {
    let text = match error {
        CronError::InvalidPattern(text) | CronError::IllegalCharacters(text) | CronError::ComponentError(text) => {
            text.clone()
        }
        CronError::EmptyPattern => "it is empty".to_owned(),
        other => other.to_string(),
    };
    text.trim_end_matches('.').to_owned()
}
