//! The statements. Parameters are numbered in the order of their first use.

// ---- transactions

pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";

pub(crate) const COMMIT: &str = "COMMIT";

// ---- organizations

pub(crate) const CHANGE_NUMBER: &str = "SELECT change_number FROM organizations WHERE id = $1";

pub(crate) const BUMP_CHANGE: &str = "UPDATE organizations SET change_number = change_number + 1
    WHERE id = $1 AND change_number = $2";

pub(crate) const WRAPPED_KEY: &str = "SELECT wrapped_key FROM organizations WHERE id = $1";

pub(crate) const LIST_ORGANIZATIONS: &str =
    "SELECT id, name, created_at FROM organizations ORDER BY created_at, id";

pub(crate) const FIND_ORGANIZATION: &str = "SELECT id, name, created_at, change_number,
    active_version, last_version FROM organizations WHERE id = $1";

pub(crate) const INSERT_ORGANIZATION: &str = "INSERT INTO organizations
    (id, name, created_at, wrapped_key, change_number, active_version, last_version)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub(crate) const FIND_USER: &str = "SELECT id FROM users WHERE email_key = $1";

pub(crate) const INSERT_USER: &str = "INSERT INTO users (id, email, email_key) VALUES ($1, $2, $3)";

pub(crate) const INSERT_MEMBER: &str = "INSERT INTO memberships
    (organization, user_id, role, created_at, changed) VALUES ($1, $2, $3, $4, $5)";

pub(crate) const CHANGED_MEMBERS: &str = "SELECT user_id, role, created_at FROM memberships
    WHERE organization = $1 AND changed > $2";

// ---- agents and their credentials

