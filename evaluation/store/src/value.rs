//! Values, exact to the last bit, and suspicious on the way back.
//!
//! SQLite has no NaN (it becomes NULL) and no −0.0 (it becomes 0.0), so those two are kept as blobs of their bits;
//! every other float is a plain `REAL` that SQL can compare and average. A class that is not known is NULL. A vector is
//! a blob of little-endian floats.

use fmr_core::ImageHash;
use fmr_core::Outcome;
use fmr_core::perturb::CacheUse;
use rusqlite::Row;
use rusqlite::types::{ToSqlOutput, Type, Value, ValueRef};

pub(super) type Sql<T> = Result<T, rusqlite::Error>;

/// A float as it can be kept.
pub(super) struct Exact<T>(pub(super) T);

impl rusqlite::ToSql for Exact<f64> {
    fn to_sql(&self) -> Sql<ToSqlOutput<'_>> {
        let awkward = self.0.is_nan() || (self.0 == 0.0 && self.0.is_sign_negative());
        Ok(ToSqlOutput::Owned(if awkward { Value::Blob(self.0.to_le_bytes().to_vec()) } else { Value::Real(self.0) }))
    }
}

impl rusqlite::ToSql for Exact<f32> {
    fn to_sql(&self) -> Sql<ToSqlOutput<'_>> {
        let awkward = self.0.is_nan() || (self.0 == 0.0 && self.0.is_sign_negative());
        Ok(ToSqlOutput::Owned(if awkward {
            Value::Blob(self.0.to_le_bytes().to_vec())
        } else {
            Value::Real(f64::from(self.0))
        }))
    }
}

pub(super) fn get_f64(row: &Row<'_>, column: usize) -> Sql<f64> {
    match row.get_ref(column)? {
        ValueRef::Real(value) => Ok(value),
        ValueRef::Blob(bytes) => bytes.try_into().map(f64::from_le_bytes).map_err(|e| unreadable(column, e)),
        other => Err(unexpected(column, other.data_type())),
    }
}

pub(super) fn get_optional_f64(row: &Row<'_>, column: usize) -> Sql<Option<f64>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => get_f64(row, column).map(Some),
    }
}

pub(super) fn get_f32(row: &Row<'_>, column: usize) -> Sql<Option<f32>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        // Written from a 32-bit float, so the way back is exact.
        ValueRef::Real(value) => Ok(Some(value as f32)),
        ValueRef::Blob(bytes) => bytes.try_into().map(f32::from_le_bytes).map(Some).map_err(|e| unreadable(column, e)),
        other => Err(unexpected(column, other.data_type())),
    }
}

fn unexpected(column: usize, found: Type) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, format!("column {column}"), found)
}

/// The error of a value that no writer of ours put there.
pub(super) fn unreadable(
    column: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, error.into())
}

/// The error of a value that SQLite cannot hold.
pub(super) fn unwritable(error: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

/// A count or index as SQLite's integer.
pub(super) fn to_i64(value: usize) -> Sql<i64> {
    i64::try_from(value).map_err(unwritable)
}

/// A count or index from SQLite's integer.
pub(super) fn from_i64(column: usize, value: i64) -> Sql<usize> {
    usize::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

pub(super) fn get_usize(row: &Row<'_>, column: usize) -> Sql<usize> {
    from_i64(column, row.get(column)?)
}

pub(super) fn get_optional(row: &Row<'_>, column: usize) -> Sql<Option<usize>> {
    row.get::<_, Option<i64>>(column)?.map(|value| from_i64(column, value)).transpose()
}

/// A class, or NULL.
pub(super) fn class(value: Option<usize>) -> Sql<Option<i64>> {
    value.map(to_i64).transpose()
}

pub(super) fn vector<'v>(values: impl IntoIterator<Item = &'v f32>) -> Vec<u8> {
    values.into_iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub(super) fn get_vector(row: &Row<'_>, column: usize) -> Sql<Vec<f32>> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|e| unreadable(column, e))?;
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(unreadable(column, format!("a vector of {} bytes", bytes.len())));
    }
    Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

pub(super) fn get_hash(row: &Row<'_>, column: usize) -> Sql<ImageHash> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|e| unreadable(column, e))?;
    bytes.try_into().map(ImageHash::from_bytes).map_err(|e| unreadable(column, e))
}

/// Name of an outcome in the database.
pub(super) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::ReconstructionRejected => "reconstruction-rejected",
        Outcome::StoppedByOracle => "stopped-by-oracle",
        Outcome::BudgetReached => "budget-reached",
        Outcome::EarlyExit => "early-exit",
        Outcome::Failed => "failed",
        Outcome::ComponentFailed => "component-failed",
    }
}

pub(super) fn get_outcome(row: &Row<'_>, column: usize) -> Sql<Outcome> {
    let name: String = row.get(column)?;
    [
        Outcome::ReconstructionRejected,
        Outcome::StoppedByOracle,
        Outcome::BudgetReached,
        Outcome::EarlyExit,
        Outcome::Failed,
        Outcome::ComponentFailed,
    ]
    .into_iter()
    .find(|outcome| outcome_name(*outcome) == name)
    .ok_or_else(|| unreadable(column, format!("{name:?} is no outcome")))
}

/// Name of a use of the cache in the database.
pub(super) fn cached_name(cached: CacheUse) -> &'static str {
    match cached {
        CacheUse::Unknown => "unknown",
        CacheUse::Known => "known",
        CacheUse::Contradicted => "contradicted",
    }
}

pub(super) fn get_cached(row: &Row<'_>, column: usize) -> Sql<CacheUse> {
    let name: String = row.get(column)?;
    [CacheUse::Unknown, CacheUse::Known, CacheUse::Contradicted]
        .into_iter()
        .find(|cached| cached_name(*cached) == name)
        .ok_or_else(|| unreadable(column, format!("{name:?} is no use of a cache")))
}
