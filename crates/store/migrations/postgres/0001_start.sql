-- Ids are uuid, instants microseconds since 1970 in UTC as bigint, hashes bytea, JSON text. Every
-- primary key and unique index of what an organization owns begins with the organization, so that
-- the tables can be divided by it. Nothing here goes beyond what the engines that speak this
-- protocol have in common: no sequence, trigger, enumeration, procedure or advisory lock.
--
-- Each statement is run by itself and its success noted, so each can be taken up where a crash
-- left it. The two roles hold the rights; whoever logs in is a member of both and always acts as
-- one of them. Neither owns anything.

CREATE ROLE relynt_application NOLOGIN NOINHERIT;

-- Reads what must be found before the organization is known, and nothing else.
CREATE ROLE relynt_lookup NOLOGIN NOINHERIT;

CREATE TABLE IF NOT EXISTS meta (
    name  text  NOT NULL PRIMARY KEY,
    value bytea NOT NULL
);
GRANT SELECT, INSERT ON meta TO relynt_application;

-- One row: the target of the real commit that says whether the store can be written.
CREATE TABLE IF NOT EXISTS probe (
    id      bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    commits bigint NOT NULL
);
INSERT INTO probe (id, commits) VALUES (1, 0) ON CONFLICT (id) DO NOTHING;
GRANT SELECT, UPDATE ON probe TO relynt_application;

CREATE TABLE IF NOT EXISTS organizations (
    id             uuid   NOT NULL PRIMARY KEY,
    name           text   NOT NULL,
    created_at     bigint NOT NULL,
    -- The key of its secrets, wrapped by the master key.
    wrapped_key    bytea  NOT NULL,
    -- How often anything that a decision reads has changed.
    change_number  bigint NOT NULL,
    active_version bigint NOT NULL,
    last_version   bigint NOT NULL
);
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON organizations TO relynt_application
    USING (id = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
CREATE POLICY lookup ON organizations FOR SELECT TO relynt_lookup USING (true);
GRANT SELECT, INSERT, UPDATE (change_number, active_version, last_version) ON organizations
    TO relynt_application;
GRANT SELECT (id, change_number) ON organizations TO relynt_lookup;

-- People, whatever organizations they are in: found by their address before one is known, and
-- never read by the application.
CREATE TABLE IF NOT EXISTS users (
    id        uuid NOT NULL PRIMARY KEY,
    email     text NOT NULL,
    -- The address in lower case: one person has one address, however it is written.
    email_key text NOT NULL UNIQUE
);
GRANT INSERT ON users TO relynt_application;
GRANT SELECT (id, email_key) ON users TO relynt_lookup;

CREATE TABLE IF NOT EXISTS memberships (
    organization uuid   NOT NULL REFERENCES organizations (id),
    user_id      uuid   NOT NULL,
    role         text   NOT NULL,
    created_at   bigint NOT NULL,
    changed      bigint NOT NULL,
    PRIMARY KEY (organization, user_id)
);
CREATE INDEX IF NOT EXISTS memberships_changed ON memberships (organization, changed);
ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON memberships TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
GRANT SELECT, INSERT, UPDATE (role, changed) ON memberships TO relynt_application;

CREATE TABLE IF NOT EXISTS agents (
    organization uuid   NOT NULL REFERENCES organizations (id),
    id           uuid   NOT NULL,
    name         text   NOT NULL,
    description  text,
    tags         text   NOT NULL,
    owner        uuid   NOT NULL,
    status       text   NOT NULL,
    created_at   bigint NOT NULL,
    last_seen_at bigint,
    changed      bigint NOT NULL,
    PRIMARY KEY (organization, id),
    UNIQUE (organization, name)
);
CREATE INDEX IF NOT EXISTS agents_changed ON agents (organization, changed);
ALTER TABLE agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON agents TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
GRANT SELECT, INSERT, UPDATE (name, description, tags, owner, status, last_seen_at, changed)
    ON agents TO relynt_application;

CREATE TABLE IF NOT EXISTS credentials (
    organization uuid   NOT NULL REFERENCES organizations (id),
    id           uuid   NOT NULL,
    agent        uuid   NOT NULL,
    lookup       bytea  NOT NULL CHECK (length(lookup) = 16),
    secret_hash  bytea  NOT NULL CHECK (length(secret_hash) = 32),
    created_at   bigint NOT NULL,
    last_used_at bigint,
    expires_at   bigint,
    revoked_at   bigint,
    changed      bigint NOT NULL,
    PRIMARY KEY (organization, id),
    UNIQUE (organization, lookup),
    FOREIGN KEY (organization, agent) REFERENCES agents (organization, id)
);
CREATE INDEX IF NOT EXISTS credentials_changed ON credentials (organization, changed);
CREATE INDEX IF NOT EXISTS credentials_of_agent ON credentials (organization, agent);
ALTER TABLE credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON credentials TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
CREATE POLICY lookup ON credentials FOR SELECT TO relynt_lookup USING (true);
GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at, changed) ON credentials
    TO relynt_application;