pub(crate) const PUT_AGENT: &str = "INSERT INTO agents
    (organization, id, name, description, tags, owner, status, created_at, changed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (organization, id) DO UPDATE SET name = excluded.name,
        description = excluded.description, tags = excluded.tags, owner = excluded.owner,
        changed = excluded.changed";

pub(crate) const SET_AGENT_STATUS: &str = "UPDATE agents SET status = $1, changed = $2
    WHERE organization = $3 AND id = $4";

pub(crate) const CHANGED_AGENTS: &str = "SELECT id, name, description, tags, owner, status,
    created_at, last_seen_at FROM agents WHERE organization = $1 AND changed > $2";

pub(crate) const TOUCH_AGENT: &str = "UPDATE agents
    SET last_seen_at = max(coalesce(last_seen_at, 0), $1) WHERE organization = $2 AND id = $3";

pub(crate) const INSERT_CREDENTIAL: &str = "INSERT INTO credentials
    (organization, id, agent, lookup, secret_hash, created_at, last_used_at, expires_at,
     revoked_at, changed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

// An earlier revocation stands: nothing that was revoked comes back.
pub(crate) const REVOKE_CREDENTIAL: &str = "UPDATE credentials
    SET revoked_at = min(coalesce(revoked_at, $1), $1), changed = $2
    WHERE organization = $3 AND id = $4";

pub(crate) const CHANGED_CREDENTIALS: &str = "SELECT id, agent, lookup, secret_hash, created_at,
    last_used_at, expires_at, revoked_at FROM credentials
    WHERE organization = $1 AND changed > $2";

pub(crate) const TOUCH_CREDENTIAL: &str = "UPDATE credentials
    SET last_used_at = max(coalesce(last_used_at, 0), $1) WHERE organization = $2 AND id = $3";

// ---- tokens

pub(crate) const INSERT_TOKEN: &str = "INSERT INTO tokens
    (organization, id, user_id, name, role, scopes, lookup, secret_hash, created_at,
     last_used_at, expires_at, revoked_at, changed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(crate) const REVOKE_TOKEN: &str = "UPDATE tokens
    SET revoked_at = min(coalesce(revoked_at, $1), $1), changed = $2
    WHERE organization = $3 AND id = $4";

pub(crate) const CHANGED_TOKENS: &str = "SELECT id, user_id, name, role, scopes, lookup,
    secret_hash, created_at, last_used_at, expires_at, revoked_at FROM tokens
    WHERE organization = $1 AND changed > $2";

pub(crate) const TOUCH_TOKEN: &str = "UPDATE tokens
    SET last_used_at = max(coalesce(last_used_at, 0), $1) WHERE organization = $2 AND id = $3";

// ---- policies

macro_rules! policy_columns {
    () => {
        "version, rules, note, digest, created_at, created_by, activated_at"
    };
}

pub(crate) const INSERT_POLICY: &str = concat!(
    "INSERT INTO policies (organization, ",
    policy_columns!(),
    ", changed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
);

// The versions of an organization are numbered without gaps.
pub(crate) const NEXT_VERSION: &str = "UPDATE organizations SET last_version = $1
    WHERE id = $2 AND last_version = $1 - 1";

pub(crate) const MARK_ACTIVATED: &str = "UPDATE policies SET activated_at = $1, changed = $2
    WHERE organization = $3 AND version = $4";

pub(crate) const SET_ACTIVE: &str = "UPDATE organizations SET active_version = $1 WHERE id = $2";

pub(crate) const FIND_POLICY: &str = concat!(
    "SELECT ",
    policy_columns!(),
    " FROM policies WHERE organization = $1 AND version = $2"
);

pub(crate) const CHANGED_POLICY: &str = concat!(
    "SELECT ",
    policy_columns!(),
    " FROM policies WHERE organization = $1 AND version = $2 AND changed > $3"
);

pub(crate) const LIST_POLICIES: &str = concat!(
    "SELECT ",
    policy_columns!(),
    " FROM policies WHERE organization = $1 AND version < $2 ORDER BY version DESC LIMIT $3"
);

// ---- connectors

pub(crate) const PUT_CONNECTOR: &str = "INSERT INTO connectors
    (organization, id, version, name, definition, headers, created_at, changed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (organization, id) DO UPDATE SET version = excluded.version,
        name = excluded.name, definition = excluded.definition, headers = excluded.headers,
        changed = excluded.changed
    WHERE deleted_at IS NULL AND version < excluded.version";

pub(crate) const DELETE_CONNECTOR: &str = "UPDATE connectors
    SET deleted_at = $1, headers = NULL, changed = $2
    WHERE organization = $3 AND id = $4 AND deleted_at IS NULL";

pub(crate) const CHANGED_CONNECTORS: &str = "SELECT id, version, name, definition, headers,
    created_at, deleted_at FROM connectors WHERE organization = $1 AND changed > $2";

// ---- the ledger

pub(crate) const INSERT_RECEIPT: &str = "INSERT OR FAIL INTO receipts
    (organization, id, created_at, agent_id, instance_id, approval_id, action, resource,
     decision, risk_level, bytes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

pub(crate) const INSERT_ADMIN_RECORD: &str = "INSERT INTO admin_records
    (organization, id, created_at, act, subject, bytes) VALUES ($1, $2, $3, $4, $5, $6)";

pub(crate) const QUEUE_LEAF: &str =
    "INSERT INTO log_queue (organization, kind, id, leaf) VALUES ($1, $2, $3, $4)";

pub(crate) const RECEIPT_BYTES: &str =
    "SELECT bytes FROM receipts WHERE organization = $1 AND id = $2";

pub(crate) const RECEIPT_BYTES_AT: &str = "SELECT bytes FROM receipts WHERE seq = $1";

pub(crate) const FIND_RECEIPT: &str = "SELECT bytes, id, created_at, agent_id, instance_id,
    approval_id, action, resource, decision, risk_level
    FROM receipts WHERE organization = $1 AND id = $2";

/// The statements that walk the receipts of an organization, newest first, along one index.
macro_rules! walk {
    ($index:literal, $narrow:literal) => {
        concat!(
            "SELECT created_at, id, seq, agent_id, instance_id, approval_id, action, resource,
                 decision, risk_level
             FROM receipts INDEXED BY ",
            $index,
            " WHERE organization = $1 AND created_at >= $2 AND created_at < $3
                 AND (created_at, id) < ($4, $5)",
            $narrow,
            " ORDER BY created_at DESC, id DESC"
        )
    };
}

/// The same along a table that is filled behind the decisions; what is not in it yet is merged in.
macro_rules! walk_behind {
    ($table:literal, $column:literal) => {
        concat!(
            "SELECT w.created_at, w.id, w.seq, r.agent_id, r.instance_id, r.approval_id, r.action,
                 r.resource, r.decision, r.risk_level
             FROM ",
            $table,
            " w CROSS JOIN receipts r ON r.seq = w.seq
             WHERE w.organization = $1 AND w.created_at >= $2 AND w.created_at < $3
                 AND (w.created_at, w.id) < ($4, $5) AND w.",
            $column,
            " = $6
             UNION ALL
             SELECT created_at, id, seq, agent_id, instance_id, approval_id, action, resource,
                 decision, risk_level
             FROM receipts NOT INDEXED
             WHERE seq > (SELECT upto FROM receipts_indexed) AND organization = $1
                 AND created_at >= $2 AND created_at < $3 AND (created_at, id) < ($4, $5) AND ",
            $column,
            " = $6
             ORDER BY 1 DESC, 2 DESC"
        )
    };
}

pub(crate) const WALK_BY_TIME: &str = walk!("receipts_by_time", "");
pub(crate) const WALK_BY_AGENT: &str = walk_behind!("receipts_of_agents", "agent_id");
pub(crate) const WALK_BY_INSTANCE: &str = walk_behind!("receipts_of_instances", "instance_id");
pub(crate) const WALK_BY_APPROVAL: &str = walk!("receipts_by_approval", " AND approval_id = $6");

pub(crate) const INDEXED_UPTO: &str = "SELECT upto FROM receipts_indexed";

pub(crate) const LAST_RECEIPT: &str = "SELECT coalesce(max(seq), 0) FROM receipts";

pub(crate) const INDEX_BY_AGENT: &str = "INSERT INTO receipts_of_agents
    (organization, agent_id, created_at, id, seq)
    SELECT organization, agent_id, created_at, id, seq FROM receipts NOT INDEXED
    WHERE seq > $1 AND seq <= $2 ORDER BY 1, 2, 3, 4";

pub(crate) const INDEX_BY_INSTANCE: &str = "INSERT INTO receipts_of_instances
    (organization, instance_id, created_at, id, seq)
    SELECT organization, instance_id, created_at, id, seq FROM receipts NOT INDEXED
    WHERE seq > $1 AND seq <= $2 ORDER BY 1, 2, 3, 4";

pub(crate) const SET_INDEXED_UPTO: &str = "UPDATE receipts_indexed SET upto = $1";

pub(crate) const INSERT_SIGNING_KEY: &str =
    "INSERT INTO signing_keys (id, seed, not_before, not_after) VALUES ($1, $2, $3, $4)";

pub(crate) const LIST_SIGNING_KEYS: &str =
    "SELECT id, seed, not_before, not_after FROM signing_keys ORDER BY not_before, id";

// ---- calls

// The claim: its row count says who was first. Nothing of a command that has won it can conflict.
pub(crate) const CLAIM_CALL: &str = "INSERT INTO calls
    (organization, agent, key, request_digest, receipt, http_status, format, body_kept)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (organization, agent, key) DO NOTHING";

pub(crate) const FIND_CALL: &str = "SELECT request_digest, receipt, http_status, format, body_kept
    FROM calls WHERE organization = $1 AND agent = $2 AND key = $3";

pub(crate) const ANSWER_CALL: &str = "UPDATE calls
    SET http_status = $1, format = $2, body_kept = $3
    WHERE organization = $4 AND agent = $5 AND key = $6 AND http_status IS NULL";

pub(crate) const INSERT_REQUEST: &str = "INSERT INTO requests
    (organization, receipt, agent, key, call_key, body, answer)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub(crate) const FIND_REQUEST: &str =
    "SELECT agent, key, call_key, body FROM requests WHERE organization = $1 AND receipt = $2";

pub(crate) const FIND_ANSWER: &str =
    "SELECT agent, key, call_key, answer FROM requests WHERE organization = $1 AND receipt = $2";

pub(crate) const FIND_RESPONSE: &str = "SELECT r.agent, r.key, r.call_key, r.tool_response
    FROM executions e JOIN requests r
        ON r.organization = e.organization AND r.receipt = e.request
    WHERE e.organization = $1 AND e.id = $2";

// What is sealed under a key that was erased meanwhile stays out.
pub(crate) const KEEP_ANSWER: &str = "UPDATE requests SET answer = coalesce($1, answer),
    tool_response = coalesce($2, tool_response)
    WHERE organization = $3 AND receipt = $4 AND call_key IS NOT NULL";

// ---- executions

pub(crate) const INSERT_EXECUTION: &str = "INSERT INTO executions
    (organization, id, request, key, receipt, agent, approval, connector, connector_version,
     incarnation, request_digest, request_id, draft, status, response, attempts, started_at,
     deadline_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'pending', 'none', 0, $14,
        $15)";

pub(crate) const FIND_EXECUTION: &str = "SELECT id, agent, status, detail, response, connector,
    connector_version, attempts, http_status, started_at, finished_at
    FROM executions WHERE organization = $1 AND id = $2";

pub(crate) const EXECUTION_CALL: &str =
    "SELECT request, agent, key, receipt, approval FROM executions
    WHERE organization = $1 AND id = $2";

// The first closing wins: its row count says which one was.
pub(crate) const CLOSE_EXECUTION: &str = "UPDATE executions SET status = $1, detail = $2,
    response = $3, attempts = $4, http_status = $5, finished_at = $6, draft = NULL
    WHERE organization = $7 AND id = $8 AND status = 'pending'";

pub(crate) const LEFT_BEHIND: &str = "SELECT organization, id, receipt, draft, agent, approval,
    connector, connector_version, incarnation, request_digest, started_at, deadline_at, request_id
    FROM executions INDEXED BY executions_open
    WHERE status = 'pending' AND ((incarnation <> $1 AND $2) OR deadline_at < $3)
    ORDER BY started_at LIMIT $4";

// ---- approvals

macro_rules! approval_columns {
    () => {
        "id, status, created_at, expires_at, revision, agent, credential, key, instance_id, action,
         resource, request_digest, request_hash, reason, risk_level, policy_version,
         policy_digest, rule_id, connector, connector_binding, performed_by, valid_until, receipt,
         final_receipt, decided_by, decided_at, note, blocked_by, execution, votes"
    };
}

pub(crate) const INSERT_APPROVAL: &str = concat!(
    "INSERT INTO approvals (",
    approval_columns!(),
    ", organization) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
        $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)"
);

pub(crate) const OPEN_APPROVAL: &str = "SELECT id, revision, expires_at
    FROM approvals INDEXED BY approvals_open
    WHERE organization = $1 AND agent = $2 AND request_digest = $3 AND status = 'pending'
        AND expires_at > $4
    ORDER BY created_at DESC, id DESC LIMIT 1";

pub(crate) const FIND_APPROVAL: &str = concat!(
    "SELECT ",
    approval_columns!(),
    " FROM approvals WHERE organization = $1 AND id = $2"
);

pub(crate) const PENDING_OF_AGENT: &str = concat!(
    "SELECT ",
    approval_columns!(),
    " FROM approvals INDEXED BY approvals_open
      WHERE organization = $1 AND agent = $2 AND status = 'pending'
      ORDER BY created_at, id"
);

pub(crate) const END_APPROVAL: &str = "UPDATE approvals SET status = $1, votes = $2,
    decided_by = $3, decided_at = $4, note = $5, blocked_by = $6, valid_until = $7,
    final_receipt = $8, execution = $9
    WHERE organization = $10 AND id = $11 AND status = 'pending'";

pub(crate) const FINISH_APPROVAL: &str = "UPDATE approvals SET final_receipt = $1
    WHERE organization = $2 AND id = $3 AND execution = $4 AND final_receipt IS NULL";

macro_rules! list_approvals {
    ($index:literal, $narrow:literal, $limit:literal) => {
        concat!(
            "SELECT ",
            approval_columns!(),
            " FROM approvals INDEXED BY ",
            $index,
            " WHERE organization = $1 AND (created_at, id) < ($2, $3)",
            $narrow,
            " ORDER BY created_at DESC, id DESC LIMIT ",
            $limit
        )
    };
}

pub(crate) const LIST_APPROVALS: &str = list_approvals!("approvals_by_time", "", "$4");
pub(crate) const LIST_APPROVALS_OF_STATUS: &str =
    list_approvals!("approvals_by_status", " AND status = $4", "$5");
pub(crate) const LIST_APPROVALS_OF_AGENT: &str =
    list_approvals!("approvals_by_agent", " AND agent = $4", "$5");
pub(crate) const LIST_APPROVALS_OF_BOTH: &str = list_approvals!(
    "approvals_by_agent",
    " AND agent = $4 AND status = $5",
    "$6"
);

pub(crate) const LIST_EXPIRED: &str = "SELECT organization, id
    FROM approvals INDEXED BY approvals_due
    WHERE status = 'pending' AND expires_at <= $1 ORDER BY expires_at LIMIT $2";

// ---- the store itself

pub(crate) const PROBE: &str = "UPDATE probe SET commits = commits + 1 WHERE id = 1";
