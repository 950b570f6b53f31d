//! Events as JSON, one object a line
//!
//! `{"timestamp":…,"level":…,"message":…,<fields>,"target":…}`. Written field by field into the
//! line: this runs once for every request.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The format of events.
pub(super) struct Json;

/// The format of spans' fields. Events do not name their spans.
pub(super) struct Fields;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        writer.write_str("\",\"level\":\"")?;
        writer.write_str(metadata.level().as_str())?;
        writer.write_char('"')?;
        let mut members = Members::new(&mut writer);
        event.record(&mut members);
        members.result?;
        writer.write_str(",\"target\":\"")?;
        Escaped(&mut writer).write_str(metadata.target())?;
        writer.write_str("\"}\n")
    }
}

impl<'a> FormatFields<'a> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'a>, fields: R) -> fmt::Result {
        let mut members = Members::new(&mut writer);
        fields.record(&mut members);
        members.result
    }
}

/// Writes fields as members of an object that has begun.
struct Members<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl<'a, 'w> Members<'a, 'w> {
    fn new(writer: &'a mut Writer<'w>) -> Self {
        Self {
            writer,
            result: Ok(()),
        }
    }

    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'w>) -> fmt::Result) {
        if self.result.is_err() {
            return;
        }
        self.result = (|| {
            self.writer.write_str(",\"")?;
            Escaped(self.writer).write_str(field.name())?;
            self.writer.write_str("\":")?;
            value(self.writer)
        })();
    }

    fn text(&mut self, field: &Field, write: impl FnOnce(&mut Escaped<'_, 'w>) -> fmt::Result) {
        self.member(field, |writer| {
            writer.write_char('"')?;
            write(&mut Escaped(writer))?;
            writer.write_char('"')
        });
    }
}

impl Visit for Members<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, |writer| writer.write_str(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| {
            writer.write_str(if value { "true" } else { "false" })
        });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            // As Rust writes it for a program: with an exponent where it is short.
            self.member(field, |writer| write!(writer, "{value:?}"));
        } else {
            self.text(field, |writer| write!(writer, "{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, |writer| write!(writer, "{value:?}"));
    }
}

/// Escapes what is written for a JSON string (RFC 8259 section 7).
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        while let Some(at) = text.bytes().position(special) {
            // What is special is one byte long, so that both are on boundaries of characters.
            let (plain, rest) = text.split_at(at);
            self.0.write_str(plain)?;
            let mut rest = rest.chars();
            match rest.next() {
                Some('"') => self.0.write_str("\\\"")?,
                Some('\\') => self.0.write_str("\\\\")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some(control) => write!(self.0, "\\u{:04x}", u32::from(control))?,
                None => {}
            }
            text = rest.as_str();
        }
        self.0.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::{Fields, Json};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged meanwhile, each line on its own.
    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(Fields)
            .event_format(Json)
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = kept.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }

    #[test]
    fn a_line_has_time_level_message_fields_and_target() {
        let lines = logged(|| {
            tracing::info!(
                target: "there",
                status = 200,
                below = -1_i64,
                replayed = true,
                share = 0.5,
                nothing = Option::<&str>::None,
                caller = %"agent:1",
                seen = ?["a"],
                "answered {}",
                1
            );
        });
        let mut line = lines[0].clone();
        let time = line["timestamp"].take();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        assert_eq!(
            line,
            json!({"timestamp": null, "level": "INFO", "message": "answered 1", "status": 200,
                   "below": -1, "replayed": true, "share": 0.5, "caller": "agent:1",
                   "seen": "[\"a\"]", "target": "there"})
        );
    }

    #[test]
    fn every_line_is_one_json_object_whatever_a_field_holds() {
        let all: String = (0..0x300).filter_map(char::from_u32).collect();
        let hostile = [
            "\"},{\"level\":\"ERROR",
            "a\nb\r\n",
            "\u{2028}\u{7f}\\u0000\\",
            all.as_str(),
        ];
        let lines = logged(|| {
            for text in hostile {
                tracing::info!(request_id = text, shown = %text, "{text}");
            }
            tracing::info!(share = f64::NAN, large = 1e300, "numbers");
        });
        assert_eq!(lines.len(), hostile.len() + 1);
        for (line, text) in lines.iter().zip(hostile) {
            assert_eq!(line["request_id"], text);
            assert_eq!(line["shown"], text);
            assert_eq!(line["message"], text);
            assert_eq!(line["level"], "INFO");
        }
        assert_eq!(lines[4]["share"], "NaN");
        assert_eq!(lines[4]["large"], 1e300);
    }

    #[test]
    fn spans_do_not_break_a_line() {
        let lines = logged(|| {
            let span = tracing::info_span!("span", id = "\"").entered();
            tracing::warn!("inside");
            drop(span);
        });
        assert_eq!(lines[0]["message"], "inside");
    }
}
