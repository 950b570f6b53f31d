//! What a command says: tables and fields for people, JSON for programs.

use std::io::{self, Write};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::outside::Outside;
use crate::text::inert;

/// A column of a table, or a line of a list of fields: its title, and where its value is (a JSON
/// Pointer).
pub(crate) type Column = (&'static str, &'static str);

/// Standard output.
pub(crate) struct Output {
    json: bool,
    colour: bool,
    out: Box<dyn Write>,
}

impl Output {
    pub(crate) fn new(json: bool, outside: &Outside) -> Self {
        Self {
            json,
            colour: outside.has_colour(),
            out: Box::new(io::stdout()),
        }
    }

    /// Whether programs read this.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Where bytes that are neither table nor JSON go.
    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// One line for people. Its text must be ours, or inert.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}")?;
        Ok(self.out.flush()?)
    }

    /// A JSON value on one line, as it came.
    pub(crate) fn json(&mut self, text: &str) -> Result<(), Failure> {
        self.line(text.trim())
    }

    /// A JSON value on one line.
    pub(crate) fn value(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(&value.to_string())
    }

    /// An object: its columns one below the other, or as it came.
    pub(crate) fn object(&mut self, text: &str, columns: &[Column]) -> Result<(), Failure> {
        if self.json {
            return self.json(text);
        }
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let pairs: Vec<(&str, String)> = columns
            .iter()
            .map(|(title, pointer)| (*title, cell(&value, pointer)))
            .collect();
        self.fields(&pairs)
    }

    /// Names and values, one below the other. Values must be ours, or inert.
    pub(crate) fn fields(&mut self, pairs: &[(&str, String)]) -> Result<(), Failure> {
        let width = pairs.iter().map(|(title, _)| title.len()).max();
        for (title, value) in pairs {
            writeln!(self.out, "{title:0$}  {value}", width.unwrap_or(0))?;
        }
        Ok(self.out.flush()?)
    }

    /// A list: a table, or `{ "<plural>": [...], "next_cursor": … }`.
    pub(crate) fn list(
        &mut self,
        plural: &str,
        items: &[Box<RawValue>],
        next_cursor: Option<&str>,
        columns: &[Column],
    ) -> Result<(), Failure> {
        if self.json {
            let items: Vec<&str> = items.iter().map(|item| item.get()).collect();
            let (items, next) = (items.join(","), Value::from(next_cursor));
            return self.line(&format!(
                "{{\"{plural}\":[{items}],\"next_cursor\":{next}}}"
            ));
        }
        let rows: Vec<Vec<String>> = items
            .iter()
            .map(|item| {
                let value: Value = serde_json::from_str(item.get()).unwrap_or_default();
                let cells = columns.iter();
                cells.map(|(_, pointer)| cell(&value, pointer)).collect()
            })
            .collect();
        let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
        self.table(&titles, &rows)
    }

    /// A table. Cells must be ours, or inert.
    pub(crate) fn table(&mut self, titles: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let widths: Vec<usize> = titles
            .iter()
            .enumerate()
            .map(|(at, title)| {
                let cells = rows.iter().filter_map(|row| row.get(at));
                let longest = cells.map(|cell| cell.chars().count()).max();
                longest.unwrap_or(0).max(title.len())
            })
            .collect();
        let head = join(&widths, titles.iter().copied());
        if self.colour {
            writeln!(self.out, "\u{1b}[1m{head}\u{1b}[0m")?;
        } else {
            writeln!(self.out, "{head}")?;
        }
        for row in rows {
            writeln!(
                self.out,
                "{}",
                join(&widths, row.iter().map(String::as_str))
            )?;
        }
        Ok(self.out.flush()?)
    }
}

/// Cells in columns, two spaces apart, nothing after the last.
fn join<'a>(widths: &[usize], cells: impl Iterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (width, cell) in widths.iter().zip(cells) {
        line.push_str(cell);
        let missing = width.saturating_sub(cell.chars().count()) + 2;
        line.extend(std::iter::repeat_n(' ', missing));
    }
    line.truncate(line.trim_end().len());
    line
}

/// A value as people read it, inert; `-` for null and what is not there.
pub(crate) fn cell(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => inert(text),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            if items.is_empty() {
                return "-".to_owned();
            }
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            inert(&texts.join(", "))
        }
        Some(other) => inert(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{cell, join};

    #[test]
    fn columns_stand_below_each_other_without_trailing_spaces() {
        assert_eq!(join(&[4, 2], ["ab", "c"].into_iter()), "ab    c");
    }

    #[test]
    fn cells_are_inert_and_say_so_when_there_is_nothing() {
        let value = serde_json::json!({ "a": "x\u{1b}y", "b": null, "c": ["d", "e"], "f": 1 });
        let cells = ["/a", "/b", "/c", "/f", "/g"].map(|pointer| cell(&value, pointer));
        assert_eq!(cells, ["x\\u{1b}y", "-", "d, e", "1", "-"]);
    }
}
