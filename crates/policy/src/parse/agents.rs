//! The agents of a rule: ids and tags.

use relynt_domain::AgentId;
use relynt_json::Value;

use super::fault::At;
use super::read::{Reader, Refused};
use crate::limits::MAX_TAG_CHARS;
use crate::rule::Agents;
use crate::text::is_nfc;

impl Reader<'_> {
    /// A UUID is the id of an agent that must exist, anything else a tag.
    pub(crate) fn agents(&mut self, value: &Value, at: At<'_>) -> Result<Agents, Refused> {
        let (mut ids, mut tags) = (Vec::new(), Vec::new());
        self.lines(value, MAX_TAG_CHARS, at, |reader, text, at| {
            if let Ok(id) = text.parse::<AgentId>() {
                if !(reader.agent_exists)(&id) {
                    return reader.refuse(at, format!("there is no agent `{id}`"));
                }
                ids.push(id);
            } else if reads_as_id(text) {
                // As a tag it would match nobody, and the rule would protect nothing.
                return reader.refuse(
                    at,
                    "looks like the id of an agent; ids are written in lower case with hyphens",
                );
            } else if is_nfc(text) {
                tags.push(reader.vocabulary.tags.add(text));
            } else {
                return reader.refuse(at, "is not in Unicode form NFC, as tags are");
            }
            Ok(())
        })?;
        ids.sort_unstable();
        tags.sort_unstable();
        Ok(Agents {
            ids: ids.into_boxed_slice(),
            tags: tags.into_boxed_slice(),
        })
    }
}

/// Whether the text is a UUID in another of its usual forms.
fn reads_as_id(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let text = text.strip_prefix("urn:uuid:").unwrap_or(&text);
    let digits = text.trim_matches(['{', '}']).replace('-', "");
    digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
