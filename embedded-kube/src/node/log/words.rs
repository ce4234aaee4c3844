//! The words in which a log is asked for: `PodLogOptions` of Kubernetes' API.

use std::fmt;
use std::num::{IntErrorKind, ParseIntError};

use axum::extract::Query as Pairs;
use axum::http::Uri;
use axum::http::uri::InvalidUri;
use jiff::{SignedDuration, Timestamp};

use super::Query;

const POSITIVE: &str = "must be greater than 0";

/// What a request for a log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// The container's name; may be empty.
    pub(crate) container: String,
    /// The log of the run before the last.
    pub(crate) previous: bool,
    follow: bool,
    timestamps: bool,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
    /// Standard output or standard error alone.
    stream: Option<String>,
}

/// What is wrong with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Which; empty when it is two that do not go together.
    pub(crate) word: &'static str,
    /// What it says; nothing when it may not be there at all.
    pub(crate) value: Option<i64>,
    why: &'static str,
}

impl Mistake {
    /// What is wrong, without the word.
    pub(crate) fn what(&self) -> String {
        match self.value {
            Some(value) => format!("Invalid value: {value}: {}", self.why),
            None => format!("Forbidden: {}", self.why),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.word, self.what())
    }
}

impl Words {
    /// Reads the query of a request as the API server does: of several words with one name, the first counts.
    pub(crate) fn read(query: &str) -> Result<Self, String> {
        let uri = format!("/?{query}").parse::<Uri>().map_err(|error: InvalidUri| error.to_string())?;
        let pairs = Pairs::<Vec<(String, String)>>::try_from_uri(&uri);
        let Pairs(pairs) = pairs.map_err(|error| error.to_string())?;
        let word = |name: &str| pairs.iter().find(|(of, _)| of == name).map(|(_, word)| word.as_str());
        // Everything but these two is true, also nothing.
        let flag = |name: &str| word(name).is_some_and(|word| word != "0" && !word.eq_ignore_ascii_case("false"));
        Ok(Self {
            container: word("container").unwrap_or_default().to_owned(),
            previous: flag("previous"),
            follow: flag("follow"),
            timestamps: flag("timestamps"),
            since_seconds: word("sinceSeconds").map(number).transpose()?,
            since_time: word("sinceTime").map(time).transpose()?,
            tail_lines: word("tailLines").map(number).transpose()?,
            limit_bytes: word("limitBytes").map(number).transpose()?,
            stream: word("stream").map(str::to_owned),
        })
    }

    /// What is wrong with them.
    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        let least = |word: &'static str, value: Option<i64>, least: i64, why: &'static str| {
            value.filter(|value| *value < least).map(|value| Mistake { word, value: Some(value), why })
        };
        let mut mistakes = Vec::new();
        mistakes.extend(least("tailLines", self.tail_lines, 0, "must be greater than or equal to 0"));
        mistakes.extend(least("limitBytes", self.limit_bytes, 1, POSITIVE));
        if self.since_seconds.is_some() && self.since_time.is_some() {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            mistakes.push(Mistake { word: "", value: None, why });
        } else {
            mistakes.extend(least("sinceSeconds", self.since_seconds, 1, POSITIVE));
        }
        if self.stream.is_some() {
            mistakes.push(Mistake { word: "stream", value: None, why: "may not be specified" });
        }
        mistakes
    }

    /// What of a log they ask for, when nothing is wrong with them.
    pub(crate) fn query(&self, now: Timestamp) -> Query {
        let size = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
        let ago = |seconds: i64| now.checked_sub(SignedDuration::from_secs(seconds)).ok();
        Query {
            follow: self.follow,
            tail: size(self.tail_lines),
            since: self.since_time.or_else(|| self.since_seconds.and_then(ago)),
            timestamps: self.timestamps,
            limit: size(self.limit_bytes),
        }
    }
}

fn number(word: &str) -> Result<i64, String> {
    word.parse::<i64>().map_err(|error: ParseIntError| {
        let why = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.ParseInt: parsing {word:?}: {why}")
    })
}

/// A time; nothing is one before everything.
fn time(word: &str) -> Result<Timestamp, String> {
    if matches!(word, "" | "null") {
        return Ok(Timestamp::MIN);
    }
    let why = || format!("parsing time {word:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {word:?} as \"2006\"");
    word.parse::<Timestamp>().map_err(|_| why())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(query: &str) -> Words {
        Words::read(query).unwrap()
    }

    #[test]
    fn words_say_what_of_a_log_is_wanted() {
        let now: Timestamp = "2026-01-02T00:01:00Z".parse().unwrap();
        assert_eq!(words("").query(now), Query::default());
        let all = words("follow=true&tailLines=5&sinceSeconds=60&timestamps=1&limitBytes=9&container=c&previous=");
        let since = Some("2026-01-02T00:00:00Z".parse().unwrap());
        assert_eq!(all.query(now), Query { follow: true, tail: Some(5), since, timestamps: true, limit: Some(9) });
        assert_eq!((all.container.as_str(), all.previous), ("c", true));
        assert_eq!(words("sinceTime=2026-01-02T01%3A00%3A00%2B01%3A00").query(now).since, since);
        let off = words("follow=False&previous=0&follow=true&sinceTime=");
        assert!(!off.previous && !off.query(now).follow, "{off:?}");
        assert_eq!(off.query(now).since, Some(Timestamp::MIN));
    }

    #[test]
    fn mistakes_are_told_as_the_api_server_tells_them() {
        let unread = |query: &str| Words::read(query).unwrap_err();
        assert_eq!(unread("tailLines=x"), "strconv.ParseInt: parsing \"x\": invalid syntax");
        assert_eq!(unread("limitBytes="), "strconv.ParseInt: parsing \"\": invalid syntax");
        let many = "99999999999999999999";
        assert_eq!(
            unread(&format!("sinceSeconds={many}")),
            format!("strconv.ParseInt: parsing \"{many}\": value out of range"),
        );
        assert!(unread("sinceTime=x").starts_with("parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\""));
        let told = |query: &str| words(query).mistakes().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told("tailLines=0&limitBytes=1&sinceSeconds=1"), [""; 0]);
        assert_eq!(
            told("tailLines=-1&limitBytes=0&sinceSeconds=0"),
            [
                "tailLines: Invalid value: -1: must be greater than or equal to 0",
                "limitBytes: Invalid value: 0: must be greater than 0",
                "sinceSeconds: Invalid value: 0: must be greater than 0",
            ],
        );
        assert_eq!(
            told("sinceSeconds=0&sinceTime=2026-01-02T00:00:00Z&stream=All"),
            [
                ": Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
                "stream: Forbidden: may not be specified",
            ],
        );
    }
}