GRANT SELECT (organization, id, lookup) ON credentials TO relynt_lookup;

CREATE TABLE IF NOT EXISTS tokens (
    organization uuid   NOT NULL REFERENCES organizations (id),
    id           uuid   NOT NULL,
    user_id      uuid   NOT NULL,
    name         text   NOT NULL,
    role         text   NOT NULL,
    -- A JSON array of words.
    scopes       text   NOT NULL,
    lookup       bytea  NOT NULL CHECK (length(lookup) = 16),
    secret_hash  bytea  NOT NULL CHECK (length(secret_hash) = 32),
    created_at   bigint NOT NULL,
    last_used_at bigint,
    expires_at   bigint,
    revoked_at   bigint,
    changed      bigint NOT NULL,
    PRIMARY KEY (organization, id),
    UNIQUE (organization, lookup),
    FOREIGN KEY (organization, user_id) REFERENCES memberships (organization, user_id)
);
CREATE INDEX IF NOT EXISTS tokens_changed ON tokens (organization, changed);
ALTER TABLE tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tokens TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
CREATE POLICY lookup ON tokens FOR SELECT TO relynt_lookup USING (true);
GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at, changed) ON tokens TO relynt_application;
GRANT SELECT (organization, id, lookup) ON tokens TO relynt_lookup;

CREATE TABLE IF NOT EXISTS policies (
    organization uuid   NOT NULL REFERENCES organizations (id),
    version      bigint NOT NULL,
    rules        text   NOT NULL,
    note         text,
    digest       bytea  NOT NULL CHECK (length(digest) = 32),
    created_at   bigint NOT NULL,
    created_by   uuid   NOT NULL,
    activated_at bigint,
    -- When the version came or was last made the active one.
    changed      bigint NOT NULL,
    PRIMARY KEY (organization, version)
);
ALTER TABLE policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE policies FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON policies TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
GRANT SELECT, INSERT, UPDATE (activated_at, changed) ON policies TO relynt_application;

