-- What is sealed of a call stands in its key's own tree: one tree to write instead of two. Receipts'
-- ids grow with time, so that a row comes behind the last one.
CREATE TABLE requests_by_receipt (
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
) STRICT, WITHOUT ROWID;
INSERT INTO requests_by_receipt
    SELECT organization, receipt, agent, key, call_key, body, answer, tool_response FROM requests;
DROP TABLE requests;
ALTER TABLE requests_by_receipt RENAME TO requests;
