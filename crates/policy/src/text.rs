//! How texts are compared, checked and shown.

use std::borrow::Cow;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

/// A name of a field, as two names are compared: NFKC and lower-casing (and NFKC again, since
/// lower-casing can leave what composes).
///
/// Character by character, with both forms of the small sigma equal: the lower-casing of a whole
/// text would make `ΟΔΟΣ` differ from `οδοσ` by the place of the letter.
pub(crate) fn fold_name(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return lower_ascii(name);
    }
    let lower = name.nfkc().flat_map(char::to_lowercase);
    let lower = lower.map(|c| if c == 'ς' { 'σ' } else { c });
    Cow::Owned(lower.nfkc().collect())
}

/// A stage, as two stages are compared: NFKC, full case folding, and nothing blank around it.
///
/// Folding is lower, upper and lower case in turn: it makes at least those texts equal that
/// Unicode's full case folding makes equal (`STRASSE` and `straße`).
pub(crate) fn fold_stage(stage: &str) -> Cow<'_, str> {
    if stage.is_ascii() {
        return lower_ascii(stage.trim_matches(is_blank));
    }
    let folded = stage
        .nfkc()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase);
    let folded: String = folded.nfkc().collect();
    Cow::Owned(folded.trim_matches(is_blank).to_owned())
}

/// White space, and what the trimming of one language or another takes for it.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '\u{feff}'
}

fn lower_ascii(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether the text is in form NFC.
pub(crate) fn is_nfc(text: &str) -> bool {
    unicode_normalization::is_nfc(text)
}

/// Whether the text has more than so many characters; does not count further.
pub(crate) fn longer_than(text: &str, chars: usize) -> bool {
    text.len() > chars && text.chars().nth(chars).is_some()
}

/// What in the text a person could not see in a reason, if anything.
pub(crate) fn unprintable(text: &str) -> Option<&'static str> {
    text.chars().find_map(|c| match get_general_category(c) {
        GeneralCategory::Control => Some("the text has a control character"),
        GeneralCategory::Format => Some("the text has a format character"),
        GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => {
            Some("the text has a line separator")
        }
        _ => None,
    })
}

/// A text of the sender's in a message: in backticks, cut, what is not printable escaped.
pub(crate) fn shown(text: &str) -> String {
    const CHARS: usize = 64;
    let cut = cut(text, CHARS);
    let mut out = String::with_capacity(cut.len() + 2);
    out.push('`');
    for c in cut.chars() {
        if unprintable(c.encode_utf8(&mut [0; 4])).is_some() {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

/// At most so many characters, with an ellipsis for the rest.
pub(crate) fn cut(text: &str, chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// `a, b and 3 more`: as many of the items as fit into so many bytes, the first one always.
pub(crate) fn listed(items: &[String], bytes: usize) -> String {
    const MORE: usize = " and 1000 more".len();
    let mut out = String::new();
    let mut left = items.len();
    for item in items {
        let room = if left > 1 { MORE } else { 0 };
        if !out.is_empty() {
            if out.len() + ", ".len() + item.len() + room > bytes {
                return format!("{out} and {left} more");
            }
            out.push_str(", ");
        }
        out.push_str(item);
        left -= 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_after_nfkc_and_lower_casing() {
        for (name, key) in [
            ("iban", "IBAN"),
            ("iban", "ｉｂａｎ"),
            ("straße", "STRAẞE"),
            ("kelvin", "\u{212a}elvin"),
            ("é", "E\u{301}"),
            ("ǰ", "J\u{30c}"),
            ("i\u{307}", "İ"),
            ("οδος", "ΟΔΟΣ"),
            ("οδοσ", "ΟΔΟΣ"),
            ("a.b", "A․B"),
        ] {
            assert_eq!(fold_name(name), fold_name(key), "{name} {key}");
        }
        for (name, other) in [
            ("iban", "iban "),
            ("iban", "ibans"),
            ("a_b", "a-b"),
            ("e", "é"),
        ] {
            assert_ne!(fold_name(name), fold_name(other));
        }
    }

    #[test]
    fn stages_compare_after_trimming_and_case_folding() {
        for (stage, text) in [
            ("closed_won", "  Closed_WON\n"),
            ("closed_won", "\u{a0}closed_won\u{3000}"),
            ("closed_won", "\u{feff}closed_won\u{1c}"),
            ("closed_won", "ｃｌｏｓｅｄ＿ｗｏｎ"),
            ("strasse", "STRAẞE"),
            ("straße", "STRASSE"),
            ("τέλος", "ΤΈΛΟΣ"),
            ("ﬁnal", "FINAL"),
        ] {
            assert_eq!(fold_stage(stage), fold_stage(text), "{stage} {text}");
        }
        assert_ne!(fold_stage("closed_won"), fold_stage("closed won"));
    }

    #[test]
    fn folding_twice_changes_nothing_for_any_character() {
        for c in '\0'..=char::MAX {
            let text = format!("a{c}b");
            let name = fold_name(&text);
            assert_eq!(fold_name(&name), name, "{:x}", u32::from(c));
            let stage = fold_stage(&text);
            assert_eq!(fold_stage(&stage), stage, "{:x}", u32::from(c));
        }
    }

    #[test]
    fn every_upper_case_letter_is_the_same_name_as_its_lower_case() {
        for c in '\0'..=char::MAX {
            let upper = format!("a{c}b");
            let lower: String = upper.chars().flat_map(char::to_lowercase).collect();
            assert_eq!(fold_name(&upper), fold_name(&lower), "{:x}", u32::from(c));
        }
    }

    #[test]
    fn lists_are_cut_and_say_how_much_is_left() {
        let items: Vec<String> = ["one", "two", "three and twenty"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(listed(&items, 240), "one, two, three and twenty");
        assert_eq!(listed(&items, 24), "one, two and 1 more");
        assert_eq!(listed(&items, 0), "one and 2 more");
        assert_eq!(listed(&[], 10), "");
    }

    #[test]
    fn what_a_message_repeats_is_short_and_visible() {
        assert_eq!(shown("aprove"), "`aprove`");
        assert_eq!(shown("a\u{202e}\nb"), r"`a\u{202e}\u{a}b`");
        assert_eq!(shown(&"x".repeat(100)), format!("`{}…`", "x".repeat(64)));
    }
}
