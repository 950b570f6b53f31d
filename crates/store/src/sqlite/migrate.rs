//! The schema, in numbered steps that are never changed once released.

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::open::OpenError;

struct Step {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        number: 1,
        name: "start",
        sql: include_str!("../../migrations/sqlite/0001_start.sql"),
    },
    Step {
        number: 2,
        name: "requests",
        sql: include_str!("../../migrations/sqlite/0002_requests.sql"),
    },
    Step {
        number: 3,
        name: "receipts_by_whom",
        sql: include_str!("../../migrations/sqlite/0003_receipts_by_whom.sql"),
    },
];

/// Brings the schema to what this program knows: forward only, each step whole or not at all.
pub(crate) fn migrate(connection: &Connection) -> Result<(), OpenError> {
    migrate_with(connection, STEPS)
}

fn migrate_with(connection: &Connection, steps: &[Step]) -> Result<(), OpenError> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             number   INTEGER NOT NULL PRIMARY KEY,
             name     TEXT    NOT NULL,
             checksum BLOB    NOT NULL
         ) STRICT",
    )?;
    let known = steps.last().map_or(0, |step| step.number);
    let found: i64 = connection.query_one(
        "SELECT coalesce(max(number), 0) FROM schema_migrations",
        [],
        |row| row.get(0),
    )?;
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    for step in steps {
        let checksum = digest(&SHA256, step.sql.as_bytes());
        let applied: Option<Vec<u8>> = connection
            .query_one(
                "SELECT checksum FROM schema_migrations WHERE number = $1",
                params![step.number],
                |row| row.get(0),
            )
            .optional()?;
        match applied {
            Some(applied) if applied == checksum.as_ref() => {}
            Some(_) => {
                return Err(OpenError::Altered {
                    number: step.number,
                    name: step.name,
                });
            }
            None => apply(connection, step, checksum.as_ref())?,
        }
    }
    Ok(())
}

fn apply(connection: &Connection, step: &Step, checksum: &[u8]) -> Result<(), rusqlite::Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = connection.execute_batch(step.sql).and_then(|()| {
        connection.execute(
            "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
            params![step.number, step.name, checksum],
        )
    });
    // A crash before this commit leaves the schema as it was before the step.
    match done.and_then(|_| connection.execute_batch("COMMIT")) {
        Ok(()) => Ok(()),
        Err(error) => {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Step = Step {
        number: 1,
        name: "one",
        sql: "CREATE TABLE a (x INTEGER) STRICT",
    };

    fn tables(connection: &Connection) -> i64 {
        connection
            .query_one(
                "SELECT count(*) FROM sqlite_schema WHERE name IN ('a', 'b')",
                [],
                |row| row.get(0),
            )
            .unwrap()
    }

    #[test]
    fn steps_are_applied_once_and_in_order() {
        let connection = Connection::open_in_memory().unwrap();
        let two = Step {
            number: 2,
            name: "two",
            sql: "CREATE TABLE b (x INTEGER) STRICT",
        };
        migrate_with(&connection, &[ONE]).unwrap();
        assert_eq!(tables(&connection), 1);
        migrate_with(&connection, &[ONE, two]).unwrap();
        assert_eq!(tables(&connection), 2);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        let nine = Step {
            number: 9,
            name: "nine",
            sql: "CREATE TABLE b (x INTEGER) STRICT",
        };
        migrate_with(&connection, &[ONE, nine]).unwrap();
        let refused = migrate_with(&connection, &[ONE]).unwrap_err();
        assert!(matches!(refused, OpenError::Newer { found: 9, known: 1 }));
    }

    #[test]
    fn a_step_that_was_altered_after_the_fact_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        migrate_with(&connection, &[ONE]).unwrap();
        let altered = Step {
            sql: "CREATE TABLE a (y INTEGER) STRICT",
            ..ONE
        };
        let refused = migrate_with(&connection, &[altered]).unwrap_err();
        assert!(matches!(refused, OpenError::Altered { number: 1, .. }));
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_of_itself() {
        let connection = Connection::open_in_memory().unwrap();
        let broken = Step {
            sql: "CREATE TABLE a (x INTEGER) STRICT; CREATE NONSENSE",
            ..ONE
        };
        assert!(migrate_with(&connection, &[broken]).is_err());
        assert_eq!(tables(&connection), 0);
        migrate_with(&connection, &[ONE]).unwrap();
        assert_eq!(tables(&connection), 1);
    }

    #[test]
    fn what_a_store_of_the_first_schema_holds_is_kept() {
        let connection = Connection::open_in_memory().unwrap();
        let (first, _) = STEPS.split_at(1);
        migrate_with(&connection, first).unwrap();
        connection
            .execute_batch(
                "INSERT INTO requests (organization, receipt, agent, key, call_key, body, answer)
                     VALUES (x'01', zeroblob(16), x'02', x'03', x'04', x'05', x'06');
                 INSERT INTO receipts (organization, id, created_at, agent_id, instance_id, action,
                     resource, decision, risk_level, bytes)
                     VALUES (x'01', zeroblob(16), 1, x'02', 'run', 'a', 'r', 'deny', 'low', x'07');",
            )
            .unwrap();
        migrate(&connection).unwrap();
        let kept: Vec<u8> = connection
            .query_one(
                "SELECT CAST(agent || key || call_key || body || answer AS BLOB) FROM requests
                 WHERE organization = x'01' AND receipt = zeroblob(16)",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(kept, [2, 3, 4, 5, 6]);
        // The receipt is not indexed yet, and known not to be.
        let behind: i64 = connection
            .query_one(
                "SELECT max(seq) - (SELECT upto FROM receipts_indexed) FROM receipts",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(behind, 1);
        for forbidden in [
            "UPDATE receipts SET action = 'b'",
            "DELETE FROM receipts",
            "INSERT OR REPLACE INTO receipts SELECT * FROM receipts",
            "INSERT OR IGNORE INTO receipts SELECT * FROM receipts",
            "INSERT OR FAIL INTO receipts (organization, id, created_at, agent_id, instance_id,
                 action, resource, decision, risk_level, bytes)
                 SELECT organization, id, created_at, agent_id, instance_id, action, resource,
                     decision, risk_level, bytes FROM receipts",
        ] {
            let refused = connection.execute_batch(forbidden).unwrap_err().to_string();
            assert!(
                refused.contains("only ever added"),
                "{forbidden}: {refused}"
            );
        }
        let action: String = connection
            .query_one("SELECT action FROM receipts", [], |row| row.get(0))
            .unwrap();
        assert_eq!(action, "a");
    }
}
