//! The statements of PostgreSQL alone, and those of `crate::sql` that both databases understand.

pub(super) use crate::sql::{
    BUMP_CHANGE, CHANGED_AGENTS, CHANGED_CONNECTORS, CHANGED_CREDENTIALS, CHANGED_MEMBERS,
    CHANGED_TOKENS, DELETE_CONNECTOR, END_APPROVAL, FIND_APPROVAL, FIND_EXECUTION,
    FIND_ORGANIZATION, FIND_POLICY, FIND_RECEIPT, FIND_USER, FINISH_APPROVAL, INSERT_ADMIN_RECORD,
    INSERT_APPROVAL, INSERT_CREDENTIAL, INSERT_MEMBER, INSERT_ORGANIZATION, INSERT_POLICY,
    INSERT_SIGNING_KEY, INSERT_TOKEN, INSERT_USER, LIST_ORGANIZATIONS, LIST_POLICIES,
    LIST_SIGNING_KEYS, MARK_ACTIVATED, PROBE, PUT_AGENT, SET_ACTIVE, SET_AGENT_STATUS, WRAPPED_KEY,
};

/// What a transaction may see and touch.
pub(super) const SCOPE: &str = "SELECT set_config('relynt.organizations', $1, true)";

// The lock is shared by decisions and stands in the way of `BUMP_CHANGE`, which has to wait until
// they have committed: no change can come between the look at the number and the commit. In order
// of the ids, so that two of these never wait for each other.
pub(super) const LOCK_NUMBERS: &str = "SELECT id, change_number FROM organizations
    WHERE id = ANY ($1) ORDER BY id FOR SHARE";

// The same for one that is about to be changed: two changes come one after the other.
pub(super) const LOCK_FOR_CHANGE: &str =
    "SELECT change_number FROM organizations WHERE id = $1 FOR NO KEY UPDATE";

// Whoever decides by what is open for an agent does so one after the other: of two identical
// requests at once, the second sees the approval that the first has opened.
pub(super) const LOCK_AGENT: &str = "SELECT 1 FROM agents WHERE organization = $1 AND id = $2
    FOR NO KEY UPDATE";

// Rows come in the order of the keys, in every group of every node: no two groups wait for each
// other. What is returned was claimed; nothing of it can conflict any more.
pub(super) const CLAIM_CALLS: &str = "INSERT INTO calls
    (organization, agent, key, request_digest, receipt, http_status, format, body_kept)
    SELECT organization, agent, key, request_digest, receipt, http_status, format, body_kept
    FROM UNNEST($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::uuid[], $6::bigint[],
        $7::bigint[], $8::boolean[])
        AS new (organization, agent, key, request_digest, receipt, http_status, format, body_kept)
    ON CONFLICT (organization, agent, key) DO NOTHING
    RETURNING receipt";

pub(super) const INSERT_REQUESTS: &str = "INSERT INTO requests
    (organization, receipt, agent, key, call_key, body, answer)
    SELECT organization, receipt, agent, key, call_key, body, answer
    FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[],
        $7::bytea[])
        AS new (organization, receipt, agent, key, call_key, body, answer)";

pub(super) const INSERT_RECEIPTS: &str = "INSERT INTO receipts
    (organization, id, created_at, agent_id, instance_id, approval_id, action, resource, decision,
     risk_level, bytes)
    SELECT organization, id, created_at, agent_id, instance_id, approval_id, action, resource,
        decision, risk_level, bytes
    FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::uuid[],
        $7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[])
        AS new (organization, id, created_at, agent_id, instance_id, approval_id, action, resource,
            decision, risk_level, bytes)";

pub(super) const QUEUE_LEAVES: &str = "INSERT INTO log_queue (organization, id, kind, leaf)
    SELECT organization, id, kind, leaf
    FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::bytea[])
        AS new (organization, id, kind, leaf)";

// One statement sees one state: the call, its receipt and what was kept belong together.
pub(super) const FIND_CALL: &str = "SELECT c.request_digest, c.receipt, c.http_status, c.format,
    c.body_kept, r.bytes, q.agent, q.key, q.call_key, q.answer
    FROM calls c
    LEFT JOIN receipts r ON r.organization = c.organization AND r.id = c.receipt
    LEFT JOIN requests q ON q.organization = c.organization AND q.receipt = c.receipt
        AND c.body_kept
    WHERE c.organization = $1 AND c.agent = $2 AND c.key = $3";

