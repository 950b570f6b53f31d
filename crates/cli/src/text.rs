//! Text of strangers on a terminal.

use std::fmt::Write as _;

use unicode_general_category::{GeneralCategory, get_general_category};

/// The text with everything escaped that a terminal could obey or that hides what stands there:
/// control and format characters, line separators, private and unassigned characters.
pub(crate) fn inert(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if is_plain(character) {
            clean.push(character);
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(clean, "\\u{{{:x}}}", u32::from(character));
        }
    }
    clean
}

/// The text on one line, inert.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    inert(&words.join(" "))
}

fn is_plain(character: char) -> bool {
    !matches!(
        get_general_category(character),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    )
}

#[cfg(test)]
mod tests {
    use super::{inert, one_line};

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(inert("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(
            inert("a\r\nb\u{202e}c\u{2028}"),
            "a\\u{d}\\u{a}b\\u{202e}c\\u{2028}"
        );
        assert_eq!(inert("größe 価格"), "größe 価格");
    }

    #[test]
    fn an_error_never_takes_more_than_a_line() {
        assert_eq!(one_line("  a\n  b\t\u{7}c\n"), "a b \\u{7}c");
    }
}