CREATE TABLE IF NOT EXISTS connectors (
    organization uuid   NOT NULL REFERENCES organizations (id),
    id           uuid   NOT NULL,
    version      bigint NOT NULL,
    name         text   NOT NULL,
    -- Everything but name and headers.
    definition   text   NOT NULL,
    -- Names and values of the headers, sealed; gone with the connector.
    headers      bytea,
    created_at   bigint NOT NULL,
    deleted_at   bigint,
    changed      bigint NOT NULL,
    PRIMARY KEY (organization, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS connectors_name ON connectors (organization, name)
    WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS connectors_changed ON connectors (organization, changed);
ALTER TABLE connectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE connectors FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON connectors TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
GRANT SELECT, INSERT, UPDATE (version, name, definition, headers, deleted_at, changed)
    ON connectors TO relynt_application;

CREATE TABLE IF NOT EXISTS signing_keys (
    -- The RFC 7638 thumbprint of the public half.
    id         text   NOT NULL PRIMARY KEY,
    seed       bytea  NOT NULL,
    not_before bigint NOT NULL,
    not_after  bigint
);
GRANT SELECT, INSERT ON signing_keys TO relynt_application;

-- The claim on an idempotency key. Small, because a row is written twice where a connector acts.
CREATE TABLE IF NOT EXISTS calls (
    organization   uuid    NOT NULL,
    agent          uuid    NOT NULL,
    key            bytea   NOT NULL,
    request_digest bytea   NOT NULL CHECK (length(request_digest) = 32),
    receipt        uuid    NOT NULL,
    -- Null while its execution runs.
    http_status    bigint,
    format         bigint,
    -- Whether the answer's body was kept, in `requests`.
    body_kept      boolean NOT NULL,
    PRIMARY KEY (organization, agent, key)
);
ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON calls TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
GRANT SELECT, INSERT, UPDATE (http_status, format, body_kept) ON calls TO relynt_application;

-- Everything of a call that is sealed, under a key of the call that the organization's key wraps:
-- without `call_key` the rest of the row is noise, so erasing a call is forgetting that key.
CREATE TABLE IF NOT EXISTS requests (
    organization  uuid  NOT NULL,
    receipt       uuid  NOT NULL,
    agent         uuid  NOT NULL,
    key           bytea NOT NULL,
    call_key      bytea,
    -- What was asked and the facts that the verdict read.
    body          bytea,
    answer        bytea,
    tool_response bytea,
    PRIMARY KEY (organization, receipt)
);
ALTER TABLE requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE requests FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON requests TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
GRANT SELECT, INSERT, UPDATE (call_key, body, answer, tool_response) ON requests
    TO relynt_application;

CREATE TABLE IF NOT EXISTS executions (
    organization      uuid   NOT NULL,
    id                uuid   NOT NULL,
    -- The call that it carries out: `requests.receipt`.
    request           uuid   NOT NULL,
    -- The idempotency key to be answered with the outcome; null for an approval's.
    key               bytea,
    -- The receipt of its outcome, an id until then.
    receipt           uuid   NOT NULL,
    agent             uuid   NOT NULL,
    approval          uuid,
    connector         uuid   NOT NULL,
    connector_version bigint NOT NULL,
    incarnation       uuid   NOT NULL,
    request_digest    bytea  NOT NULL CHECK (length(request_digest) = 32),
    request_id        text   NOT NULL,
    -- The receipt without outcome and signature, for whoever has to close it; null once closed.
    draft             text,
    status            text   NOT NULL,
    detail            text,
    response          text   NOT NULL,
    attempts          bigint NOT NULL,
    http_status       bigint,
    started_at        bigint NOT NULL,
    deadline_at       bigint NOT NULL,
    finished_at       bigint,
    PRIMARY KEY (organization, id)
);
CREATE INDEX IF NOT EXISTS executions_open ON executions (started_at) WHERE status = 'pending';
ALTER TABLE executions ENABLE ROW LEVEL SECURITY;
ALTER TABLE executions FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON executions TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
CREATE POLICY lookup ON executions FOR SELECT TO relynt_lookup USING (status = 'pending');
GRANT SELECT, INSERT,
    UPDATE (draft, status, detail, response, attempts, http_status, finished_at)
    ON executions TO relynt_application;
GRANT SELECT (organization, id, status, incarnation, started_at, deadline_at) ON executions
    TO relynt_lookup;

CREATE TABLE IF NOT EXISTS approvals (
    organization      uuid   NOT NULL,
    id                uuid   NOT NULL,
    status            text   NOT NULL,
    created_at        bigint NOT NULL,
    expires_at        bigint NOT NULL,
    revision          bigint NOT NULL,
    agent             uuid   NOT NULL,
    credential        uuid   NOT NULL,
    key               text   NOT NULL,
    instance_id       text   NOT NULL,
    action            text   NOT NULL,
    resource          text   NOT NULL,
    request_digest    bytea  NOT NULL CHECK (length(request_digest) = 32),
    request_hash      bytea  NOT NULL CHECK (length(request_hash) = 32),
    reason            text   NOT NULL,
    risk_level        text   NOT NULL,
    policy_version    bigint NOT NULL,
    policy_digest     bytea  NOT NULL CHECK (length(policy_digest) = 32),
    rule_id           text,
    connector         uuid,
    connector_binding bytea,
    performed_by      text   NOT NULL,
    valid_until       bigint,
    receipt           uuid   NOT NULL,
    final_receipt     uuid,
    decided_by        text,
    decided_at        bigint,
    note              text,
    blocked_by        text,
    execution         uuid,
    votes             text   NOT NULL,
    PRIMARY KEY (organization, id)
);
CREATE INDEX IF NOT EXISTS approvals_by_time ON approvals (organization, created_at, id);
CREATE INDEX IF NOT EXISTS approvals_by_status ON approvals (organization, status, created_at, id);
CREATE INDEX IF NOT EXISTS approvals_by_agent ON approvals (organization, agent, created_at, id);
CREATE INDEX IF NOT EXISTS approvals_open ON approvals (organization, agent, request_digest)
    WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS approvals_due ON approvals (expires_at) WHERE status = 'pending';
ALTER TABLE approvals ENABLE ROW LEVEL SECURITY;
ALTER TABLE approvals FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON approvals TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
CREATE POLICY lookup ON approvals FOR SELECT TO relynt_lookup USING (status = 'pending');
GRANT SELECT, INSERT,
    UPDATE (status, votes, decided_by, decided_at, note, blocked_by, valid_until, final_receipt,
        execution)
    ON approvals TO relynt_application;
GRANT SELECT (organization, id, status, expires_at) ON approvals TO relynt_lookup;

-- Not a foreign key anywhere here: receipts outlive what they speak about. Only ever added: the
-- application may not change or remove a row, and the primary key refuses an id twice.
CREATE TABLE IF NOT EXISTS receipts (
    organization uuid   NOT NULL,
    id           uuid   NOT NULL,
    created_at   bigint NOT NULL,
    agent_id     uuid   NOT NULL,
    instance_id  text   NOT NULL,
    approval_id  uuid,
    action       text   NOT NULL,
    resource     text   NOT NULL,
    decision     text   NOT NULL,
    risk_level   text   NOT NULL,
    -- What was signed, byte for byte.
    bytes        bytea  NOT NULL,
    PRIMARY KEY (organization, id)
);
CREATE INDEX IF NOT EXISTS receipts_by_time ON receipts (organization, created_at, id);
CREATE INDEX IF NOT EXISTS receipts_by_agent ON receipts (organization, agent_id, created_at, id);
CREATE INDEX IF NOT EXISTS receipts_by_approval ON receipts (organization, approval_id, created_at, id)
    WHERE approval_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS receipts_by_instance ON receipts (organization, instance_id, created_at, id);
ALTER TABLE receipts ENABLE ROW LEVEL SECURITY;
ALTER TABLE receipts FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON receipts TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
GRANT SELECT, INSERT ON receipts TO relynt_application;

CREATE TABLE IF NOT EXISTS admin_records (
    organization uuid   NOT NULL,
    id           uuid   NOT NULL,
    created_at   bigint NOT NULL,
    act          text   NOT NULL,
    subject      text   NOT NULL,
    bytes        bytea  NOT NULL,
    PRIMARY KEY (organization, id)
);
CREATE INDEX IF NOT EXISTS admin_records_by_time ON admin_records (organization, created_at, id);
ALTER TABLE admin_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE admin_records FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON admin_records TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
GRANT SELECT, INSERT ON admin_records TO relynt_application;

-- What has to become a leaf of its organization's log, written with what it speaks about. There is
-- no order of arrival: whoever integrates gives each row its place.
CREATE TABLE IF NOT EXISTS log_queue (
    organization uuid  NOT NULL,
    id           uuid  NOT NULL,
    kind         text  NOT NULL CHECK (kind IN ('receipt', 'admin')),
    leaf         bytea NOT NULL CHECK (length(leaf) = 32),
    PRIMARY KEY (organization, id)
);
ALTER TABLE log_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE log_queue FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON log_queue TO relynt_application
    USING (organization = ANY (string_to_array(current_setting('relynt.organizations', true), ',')::uuid[]));
GRANT SELECT, INSERT ON log_queue TO relynt_application;
