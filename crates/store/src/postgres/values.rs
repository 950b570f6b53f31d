//! Values on their way to and from the database.

use std::error::Error;

use bytes::BytesMut;
use relynt_domain::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::failure::{Failure, corrupt};

/// What a statement is given.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// An id, as `uuid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(pub(super) [u8; 16]);

impl From<&[u8; 16]> for Id {
    fn from(bytes: &[u8; 16]) -> Self {
        Self(*bytes)
    }
}

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Id {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.try_into()?))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }
}

/// A column that may hold anything that its type can.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Failure> {
    row.try_get(at).map_err(|_| wrong(row, at))
}

pub(super) fn id<T>(row: &Row, at: usize, make: fn([u8; 16]) -> T) -> Result<T, Failure> {
    Ok(make(get::<Id>(row, at)?.0))
}

pub(super) fn maybe_id<T>(
    row: &Row,
    at: usize,
    make: fn([u8; 16]) -> T,
) -> Result<Option<T>, Failure> {
    Ok(get::<Option<Id>>(row, at)?.map(|id| make(id.0)))
}

pub(super) fn time(row: &Row, at: usize) -> Result<Timestamp, Failure> {
    Ok(Timestamp::from_unix_micros(get(row, at)?))
}

pub(super) fn maybe_time(row: &Row, at: usize) -> Result<Option<Timestamp>, Failure> {
    Ok(get::<Option<i64>>(row, at)?.map(Timestamp::from_unix_micros))
}

/// A number of a narrower type than the column's.
pub(super) fn number<T: TryFrom<i64>>(row: &Row, at: usize) -> Result<T, Failure> {
    T::try_from(get::<i64>(row, at)?).map_err(|_| wrong(row, at))
}

pub(super) fn maybe_number<T: TryFrom<i64>>(row: &Row, at: usize) -> Result<Option<T>, Failure> {
    get::<Option<i64>>(row, at)?
        .map(|value| T::try_from(value).map_err(|_| wrong(row, at)))
        .transpose()
}

/// Bytes of a known length.
pub(super) fn array<const N: usize>(row: &Row, at: usize) -> Result<[u8; N], Failure> {
    get::<&[u8]>(row, at)?
        .try_into()
        .map_err(|_| wrong(row, at))
}

pub(super) fn maybe_array<const N: usize>(
    row: &Row,
    at: usize,
) -> Result<Option<[u8; N]>, Failure> {
    get::<Option<&[u8]>>(row, at)?
        .map(|bytes| bytes.try_into().map_err(|_| wrong(row, at)))
        .transpose()
}

pub(super) fn word<T>(row: &Row, at: usize, read: fn(&str) -> Option<T>) -> Result<T, Failure> {
    read(get(row, at)?).ok_or_else(|| wrong(row, at))
}

pub(super) fn maybe_word<T>(
    row: &Row,
    at: usize,
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, Failure> {
    get::<Option<&str>>(row, at)?
        .map(|text| read(text).ok_or_else(|| wrong(row, at)))
        .transpose()
}

pub(super) fn wrong(row: &Row, at: usize) -> Failure {
    let name = row.columns().get(at).map_or("?", |column| column.name());
    corrupt(format!("`{name}` does not hold what was written there"))
}
