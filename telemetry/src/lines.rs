//! Log lines for programs: one JSON object a line, with what is known of whom the program works for.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// What every line says, because the whole process is about it.
#[derive(Clone, Debug, Default)]
pub struct Said(Arc<RwLock<Map<String, Value>>>);

impl Said {
    /// Says it from now on.
    pub fn say(&self, name: &str, value: impl Into<Value>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.into());
    }

    /// Says it from now on, unless something else is said there already.
    pub fn say_once(&self, name: &str, value: impl Into<Value>) {
        let mut said = self.0.write().unwrap_or_else(PoisonError::into_inner);
        said.entry(name.to_owned()).or_insert_with(|| value.into());
    }

    /// A line that is no event of the log: what a program has to say to people.
    #[must_use]
    pub fn line(&self, level: &str, target: &str, message: &str) -> Value {
        let mut line = head(level, target);
        line.insert("message".into(), message.into());
        self.add(&mut line);
        Value::Object(line)
    }

    /// Adds what is not said by the line itself.
    fn add(&self, line: &mut Map<String, Value>) {
        for (name, value) in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            line.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// Writes events so: when, how grave, where in the code, what; the fields of the event; those of the spans around it, the
/// innermost first where two have one name; and what is [said](Said) of the process.
#[derive(Clone, Debug, Default)]
pub struct Lines(Said);

impl Lines {
    /// Lines that say this as well.
    #[must_use]
    pub fn new(said: Said) -> Self {
        Self(said)
    }
}

/// What every line has. A field of the same name is written behind it with `field.` before its name.
const HEAD: [&str; 3] = ["timestamp", "level", "target"];

fn head(level: &str, target: &str) -> Map<String, Value> {
    let values = [format!("{:.6}", Timestamp::now()), level.to_owned(), target.to_owned()];
    HEAD.into_iter().map(str::to_owned).zip(values.map(Value::from)).collect()
}

/// The name under which lines have a field: the names of traces are longer, so that they are ours among others'.
fn name(field: &str) -> String {
    match field {
        "k8s.namespace.name" => "namespace".into(),
        "k8s.job.name" => "job".into(),
        own if HEAD.contains(&own) => format!("field.{own}"),
        other => other.strip_prefix("aggregator.").unwrap_or(other).to_owned(),
    }
}

/// Adds fields, as [`JsonFields`] has written them, to what is there.
fn add(line: &mut Map<String, Value>, fields: &str) {
    if let Ok(Value::Object(fields)) = serde_json::from_str(fields) {
        for (field, value) in fields {
            line.entry(name(&field)).or_insert(value);
        }
    }
}

impl<S> FormatEvent<S, JsonFields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = head(event.metadata().level().as_str(), event.metadata().target());
        line.insert("message".into(), "".into());
        let mut own = String::new();
        JsonFields::new().format_fields(Writer::new(&mut own), event)?;
        if let Ok(Value::Object(fields)) = serde_json::from_str(&own) {
            for (field, value) in fields {
                line.insert(name(&field), value);
            }
        }
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>() {
                add(&mut line, &fields.fields);
            }
        }
        self.0.add(&mut line);
        writeln!(writer, "{}", Value::Object(line))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;

    use tracing::{error_span, info, warn};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The lines that are written while something is done.
    fn lines(said: &Said, what: impl FnOnce()) -> Vec<Map<String, Value>> {
        let written = Written::default();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(Lines::new(said.clone()))
            .with_writer(written.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), what);
        let bytes = written.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8(bytes).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
    }

    #[test]
    fn a_line_has_its_fields_those_around_it_and_those_of_the_process() {
        let said = Said::default();
        said.say("run", "r-1");
        said.say("pipeline", "p");
        let lines = lines(&said, || {
            info!(rows = 7, "before\nanything");
            let outer = error_span!("outer", k8s.namespace.name = "shop", aggregator.attempt = 2, rows = 1);
            let _outer = outer.enter();
            let inner = error_span!("inner", aggregator.run = "r-2", aggregator.sink = tracing::field::Empty);
            let _inner = inner.enter();
            inner.record("aggregator.sink", "kept");
            warn!(rows = 8, timestamp = "never", level = 3, "inside");
        });
        assert_eq!(lines.len(), 2);
        let (first, second) = (&lines[0], &lines[1]);
        let keys: Vec<&str> = first.keys().map(String::as_str).collect();
        assert_eq!(keys, ["timestamp", "level", "target", "message", "rows", "run", "pipeline"]);
        assert_eq!((&first["level"], &first["message"]), (&"INFO".into(), &"before\nanything".into()));
        assert_eq!((&first["rows"], &first["run"]), (&7.into(), &"r-1".into()));
        let time: Timestamp = first["timestamp"].as_str().expect("text").parse().expect("a time");
        assert!(Timestamp::now().duration_since(time).as_secs() < 60, "{time}");

        assert_eq!((&second["level"], &second["message"]), (&"WARN".into(), &"inside".into()));
        for (name, value) in [
            // The event's own, then the innermost span's, then the process's.
            ("rows", Value::from(8)),
            ("run", "r-2".into()),
            ("pipeline", "p".into()),
            ("namespace", "shop".into()),
            ("attempt", 2.into()),
            ("sink", "kept".into()),
            ("field.timestamp", "never".into()),
            ("field.level", 3.into()),
        ] {
            assert_eq!(second[name], value, "{name} of {second:?}");
        }
    }

    #[test]
    fn what_people_are_told_is_a_line_as_well() {
        let said = Said::default();
        said.say("run", "r-1");
        let line = said.line("INFO", "aggregator", "after 10 s: \"rows\" has read 5");
        assert_eq!(line["message"], "after 10 s: \"rows\" has read 5");
        assert_eq!((&line["run"], &line["level"]), (&"r-1".into(), &"INFO".into()));
    }
}
