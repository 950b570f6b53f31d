-- Receipts by agent and by instance are found through tables that are filled behind the decisions, in
-- batches: a call would touch a page of its own in each, a batch touches each page once. What is not
-- in them yet is at the end of `receipts`, behind `upto`.
DROP INDEX receipts_by_agent;
DROP INDEX receipts_by_instance;

CREATE TABLE receipts_of_agents (
    organization BLOB    NOT NULL,
    agent_id     BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    id           BLOB    NOT NULL,
    seq          INTEGER NOT NULL,
    PRIMARY KEY (organization, agent_id, created_at, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE receipts_of_instances (
    organization BLOB    NOT NULL,
    instance_id  TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    id           BLOB    NOT NULL,
    seq          INTEGER NOT NULL,
    PRIMARY KEY (organization, instance_id, created_at, id)
) STRICT, WITHOUT ROWID;

-- One row: the last `receipts.seq` that is in both.
CREATE TABLE receipts_indexed (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    upto INTEGER NOT NULL
) STRICT;
INSERT INTO receipts_indexed (one, upto) VALUES (1, 0);

-- The same guards, which now end the statement instead of undoing it: a statement that may have to be
-- undone keeps a copy of every page that it writes, and there is nothing to undo. A refused statement
-- has changed nothing, and whoever runs it in a transaction rolls that back.
DROP TRIGGER receipts_keep;
DROP TRIGGER receipts_stay;
DROP TRIGGER receipts_once;
CREATE TRIGGER receipts_keep BEFORE UPDATE ON receipts
BEGIN SELECT RAISE(FAIL, 'receipts are only ever added'); END;
CREATE TRIGGER receipts_stay BEFORE DELETE ON receipts
BEGIN SELECT RAISE(FAIL, 'receipts are only ever added'); END;
CREATE TRIGGER receipts_once BEFORE INSERT ON receipts
WHEN EXISTS (SELECT 1 FROM receipts WHERE organization = NEW.organization AND id = NEW.id)
  OR EXISTS (SELECT 1 FROM receipts WHERE seq = NEW.seq)
BEGIN SELECT RAISE(FAIL, 'receipts are only ever added'); END;
