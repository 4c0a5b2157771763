//! A span's fields as text of JSON, for the log lines inside it.
//!
//! The subscriber's own formatter reads the text and writes it anew for each field that is recorded later, which stood out
//! in a profile of webhooks; here the new field is written behind the others.

use std::fmt::{self, Write};

use serde::Serialize;
use tracing::{
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, FormattedFields, format::Writer},
};

/// Writes a span's fields as a JSON object. A field that is recorded twice stands there twice; readers take the later one.
#[derive(Debug, Default)]
pub(super) struct SpanFields;

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        writer.write_char('{')?;
        append(&mut writer, true, &fields)?;
        writer.write_char('}')
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let text = &mut current.fields;
        if text.pop().is_none() {
            text.push('{');
        }
        let is_empty = text == "{";
        let appended = append(text, is_empty, fields);
        text.push('}');
        appended
    }
}

fn append(out: &mut dyn Write, is_empty: bool, fields: &impl RecordFields) -> fmt::Result {
    let mut members = Members { out, is_empty, written: Ok(()) };
    fields.record(&mut members);
    members.written
}

/// Members of an object that is being written.
struct Members<'a> {
    out: &'a mut dyn Write,
    is_empty: bool,
    written: fmt::Result,
}

impl Members<'_> {
    fn add(&mut self, field: &Field, value: &impl Serialize) {
        let Ok(value) = serde_json::to_string(value) else { return };
        let comma = if self.is_empty { "" } else { "," };
        self.is_empty = false;
        // Names of fields are identifiers and dots.
        self.written = self.written.and_then(|()| write!(self.out, "{comma}\"{}\":{value}", field.name()));
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex, PoisonError},
    };

    use serde_json::{Value, json};
    use tracing::field;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_the_fields_of_its_spans_and_those_recorded_later() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_current_span(false)
            .fmt_fields(SpanFields)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let bare = tracing::info_span!("bare", later = field::Empty);
            let full = tracing::info_span!(
                parent: &bare, "full",
                text = "a \"quoted\"\nline", shown = %"š", count = 7, ratio = f64::NAN, yes = true, id = field::Empty,
            );
            full.record("id", 1);
            full.record("id", field::display("two"));
            full.in_scope(|| tracing::info!("first"));
            bare.record("later", -3);
            full.in_scope(|| tracing::info!("second"));
        });
        let text = String::from_utf8(lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("text");
        let spans: Vec<Value> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object")["spans"].clone()).collect();
        let full = json!({
            "name": "full", "text": "a \"quoted\"\nline", "shown": "š", "count": 7, "ratio": null, "yes": true, "id": "two",
        });
        assert_eq!(spans, [json!([{"name": "bare"}, full]), json!([{"name": "bare", "later": -3}, full])]);
    }
}
