//! Where a list goes on: opaque texts

use std::fmt::Display;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use relynt_domain::Timestamp;

use crate::{error::Refusal, query::Query};

/// The last item of a page of a list by time.
pub(crate) type Place = (Timestamp, [u8; 16]);

/// The most items on a page.
pub(crate) const MOST: u32 = 200;
/// The items on a page if nobody says how many.
const USUAL: u32 = 50;

/// How many items a page has.
///
/// # Errors
/// 400: not within 1 to 200.
pub(crate) fn limit(query: &Query) -> Result<u32, Refusal> {
    Ok(query.number("limit", 1, MOST)?.unwrap_or(USUAL))
}

/// The cursor for what comes after a place.
pub(crate) fn of_place(place: Place) -> String {
    let mut bytes = Vec::with_capacity(25);
    bytes.push(1);
    bytes.extend_from_slice(&place.0.unix_millis().to_be_bytes());
    bytes.extend_from_slice(&place.1);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that a cursor names.
///
/// # Errors
/// 400: it is none of ours.
pub(crate) fn place(query: &Query) -> Result<Option<Place>, Refusal> {
    read(query, |text| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (kind, rest) = bytes.split_first()?;
        let (millis, id) = rest.split_first_chunk::<8>()?;
        let id: [u8; 16] = id.try_into().ok()?;
        let at = Timestamp::from_unix_millis(u64::from_be_bytes(*millis));
        (*kind == 1).then_some((at, id))
    })
}

/// The cursor for what comes after an item with this name.
pub(crate) fn of_name(name: impl Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("\u{2}{name}"))
}

/// The name in a cursor.
///
/// # Errors
/// 400: it is none of ours.
pub(crate) fn name<T: std::str::FromStr>(query: &Query) -> Result<Option<T>, Refusal> {
    read(query, |text| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let name = std::str::from_utf8(&bytes).ok()?.strip_prefix('\u{2}')?;
        name.parse().ok()
    })
}

fn read<T>(query: &Query, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Refusal> {
    query.read_with("cursor", "the `next_cursor` of an earlier answer", read)
}

#[cfg(test)]
mod tests {
    use relynt_domain::{AgentId, Timestamp};

    use super::{name, of_name, of_place, place};
    use crate::query::Query;

    fn query(cursor: &str) -> Query {
        Query::read(Some(&format!("cursor={cursor}")), &["cursor"]).unwrap()
    }

    #[test]
    fn a_cursor_names_the_place_it_was_made_for_and_nothing_else_does() {
        let at = (Timestamp::from_unix_millis(1_700_000_000_007), [7; 16]);
        assert_eq!(place(&query(&of_place(at))).unwrap(), Some(at));
        let id = AgentId::from_bytes([9; 16]);
        assert_eq!(name::<AgentId>(&query(&of_name(id))).unwrap(), Some(id));
        for bad in ["", "x", "AQ", &of_name(id), "%00"] {
            assert!(place(&query(bad)).is_err(), "{bad}");
        }
        for bad in ["", "x", &of_place(at)] {
            assert!(name::<AgentId>(&query(bad)).is_err(), "{bad}");
        }
    }
}
