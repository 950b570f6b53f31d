//! The schema, in numbered steps that are never changed once released.
//!
//! Each statement of a step is run by itself, because not every engine can undo one; how many of a
//! step were run is noted behind each. A crash between the two runs a statement again, which is
//! then there already: that is how all of them are written. A row of leases keeps two programs
//! from doing it at once, judged by the database's clock, and its epoch is compared in every note.

use aws_lc_rs::digest::{SHA256, digest};
use relynt_gateway::ports::{Entropy, StoreError};
use tokio_postgres::error::SqlState;

use super::failure::Failure;
use super::open::{Connector, PostgresError};
use super::session::Session;
use super::values::{Id, get};

struct Step {
    number: i64,
    name: &'static str,
    sql: &'static str,
    /// The first step that a program must know to use a schema with this one.
    needs: i64,
}

const STEPS: &[Step] = &[Step {
    number: 1,
    name: "start",
    sql: include_str!("../../migrations/postgres/0001_start.sql"),
    needs: 1,
}];

/// The schema is not one that this program can use.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A later version of the program has changed it beyond what this one understands.
    #[error(
        "the schema needs a program that knows step {needs}, this one knows up to {known}: use a newer program"
    )]
    Newer {
        /// The step that must be known.
        needs: i64,
        /// The last step that this program knows.
        known: i64,
    },
    /// Steps are missing.
    #[error("the schema is at step {found}, this program needs {known}: run `relynt migrate`")]
    Older {
        /// The last step that was applied.
        found: i64,
        /// The last step that this program knows.
        known: i64,
    },
    /// A step is not the one that was applied.
    #[error("step {number} (`{name}`) of the schema is not the one that was applied")]
    Altered {
        /// Its number.
        number: i64,
        /// Its name.
        name: &'static str,
    },
    /// Another program is at it.
    #[error("another program is changing the schema")]
    Busy,
}

/// Why it went no further.
enum Stopped {
    Schema(SchemaError),
    Failed(Failure),
}

impl From<SchemaError> for Stopped {
    fn from(error: SchemaError) -> Self {
        Self::Schema(error)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Stopped> for PostgresError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Schema(error) => error.into(),
            Stopped::Failed(failure) => StoreError::from(failure).into(),
        }
    }
}

const BEGINNING: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
        number   bigint NOT NULL PRIMARY KEY,
        name     text   NOT NULL,
        checksum bytea  NOT NULL,
        needs    bigint NOT NULL,
        done     bigint NOT NULL,
        whole    boolean NOT NULL
    )";
const LEASES: &str = "CREATE TABLE IF NOT EXISTS leases (
        name       text   NOT NULL PRIMARY KEY,
        owner      uuid   NOT NULL,
        epoch      bigint NOT NULL,
        expires_at bigint NOT NULL
    )";

const TAKE_LEASE: &str = "INSERT INTO leases (name, owner, epoch, expires_at)
    VALUES ('migrate', $1, 1,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 30000000)
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, epoch = leases.epoch + 1,
        expires_at = excluded.expires_at
    WHERE leases.expires_at < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    RETURNING epoch";
const HOLD_LEASE: &str = "UPDATE leases
    SET expires_at = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 30000000
    WHERE name = 'migrate' AND owner = $1 AND epoch = $2";
const END_LEASE: &str = "UPDATE leases SET expires_at = 0
    WHERE name = 'migrate' AND owner = $1 AND epoch = $2";

const APPLIED: &str =
    "SELECT number, checksum, needs, done, whole FROM schema_migrations ORDER BY number";
const BEGIN_STEP: &str = "INSERT INTO schema_migrations
    (number, name, checksum, needs, done, whole) VALUES ($1, $2, $3, $4, 0, false)";
const NOTE_STATEMENT: &str = "UPDATE schema_migrations SET done = $1, whole = $2
    WHERE number = $3 AND done < $1
        AND EXISTS (SELECT 1 FROM leases WHERE name = 'migrate' AND owner = $4 AND epoch = $5)";
const READABLE: &str = "GRANT SELECT ON schema_migrations TO relynt_application";

/// Brings the schema to what this program knows, as the owner of the database: forward only.
///
/// # Errors
/// The database is not to be reached, has a schema that this program does not know, or does not
/// let this login change it.
pub(super) async fn migrate(
    connector: &Connector,
    entropy: &dyn Entropy,
) -> Result<(), PostgresError> {
    let mut owner = [0; 16];
    entropy
        .fill(&mut owner)
        .map_err(|_| StoreError::Database("the system gives no randomness".to_owned()))?;
    let session = connector
        .connect_as_owner()
        .await
        .map_err(StoreError::from)?;
    Ok(migrate_with(&session, STEPS, Id(owner)).await?)
}

