//! Eight bytes at a time: where a string stops being plain.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many leading bytes are neither a quote, nor a backslash, nor a control character below
/// U+0020: what the reader may take and the writer may copy as it stands.
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut run = 0;
    for word in words {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return run + special.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    run + rest
        .iter()
        .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
        .unwrap_or(rest.len())
}

/// The high bit of every special byte. A borrow can flag a byte above a special one wrongly, never
/// below: the lowest flag is exact, and only that one is used.
fn special_bytes(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = zero_bytes(word ^ (ONES * 0x22));
    let backslash = zero_bytes(word ^ (ONES * 0x5c));
    (control | quote | backslash) & HIGH
}

fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

#[cfg(test)]
mod tests {
    use super::plain_run;

    #[test]
    fn a_special_byte_is_found_at_every_position_beside_every_neighbour() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for position in 0..20 {
                for neighbour in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                    let mut text = vec![neighbour; 24];
                    text[position] = special;
                    assert_eq!(plain_run(&text), position);
                }
            }
        }
    }

    #[test]
    fn no_other_byte_is_special() {
        for byte in (0x20..=0xff).filter(|byte| !b"\"\\".contains(byte)) {
            assert_eq!(plain_run(&[byte; 19]), 19);
        }
    }
}
