//! What a policy may hold. A policy beyond a limit is refused whole.

use std::time::Duration;

/// Rules in one policy.
pub const MAX_RULES: usize = 10_000;
/// Characters of a pattern; at least one.
pub const MAX_PATTERN_CHARS: usize = 512;
/// Characters of a rule's `id`; at least one.
pub const MAX_ID_CHARS: usize = 64;
/// Characters of a rule's `description`.
pub const MAX_DESCRIPTION_CHARS: usize = 2_000;
/// Entries of one list (`agents`, `deny_fields`, `require_approval_if_stage`); at least one.
pub const MAX_LIST_ITEMS: usize = 1_000;
/// Characters of one entry of such a list; at least one.
pub const MAX_LIST_ITEM_CHARS: usize = 256;
/// Parts of all dotted names in the `deny_fields` of one policy, equal beginnings counted once.
/// The last name may go beyond.
pub const MAX_DOTTED_PARTS: usize = 100_000;
/// Characters of a tag in `agents`: those of an agent's tag.
pub const MAX_TAG_CHARS: usize = 64;
/// Faults that one refusal names; the rest shows when these are mended.
pub const MAX_FAULTS: usize = 100;
/// Bytes of a reason. Receipts are bounded, so their parts are.
pub const MAX_REASON_BYTES: usize = 1_024;
/// The shortest `approval.expires_in`.
pub const MIN_EXPIRES_IN: Duration = Duration::from_mins(1);
/// The longest `approval.expires_in`.
pub const MAX_EXPIRES_IN: Duration = Duration::from_hours(7 * 24);