async fn migrate_with(session: &Session, steps: &[Step], owner: Id) -> Result<(), Stopped> {
    session.batch(BEGINNING).await?;
    session.batch(LEASES).await?;
    let Some(row) = session.first(TAKE_LEASE, &[&owner]).await? else {
        return Err(SchemaError::Busy.into());
    };
    let epoch: i64 = get(&row, 0)?;
    let done = steps_under(session, steps, owner, epoch).await;
    // Let go of, whatever came of it; a lease that is lost is not this program's any more.
    let ended = session.execute(END_LEASE, &[&owner, &epoch]).await;
    done?;
    ended?;
    Ok(())
}

async fn steps_under(
    session: &Session,
    steps: &[Step],
    owner: Id,
    epoch: i64,
) -> Result<(), Stopped> {
    let applied = Applied::read(session).await?;
    applied.check(steps)?;
    for step in steps {
        let done = applied.done(step.number);
        if done.is_none() {
            let checksum = digest(&SHA256, step.sql.as_bytes());
            session
                .execute(
                    BEGIN_STEP,
                    &[&step.number, &step.name, &checksum.as_ref(), &step.needs],
                )
                .await?;
        }
        let statements = statements(step.sql);
        let last = statements.len();
        for (place, statement) in statements.iter().enumerate().skip(done.unwrap_or(0)) {
            if session.execute(HOLD_LEASE, &[&owner, &epoch]).await? != 1 {
                return Err(SchemaError::Busy.into());
            }
            match session.batch(statement).await {
                Err(failure) if !is_there(&failure) => return Err(failure.into()),
                _ => {}
            }
            // A crash before this runs the statement again.
            let number = i64::try_from(place + 1).unwrap_or(i64::MAX);
            let noted = session
                .execute(
                    NOTE_STATEMENT,
                    &[&number, &(place + 1 == last), &step.number, &owner, &epoch],
                )
                .await?;
            if noted != 1 {
                return Err(SchemaError::Busy.into());
            }
        }
    }
    session.batch(READABLE).await?;
    Ok(())
}

/// Whether a statement has failed because it was run before.
fn is_there(failure: &Failure) -> bool {
    let Failure::Sql(error) = failure else {
        return false;
    };
    matches!(
        error.code(),
        Some(&SqlState::DUPLICATE_OBJECT | &SqlState::DUPLICATE_TABLE)
    )
}

/// The statements of a file: each ends with a semicolon at the end of a line.
pub(super) fn statements(sql: &str) -> Vec<String> {
    let plain: String = sql
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .flat_map(|line| [line, "\n"])
        .collect();
    plain
        .split(";\n")
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether the application can work with the schema as it is.
pub(super) async fn check(session: &Session) -> Result<(), PostgresError> {
    Ok(check_with(session, STEPS).await?)
}

async fn check_with(session: &Session, steps: &[Step]) -> Result<(), Stopped> {
    let applied = match Applied::read(session).await {
        Ok(applied) => applied,
        // An empty database.
        Err(Failure::Sql(error)) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            Applied(Vec::new())
        }
        Err(failure) => return Err(failure.into()),
    };
    applied.check(steps)?;
    let known = steps.last().map_or(0, |step| step.number);
    let found = applied
        .0
        .iter()
        .filter(|row| row.whole)
        .map(|row| row.number);
    match found.max() {
        Some(found) if found >= known => Ok(()),
        found => Err(SchemaError::Older {
            found: found.unwrap_or(0),
            known,
        }
        .into()),
    }
}

struct AppliedStep {
    number: i64,
    checksum: Vec<u8>,
    needs: i64,
    done: i64,
    whole: bool,
}

struct Applied(Vec<AppliedStep>);

impl Applied {
    async fn read(session: &Session) -> Result<Self, Failure> {
        let rows = session.all(APPLIED, &[]).await?;
        let read = |row| {
            Ok(AppliedStep {
                number: get(row, 0)?,
                checksum: get(row, 1)?,
                needs: get(row, 2)?,
                done: get(row, 3)?,
                whole: get(row, 4)?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn done(&self, number: i64) -> Option<usize> {
        let step = self.0.iter().find(|step| step.number == number)?;
        usize::try_from(step.done).ok()
    }

    fn check(&self, steps: &[Step]) -> Result<(), SchemaError> {
        let known = steps.last().map_or(0, |step| step.number);
        let needs = self.0.iter().map(|step| step.needs).max().unwrap_or(0);
        if needs > known {
            return Err(SchemaError::Newer { needs, known });
        }
        for step in steps {
            let applied = self.0.iter().find(|applied| applied.number == step.number);
            let checksum = digest(&SHA256, step.sql.as_bytes());
            if applied.is_some_and(|applied| applied.checksum != checksum.as_ref()) {
                return Err(SchemaError::Altered {
                    number: step.number,
                    name: step.name,
                });
            }
        }
        Ok(())
    }
}
