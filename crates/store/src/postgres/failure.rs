//! What PostgreSQL says, as what the store says.

use relynt_gateway::ports::StoreError;
use tokio_postgres::error::SqlState;

use crate::seal::SealError;

/// Why a piece of work inside a transaction did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    Sql(tokio_postgres::Error),
    Store(StoreError),
    /// The database did not answer in time.
    Late,
    /// The connection was lost, or the server gave notice, while a commit was under way: nobody
    /// knows whether it happened.
    Unknown(&'static str),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Self::Store(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sql(error) => from_sql(&error),
            Failure::Store(error) => error,
            Failure::Late => Self::Database("the database did not answer in time".to_owned()),
            Failure::Unknown(why) => {
                Self::Database(format!("it is not known whether this was stored: {why}"))
            }
        }
    }
}

impl Failure {
    /// The transaction met another one and would succeed if it ran again: `40001`, `40P01`.
    pub(super) fn is_conflict(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        matches!(
            error.code(),
            Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
        )
    }

    /// The server has waited too long, for another transaction (`55P03`) or for itself (`57014`).
    pub(super) fn is_slow(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        matches!(
            error.code(),
            Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::QUERY_CANCELED)
        )
    }

    /// A unique key was there already.
    pub(super) fn is_duplicate(&self, constraint: &str) -> bool {
        let Self::Sql(error) = self else { return false };
        error.as_db_error().is_some_and(|error| {
            *error.code() == SqlState::UNIQUE_VIOLATION && error.constraint() == Some(constraint)
        })
    }

    /// The connection is of no more use: it is gone, or goes, or its answer is still to come.
    pub(super) fn breaks(&self) -> bool {
        match self {
            Self::Sql(error) => error.code().is_none_or(is_ending),
            Self::Store(_) => false,
            Self::Late | Self::Unknown(_) => true,
        }
    }
}

/// Class 57 P: the server shuts down, starts, or has thrown this connection out. Class 08: the
/// connection itself.
fn is_ending(code: &SqlState) -> bool {
    code.code().starts_with("57P") || code.code().starts_with("08")
}

/// What cannot be true of a store that only this code has written.
pub(super) fn corrupt(what: impl Into<String>) -> Failure {
    Failure::Store(StoreError::Corrupt(what.into()))
}

/// What the caller must not ask for.
pub(super) fn refused(what: impl Into<String>) -> Failure {
    Failure::Store(StoreError::Database(what.into()))
}

pub(super) fn from_sql(error: &tokio_postgres::Error) -> StoreError {
    let Some(said) = error.as_db_error() else {
        // Why a connection could not be made is in what lies below.
        let below = std::error::Error::source(error);
        return StoreError::Database(match below {
            Some(below) => format!("the database cannot be used: {error}: {below}"),
            None => format!("the database cannot be used: {error}"),
        });
    };
    // The message names tables and constraints; detail, hint and context may quote values, so
    // they stay out.
    let text = format!("{} ({})", said.message(), said.code().code());
    match said.code().code() {
        // Read-only, full, or not writable for another reason.
        "25006" | "53100" | "58030" => StoreError::Unwritable(text),
        // Connections and memory are used up.
        "53200" | "53300" => StoreError::Overloaded,
        "XX001" | "XX002" => StoreError::Corrupt(text),
        _ => StoreError::Database(text),
    }
}
