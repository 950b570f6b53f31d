//! The nearest known word, for "did you mean".

/// The word of the list that differs from the given one in few letters, if there is one.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    const CHARS: usize = 64;
    // What is long is no slip, and comparing it would cost.
    if word.chars().nth(CHARS).is_some() {
        return None;
    }
    let word = word.trim().to_lowercase().replace([' ', '-'], "_");
    known
        .iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3).min(4))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The edit distance of Levenshtein: insertions, deletions and replacements.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for ((to, above), diagonal) in b.chars().zip(row.iter().skip(1)).zip(&row) {
            left = (diagonal + usize::from(from != to))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_levenshteins() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn variables_in_capitals_are_words_too() {
        let known = ["RELYNT_LISTEN", "RELYNT_LOG"];
        assert_eq!(nearest("RELYNT_LISTN", &known), Some("RELYNT_LISTEN"));
    }

    #[test]
    fn a_slip_finds_its_word() {
        let known = ["id", "action", "agents", "deny_fields", "max_amount_change"];
        for (word, found) in [
            ("deny_field", Some("deny_fields")),
            ("deny_feild", Some("deny_fields")),
            ("denyFields", Some("deny_fields")),
            ("Deny Fields", Some("deny_fields")),
            ("acton", Some("action")),
            ("ID", Some("id")),
            ("max-amount-change", Some("max_amount_change")),
            ("colour", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, &known), found, "{word}");
        }
        assert_eq!(nearest(&"a".repeat(100_000), &known), None);
    }
}
