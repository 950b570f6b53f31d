//! The nearest known word, for "did you mean".

/// The word of `known` that differs from `word` in at most two letters, if there is one.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase().replace(['-', ' '], "_");
    let near = known
        .iter()
        .map(|candidate| (distance(&word, candidate), *candidate));
    near.filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The edit distance of Levenshtein.
fn distance(from: &str, to: &str) -> usize {
    let mut above: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, have) in from.chars().enumerate() {
        let mut row = vec![line + 1];
        for ((want, diagonal), up) in to.chars().zip(&above).zip(above.iter().skip(1)) {
            let left = row.last().copied().unwrap_or(usize::MAX - 1);
            row.push(
                (diagonal + usize::from(have != want))
                    .min(up + 1)
                    .min(left + 1),
            );
        }
        above = row;
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognized_and_another_word_is_not() {
        let known = ["base_url", "headers", "timeout_ms"];
        assert_eq!(nearest("base-url", &known), Some("base_url"));
        assert_eq!(nearest("header", &known), Some("headers"));
        assert_eq!(nearest("Timeout_MS", &known), Some("timeout_ms"));
        assert_eq!(nearest("retries", &known), None);
    }
}
