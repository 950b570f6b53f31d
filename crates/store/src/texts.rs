//! What stands in a column as text or bytes of a form of its own.

use relynt_domain::{Channel, Scope, Scopes, Timestamp, ToolCall, Vote, VoteKind};
use relynt_json::{Object, Value, write_canonical_str};
use zeroize::Zeroizing;

/// Only whole milliseconds are ever written: anything between reads as no time that a receipt has.
pub(crate) fn exact_time(micros: i64) -> Timestamp {
    let whole = Timestamp::from_unix_micros(micros);
    if whole.unix_micros() == micros {
        whole
    } else {
        Timestamp::from_unix_millis(0)
    }
}

pub(crate) fn write_strings<'a>(strings: impl Iterator<Item = &'a str>) -> String {
    Value::Array(strings.map(Value::from).collect()).to_canonical()
}

pub(crate) fn strings(text: &str) -> Option<Vec<String>> {
    let value = relynt_json::parse(text.as_bytes()).ok()?;
    value
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}

pub(crate) fn write_scopes(scopes: Scopes) -> String {
    write_strings(scopes.iter().map(Scope::as_str))
}

pub(crate) fn write_votes(votes: &[Vote]) -> String {
    let votes = votes.iter().map(|vote| {
        let object: Object = [
            ("by", Value::from(vote.by.to_string())),
            ("vote", vote.vote.as_str().into()),
            ("at", vote.at.to_string().into()),
            ("channel", vote.channel.as_str().into()),
            ("revision", vote.revision.into()),
        ]
        .into_iter()
        .collect();
        Value::Object(object)
    });
    Value::Array(votes.collect()).to_canonical()
}

pub(crate) fn read_votes(text: &str) -> Option<Vec<Vote>> {
    let value = relynt_json::parse(text.as_bytes()).ok()?;
    let vote = |item: &Value| {
        let text = |name: &str| item.get(name)?.as_str();
        Some(Vote {
            by: text("by")?.parse().ok()?,
            vote: VoteKind::from_word(text("vote")?)?,
            at: Timestamp::parse(text("at")?).ok()?,
            channel: Channel::from_word(text("channel")?)?,
            revision: item
                .get("revision")?
                .as_number()?
                .as_u64()?
                .try_into()
                .ok()?,
        })
    };
    value.as_array()?.iter().map(vote).collect()
}

/// The canonical body and the facts in one text: the body's length in front.
pub(crate) fn request_text(call: &ToolCall) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::new(Vec::with_capacity(256 + call.payload_canonical.len()));
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(b"{\"action\":");
    write_canonical_str(call.action.as_str(), &mut body);
    body.extend_from_slice(b",\"instance_id\":");
    write_canonical_str(call.instance_id.as_str(), &mut body);
    body.extend_from_slice(b",\"payload\":");
    body.extend_from_slice(call.payload_canonical.as_bytes());
    body.extend_from_slice(b",\"resource\":");
    write_canonical_str(call.resource.as_str(), &mut body);
    body.push(b'}');
    // A body has at most 256 KiB.
    let len = u32::try_from(body.len() - 4).unwrap_or(u32::MAX);
    if let Some(head) = body.first_chunk_mut::<4>() {
        *head = len.to_be_bytes();
    }
    body.extend_from_slice(call.facts.as_bytes());
    body
}

/// Takes the two apart again.
pub(crate) fn split_request(text: &[u8]) -> Option<(&str, &str)> {
    let (head, rest) = text.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*head)).ok()?;
    let (body, facts) = rest.split_at_checked(len)?;
    Some((str::from_utf8(body).ok()?, str::from_utf8(facts).ok()?))
}
