//! Text that people and agents give us, held to what can be shown and compared.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

pub(crate) const MAX_ACTION: usize = 256;
pub(crate) const MAX_RESOURCE: usize = 512;
pub(crate) const MAX_INSTANCE: usize = 256;

/// Why a text is refused, for the `detail` of a 400.
pub(crate) fn check_line(text: &str, max: usize) -> Result<(), String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    // ASCII is NFC and has neither format characters nor separators: the common case is one pass.
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return if text.len() > max {
            Err(format!("is longer than {max} characters"))
        } else {
            Ok(())
        };
    }
    if text.chars().count() > max {
        return Err(format!("is longer than {max} characters"));
    }
    for c in text.chars() {
        match get_general_category(c) {
            GeneralCategory::Control => return Err("has a control character".to_owned()),
            GeneralCategory::Format => {
                return Err("has a format character (Unicode category Cf)".to_owned());
            }
            GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => {
                return Err("has a line or paragraph separator".to_owned());
            }
            _ => {}
        }
    }
    let normal = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => true,
        IsNormalized::No => false,
        IsNormalized::Maybe => text.nfc().eq(text.chars()),
    };
    if normal {
        Ok(())
    } else {
        Err("is not in Unicode normal form NFC".to_owned())
    }
}

/// A label given by a person is empty, too long, or has characters that do not show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LabelError(pub(crate) String);

/// A name or remark that a person gave: one line of visible text.
// INVARIANT: as `check_line` says, trimmed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// Takes a text of 1 to `max` characters after trimming.
    ///
    /// # Errors
    /// Empty, too long, or with control, format or separator characters, or not NFC.
    pub fn new(text: &str, max: usize) -> Result<Self, LabelError> {
        let text = text.trim();
        check_line(text, max).map_err(LabelError)?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_refused() {
        for (text, why) in [
            ("", "must not be empty"),
            ("a\u{0}b", "has a control character"),
            ("a\nb", "has a control character"),
            ("a\u{7f}b", "has a control character"),
            ("a\u{200b}b", "has a format character (Unicode category Cf)"),
            ("a\u{202e}b", "has a format character (Unicode category Cf)"),
            ("a\u{2028}b", "has a line or paragraph separator"),
            ("e\u{301}", "is not in Unicode normal form NFC"),
            ("abcdefghi", "is longer than 8 characters"),
            ("ééééééééé", "is longer than 8 characters"),
        ] {
            assert_eq!(check_line(text, 8).unwrap_err(), why, "{text:?}");
        }
        for text in ["a", "crm:*", "éééééééé", "日本"] {
            check_line(text, 8).unwrap();
        }
    }
}