pub(super) const OPEN_APPROVAL: &str = "SELECT id, revision, expires_at FROM approvals
    WHERE organization = $1 AND agent = $2 AND request_digest = $3 AND status = 'pending'
        AND expires_at > $4
    ORDER BY created_at DESC, id DESC LIMIT 1";

pub(super) const FIND_META: &str = "SELECT value FROM meta WHERE name = $1";

pub(super) const INSERT_META: &str =
    "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

// ---- organizations and what is configured in them

pub(super) const LIST_NUMBERS: &str = "SELECT id, change_number FROM organizations";

pub(super) const TOUCH_AGENT: &str = "UPDATE agents
    SET last_seen_at = greatest(coalesce(last_seen_at, 0), $1) WHERE organization = $2 AND id = $3";

pub(super) const TOUCH_CREDENTIAL: &str = "UPDATE credentials
    SET last_used_at = greatest(coalesce(last_used_at, 0), $1) WHERE organization = $2 AND id = $3";

pub(super) const TOUCH_TOKEN: &str = "UPDATE tokens
    SET last_used_at = greatest(coalesce(last_used_at, 0), $1) WHERE organization = $2 AND id = $3";

// An earlier revocation stands: nothing that was revoked comes back.
pub(super) const REVOKE_CREDENTIAL: &str = "UPDATE credentials
    SET revoked_at = least(coalesce(revoked_at, $1), $1), changed = $2
    WHERE organization = $3 AND id = $4";

pub(super) const REVOKE_TOKEN: &str = "UPDATE tokens
    SET revoked_at = least(coalesce(revoked_at, $1), $1), changed = $2
    WHERE organization = $3 AND id = $4";

// The versions of an organization are numbered without gaps.
pub(super) const NEXT_VERSION: &str = "UPDATE organizations SET last_version = $1
    WHERE id = $2 AND last_version + 1 = $1";

pub(super) const CHANGED_POLICY: &str = "SELECT version, rules, note, digest, created_at,
    created_by, activated_at FROM policies
    WHERE organization = $1 AND changed > $2
        AND version = (SELECT active_version FROM organizations WHERE id = $1)";

