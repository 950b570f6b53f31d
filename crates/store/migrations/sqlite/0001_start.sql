-- Ids are 16 bytes, instants microseconds since 1970 in UTC, hashes bytes, JSON text. Every key
-- begins with the organization, so that no query can do without one; what has to be found before
-- the organization is known (lookup ids, due work) has an index of its own.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: the target of the real commit that says whether the store can be written.
CREATE TABLE probe (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    commits INTEGER NOT NULL
) STRICT;
INSERT INTO probe (id, commits) VALUES (1, 0);

CREATE TABLE organizations (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name           TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    -- The key of its secrets, wrapped by the master key.
    wrapped_key    BLOB    NOT NULL,
    -- How often anything that a decision reads has changed.
    change_number  INTEGER NOT NULL,
    active_version INTEGER NOT NULL,
    last_version   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- People, whatever organizations they are in.
CREATE TABLE users (
    id        BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    email     TEXT NOT NULL,
    -- The address in lower case: one person has one address, however it is written.
    email_key TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TABLE memberships (
    organization BLOB    NOT NULL REFERENCES organizations (id),
    user_id      BLOB    NOT NULL REFERENCES users (id),
    role         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    changed      INTEGER NOT NULL,
    PRIMARY KEY (organization, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_changed ON memberships (organization, changed);

CREATE TABLE agents (
    organization BLOB    NOT NULL REFERENCES organizations (id),
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    name         TEXT    NOT NULL,
    description  TEXT,
    tags         TEXT    NOT NULL,
    owner        BLOB    NOT NULL,
    status       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER,
    changed      INTEGER NOT NULL,
    PRIMARY KEY (organization, id),
    UNIQUE (organization, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX agents_changed ON agents (organization, changed);

CREATE TABLE credentials (
    organization BLOB    NOT NULL REFERENCES organizations (id),
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    agent        BLOB    NOT NULL,
    lookup       BLOB    NOT NULL UNIQUE CHECK (length(lookup) = 16),
    secret_hash  BLOB    NOT NULL CHECK (length(secret_hash) = 32),
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    changed      INTEGER NOT NULL,
    PRIMARY KEY (organization, id),
    FOREIGN KEY (organization, agent) REFERENCES agents (organization, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_changed ON credentials (organization, changed);
CREATE INDEX credentials_of_agent ON credentials (organization, agent);

CREATE TABLE tokens (
    organization BLOB    NOT NULL REFERENCES organizations (id),
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    user_id      BLOB    NOT NULL,
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    -- A JSON array of words.
    scopes       TEXT    NOT NULL,
    lookup       BLOB    NOT NULL UNIQUE CHECK (length(lookup) = 16),
    secret_hash  BLOB    NOT NULL CHECK (length(secret_hash) = 32),
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    changed      INTEGER NOT NULL,
    PRIMARY KEY (organization, id),
    FOREIGN KEY (organization, user_id) REFERENCES memberships (organization, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_changed ON tokens (organization, changed);

CREATE TABLE policies (
    organization BLOB    NOT NULL REFERENCES organizations (id),
    version      INTEGER NOT NULL,
    rules        TEXT    NOT NULL,
    note         TEXT,
    digest       BLOB    NOT NULL CHECK (length(digest) = 32),
    created_at   INTEGER NOT NULL,
    created_by   BLOB    NOT NULL,
    activated_at INTEGER,
    -- When the version came or was last made the active one.
    changed      INTEGER NOT NULL,
    PRIMARY KEY (organization, version)
) STRICT;

CREATE TABLE connectors (
    organization BLOB    NOT NULL REFERENCES organizations (id),
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    version      INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    -- Everything but name and headers.
    definition   TEXT    NOT NULL,
    -- Names and values of the headers, sealed; gone with the connector.
    headers      BLOB,
    created_at   INTEGER NOT NULL,
    deleted_at   INTEGER,
    changed      INTEGER NOT NULL,
    PRIMARY KEY (organization, id)
) STRICT;
CREATE UNIQUE INDEX connectors_name ON connectors (organization, name) WHERE deleted_at IS NULL;
CREATE INDEX connectors_changed ON connectors (organization, changed);

CREATE TABLE signing_keys (
    -- The RFC 7638 thumbprint of the public half.
    id         TEXT    NOT NULL PRIMARY KEY,
    seed       BLOB    NOT NULL,
    not_before INTEGER NOT NULL,
    not_after  INTEGER
) STRICT, WITHOUT ROWID;

-- The claim on an idempotency key. Small, because a row is written twice where a connector acts.
CREATE TABLE calls (
    organization   BLOB    NOT NULL,
    agent          BLOB    NOT NULL,
    key            BLOB    NOT NULL,
    request_digest BLOB    NOT NULL CHECK (length(request_digest) = 32),
    receipt        BLOB    NOT NULL CHECK (length(receipt) = 16),
    -- Null while its execution runs.
    http_status    INTEGER,
    format         INTEGER,
    -- Whether the answer's body was kept, in `requests`.
    body_kept      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (organization, agent, key)
) STRICT, WITHOUT ROWID;

-- Everything of a call that is sealed, under a key of the call that the organization's key wraps:
-- without `call_key` the rest of the row is noise, so erasing a call is forgetting that key.
CREATE TABLE requests (
    organization  BLOB NOT NULL,
    receipt       BLOB NOT NULL CHECK (length(receipt) = 16),
    agent         BLOB NOT NULL,
    key           BLOB NOT NULL,
    call_key      BLOB,
    -- What was asked and the facts that the verdict read.
    body          BLOB,
    answer        BLOB,
    tool_response BLOB,
    PRIMARY KEY (organization, receipt)
) STRICT;

CREATE TABLE executions (
    organization      BLOB    NOT NULL,
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    -- The call that it carries out: `requests.receipt`.
    request           BLOB    NOT NULL,
    -- The idempotency key to be answered with the outcome; null for an approval's.
    key               BLOB,
    -- The receipt of its outcome, an id until then.
    receipt           BLOB    NOT NULL CHECK (length(receipt) = 16),
    agent             BLOB    NOT NULL,
    approval          BLOB,
    connector         BLOB    NOT NULL,
    connector_version INTEGER NOT NULL,
    incarnation       BLOB    NOT NULL,
    request_digest    BLOB    NOT NULL CHECK (length(request_digest) = 32),
    request_id        TEXT    NOT NULL,
    -- The receipt without outcome and signature, for whoever has to close it; null once closed.
    draft             TEXT,
    status            TEXT    NOT NULL,
    detail            TEXT,
    response          TEXT    NOT NULL,
    attempts          INTEGER NOT NULL,
    http_status       INTEGER,
    started_at        INTEGER NOT NULL,
    deadline_at       INTEGER NOT NULL,
    finished_at       INTEGER,
    PRIMARY KEY (organization, id)
) STRICT;
CREATE INDEX executions_open ON executions (started_at) WHERE status = 'pending';

CREATE TABLE approvals (
    organization      BLOB    NOT NULL,
    id                BLOB    NOT NULL CHECK (length(id) = 16),
    status            TEXT    NOT NULL,
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    revision          INTEGER NOT NULL,
    agent             BLOB    NOT NULL,
    credential        BLOB    NOT NULL,
    key               TEXT    NOT NULL,
    instance_id       TEXT    NOT NULL,
    action            TEXT    NOT NULL,
    resource          TEXT    NOT NULL,
    request_digest    BLOB    NOT NULL CHECK (length(request_digest) = 32),
    request_hash      BLOB    NOT NULL CHECK (length(request_hash) = 32),
    reason            TEXT    NOT NULL,
    risk_level        TEXT    NOT NULL,
    policy_version    INTEGER NOT NULL,
    policy_digest     BLOB    NOT NULL CHECK (length(policy_digest) = 32),
    rule_id           TEXT,
    connector         BLOB,
    connector_binding BLOB,
    performed_by      TEXT    NOT NULL,
    valid_until       INTEGER,
    receipt           BLOB    NOT NULL,
    final_receipt     BLOB,
    decided_by        TEXT,
    decided_at        INTEGER,
    note              TEXT,
    blocked_by        TEXT,
    execution         BLOB,
    votes             TEXT    NOT NULL,
    PRIMARY KEY (organization, id)
) STRICT;
CREATE INDEX approvals_by_time ON approvals (organization, created_at, id);
CREATE INDEX approvals_by_status ON approvals (organization, status, created_at, id);
CREATE INDEX approvals_by_agent ON approvals (organization, agent, created_at, id);
CREATE INDEX approvals_open ON approvals (organization, agent, request_digest)
    WHERE status = 'pending';
CREATE INDEX approvals_due ON approvals (expires_at) WHERE status = 'pending';

-- Not a foreign key anywhere here: receipts outlive what they speak about.
CREATE TABLE receipts (
    seq          INTEGER NOT NULL PRIMARY KEY,
    organization BLOB    NOT NULL,
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    created_at   INTEGER NOT NULL,
    agent_id     BLOB    NOT NULL,
    instance_id  TEXT    NOT NULL,
    approval_id  BLOB,
    action       TEXT    NOT NULL,
    resource     TEXT    NOT NULL,
    decision     TEXT    NOT NULL,
    risk_level   TEXT    NOT NULL,
    -- What was signed, byte for byte.
    bytes        BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX receipts_by_id ON receipts (organization, id);
CREATE INDEX receipts_by_time ON receipts (organization, created_at, id);
CREATE INDEX receipts_by_agent ON receipts (organization, agent_id, created_at);
CREATE INDEX receipts_by_approval ON receipts (organization, approval_id)
    WHERE approval_id IS NOT NULL;
CREATE INDEX receipts_by_instance ON receipts (organization, instance_id, created_at);

CREATE TRIGGER receipts_keep BEFORE UPDATE ON receipts
BEGIN SELECT RAISE(ABORT, 'receipts are only ever added'); END;
CREATE TRIGGER receipts_stay BEFORE DELETE ON receipts
BEGIN SELECT RAISE(ABORT, 'receipts are only ever added'); END;
-- INSERT OR REPLACE fires no delete trigger, whichever of the unique keys it hits.
CREATE TRIGGER receipts_once BEFORE INSERT ON receipts
WHEN EXISTS (SELECT 1 FROM receipts WHERE organization = NEW.organization AND id = NEW.id)
  OR EXISTS (SELECT 1 FROM receipts WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'receipts are only ever added'); END;

CREATE TABLE admin_records (
    seq          INTEGER NOT NULL PRIMARY KEY,
    organization BLOB    NOT NULL,
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    created_at   INTEGER NOT NULL,
    act          TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    bytes        BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX admin_records_by_id ON admin_records (organization, id);
CREATE INDEX admin_records_by_time ON admin_records (organization, created_at, id);

CREATE TRIGGER admin_records_keep BEFORE UPDATE ON admin_records
BEGIN SELECT RAISE(ABORT, 'administrative records are only ever added'); END;
CREATE TRIGGER admin_records_stay BEFORE DELETE ON admin_records
BEGIN SELECT RAISE(ABORT, 'administrative records are only ever added'); END;
CREATE TRIGGER admin_records_once BEFORE INSERT ON admin_records
WHEN EXISTS (SELECT 1 FROM admin_records WHERE organization = NEW.organization AND id = NEW.id)
  OR EXISTS (SELECT 1 FROM admin_records WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'administrative records are only ever added'); END;

-- What has to become a leaf of its organization's log, written with what it speaks about. The
-- order in which rows came is the only order there is: ids and times are not.
CREATE TABLE log_queue (
    seq          INTEGER NOT NULL PRIMARY KEY,
    organization BLOB    NOT NULL,
    kind         TEXT    NOT NULL CHECK (kind IN ('receipt', 'admin')),
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    leaf         BLOB    NOT NULL CHECK (length(leaf) = 32)
) STRICT;