pub(super) const PUT_CONNECTOR: &str = "INSERT INTO connectors
    (organization, id, version, name, definition, headers, created_at, changed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (organization, id) DO UPDATE SET version = excluded.version,
        name = excluded.name, definition = excluded.definition, headers = excluded.headers,
        changed = excluded.changed
    WHERE connectors.deleted_at IS NULL AND connectors.version < excluded.version";

// ---- the ledger

pub(super) const INSERT_RECEIPT: &str = "INSERT INTO receipts
    (organization, id, created_at, agent_id, instance_id, approval_id, action, resource,
     decision, risk_level, bytes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

pub(super) const QUEUE_LEAF: &str =
    "INSERT INTO log_queue (organization, id, kind, leaf) VALUES ($1, $2, $3, $4)";

pub(super) const FIND_ADMIN_RECORD: &str =
    "SELECT 1 FROM admin_records WHERE organization = $1 AND id = $2";

pub(super) const OWNER_OF: &str =
    "SELECT user_id FROM memberships WHERE organization = $1 AND changed = 1";

pub(super) const RECEIPTS_BYTES: &str = "SELECT bytes FROM receipts
    WHERE organization = $1 AND id = ANY ($2) ORDER BY created_at DESC, id DESC";

/// The statements that walk the receipts of an organization, newest first, along one index.
macro_rules! walk {
    ($narrow:literal) => {
        concat!(
            "SELECT created_at, id, agent_id, instance_id, action, resource, decision, risk_level
             FROM receipts
             WHERE organization = $1 AND created_at >= $2 AND created_at < $3
                 AND (created_at, id) < ($4, $5)",
            $narrow,
            " ORDER BY created_at DESC, id DESC LIMIT $6"
        )
    };
}

pub(super) const WALK_BY_TIME: &str = walk!("");
pub(super) const WALK_BY_AGENT: &str = walk!(" AND agent_id = $7");
pub(super) const WALK_BY_INSTANCE: &str = walk!(" AND instance_id = $7");
pub(super) const WALK_BY_APPROVAL: &str = walk!(" AND approval_id = $7");

// ---- calls and executions

pub(super) const ANSWER_CALL: &str = "UPDATE calls
    SET http_status = $1, format = $2, body_kept = $3
    WHERE organization = $4 AND agent = $5 AND key = $6 AND http_status IS NULL";

pub(super) const FIND_REQUEST: &str =
    "SELECT agent, key, call_key, body FROM requests WHERE organization = $1 AND receipt = $2";

pub(super) const FIND_RESPONSE: &str = "SELECT r.agent, r.key, r.call_key, r.tool_response
    FROM executions e JOIN requests r
        ON r.organization = e.organization AND r.receipt = e.request
    WHERE e.organization = $1 AND e.id = $2";

// What is sealed under a key that was erased meanwhile stays out.
pub(super) const KEEP_ANSWER: &str = "UPDATE requests SET answer = coalesce($1, answer),
    tool_response = coalesce($2, tool_response)
    WHERE organization = $3 AND receipt = $4 AND call_key IS NOT NULL";

pub(super) const INSERT_EXECUTION: &str = "INSERT INTO executions
    (organization, id, request, key, receipt, agent, approval, connector, connector_version,
     incarnation, request_digest, request_id, draft, status, response, attempts, started_at,
     deadline_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'pending', 'none', 0, $14,
        $15)";

pub(super) const EXECUTION_CALL: &str =
    "SELECT request, agent, key, receipt, approval FROM executions
    WHERE organization = $1 AND id = $2";

// The first closing wins: its row count says which one was.
pub(super) const CLOSE_EXECUTION: &str = "UPDATE executions SET status = $1, detail = $2,
    response = $3, attempts = $4, http_status = $5, finished_at = $6, draft = NULL
    WHERE organization = $7 AND id = $8 AND status = 'pending'";

// Heads only: whoever may look before the organization is known sees no more than these.
pub(super) const LEFT_BEHIND: &str = "SELECT organization, id FROM executions
    WHERE status = 'pending' AND ((incarnation <> $1 AND $2) OR deadline_at < $3)
    ORDER BY started_at LIMIT $4";

pub(super) const OPEN_EXECUTIONS: &str = "SELECT e.organization, e.id, e.receipt, e.draft, e.agent,
    e.approval, e.connector, e.connector_version, e.incarnation, e.request_digest, e.started_at,
    e.deadline_at, e.request_id
    FROM UNNEST($1::uuid[], $2::uuid[]) AS head (organization, id)
    JOIN executions e ON e.organization = head.organization AND e.id = head.id
    WHERE e.status = 'pending' ORDER BY e.started_at";

// ---- approvals

macro_rules! approval_columns {
    () => {
        "id, status, created_at, expires_at, revision, agent, credential, key, instance_id, action,
         resource, request_digest, request_hash, reason, risk_level, policy_version,
         policy_digest, rule_id, connector, connector_binding, performed_by, valid_until, receipt,
         final_receipt, decided_by, decided_at, note, blocked_by, execution, votes"
    };
}

pub(super) const LOCK_APPROVAL: &str = concat!(
    "SELECT ",
    approval_columns!(),
    " FROM approvals WHERE organization = $1 AND id = $2 FOR NO KEY UPDATE"
);

// In order, so that two changes never wait for each other.
pub(super) const PENDING_OF_AGENT: &str = concat!(
    "SELECT ",
    approval_columns!(),
    " FROM approvals WHERE organization = $1 AND agent = $2 AND status = 'pending'
      ORDER BY created_at, id FOR NO KEY UPDATE"
);

macro_rules! list_approvals {
    ($narrow:literal, $limit:literal) => {
        concat!(
            "SELECT ",
            approval_columns!(),
            " FROM approvals WHERE organization = $1 AND (created_at, id) < ($2, $3)",
            $narrow,
            " ORDER BY created_at DESC, id DESC LIMIT ",
            $limit
        )
    };
}

pub(super) const LIST_APPROVALS: &str = list_approvals!("", "$4");
pub(super) const LIST_APPROVALS_OF_STATUS: &str = list_approvals!(" AND status = $4", "$5");
pub(super) const LIST_APPROVALS_OF_AGENT: &str = list_approvals!(" AND agent = $4", "$5");
pub(super) const LIST_APPROVALS_OF_BOTH: &str =
    list_approvals!(" AND agent = $4 AND status = $5", "$6");

pub(super) const LIST_EXPIRED: &str = "SELECT organization, id FROM approvals
    WHERE status = 'pending' AND expires_at <= $1 ORDER BY expires_at LIMIT $2";
