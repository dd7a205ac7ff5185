//! Samples and steps as rows, exact to the last bit.
//!
//! SQLite has no NaN (it becomes NULL) and no −0.0 (it becomes 0.0), so those two are kept as blobs of their bits;
//! every other float is a plain `REAL` that SQL can compare and average. A class that is not known is NULL.

use std::collections::BTreeSet;

use fmr_core::perturb::Perturbed;
use fmr_core::{Outcome, SampleRecord, StepRecord};
use rusqlite::types::{ToSqlOutput, Type, Value, ValueRef};
use rusqlite::{Connection, Row, Transaction, params};

type Sql<T> = Result<T, rusqlite::Error>;

/// A float as it can be kept.
struct Exact<T>(T);

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

fn get_f64(row: &Row<'_>, column: usize) -> Sql<f64> {
    match row.get_ref(column)? {
        ValueRef::Real(value) => Ok(value),
        ValueRef::Blob(bytes) => bytes.try_into().map(f64::from_le_bytes).map_err(|e| unreadable(column, e)),
        other => Err(unexpected(column, other.data_type())),
    }
}

fn get_f32(row: &Row<'_>, column: usize) -> Sql<Option<f32>> {
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

/// A count or index as SQLite's integer.
pub(super) fn to_i64(value: usize) -> Sql<i64> {
    i64::try_from(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// A count or index from SQLite's integer.
pub(super) fn from_i64(column: usize, value: i64) -> Sql<usize> {
    usize::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn get_usize(row: &Row<'_>, column: usize) -> Sql<usize> {
    from_i64(column, row.get(column)?)
}

fn get_optional(row: &Row<'_>, column: usize) -> Sql<Option<usize>> {
    row.get::<_, Option<i64>>(column)?.map(|value| from_i64(column, value)).transpose()
}

fn class(value: Option<usize>) -> Sql<Option<i64>> {
    value.map(to_i64).transpose()
}

/// Name of an outcome in the database and in exports.
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

fn get_outcome(row: &Row<'_>, column: usize) -> Sql<Outcome> {
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

/// Indices of a cell's finished samples.
pub(super) fn finished(database: &Connection, cell: &str) -> Sql<BTreeSet<usize>> {
    let mut statement = database.prepare_cached("SELECT idx FROM samples WHERE cell = ?")?;
    statement.query_map([cell], |row| get_usize(row, 0))?.collect()
}

/// Adds samples and their steps.
pub(super) fn insert(transaction: &Transaction<'_>, cell: &str, batch: &[Perturbed]) -> Sql<()> {
    let mut sample = transaction.prepare_cached(
        "INSERT INTO samples (cell, idx, key, label, clean_prediction, clean_oracle, reconstruction_prediction,
         reconstruction_oracle, reconstruction_accepted, score0, final_score, final_prediction, final_oracle, outcome,
         ended_at, accepted_updates, final_from, finished, latent_moved, error)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut step = transaction.prepare_cached(
        "INSERT INTO steps (cell, idx, position, t, score, gradient_norm, oracle_true, oracle_class, prediction,
         accepted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for r in batch.iter().map(|perturbed| &perturbed.record) {
        let index = to_i64(r.index)?;
        sample.execute(params![
            cell,
            index,
            r.key,
            to_i64(r.label)?,
            class(r.clean_prediction)?,
            class(r.clean_oracle)?,
            class(r.reconstruction_prediction)?,
            class(r.reconstruction_oracle)?,
            r.reconstruction_accepted,
            Exact(r.score0),
            Exact(r.final_score),
            class(r.final_prediction)?,
            class(r.final_oracle)?,
            outcome_name(r.outcome),
            to_i64(r.ended_at)?,
            to_i64(r.accepted_updates)?,
            r.final_from.map(to_i64).transpose()?,
            r.finished,
            Exact(r.latent_moved),
            r.error,
        ])?;
        for (position, s) in r.steps.iter().enumerate() {
            step.execute(params![
                cell,
                index,
                to_i64(position)?,
                to_i64(s.t)?,
                Exact(s.score),
                Exact(s.gradient_norm),
                s.oracle_true.map(Exact),
                s.oracle_class.map(to_i64).transpose()?,
                s.prediction.map(to_i64).transpose()?,
                s.accepted,
            ])?;
        }
    }
    Ok(())
}

/// All samples of a cell with their steps, by index.
pub(super) fn read(database: &Connection, cell: &str) -> Sql<Vec<SampleRecord>> {
    // One view of the database for both queries, whatever a writer adds meanwhile.
    let view = database.unchecked_transaction()?;
    let mut samples = view.prepare_cached(
        "SELECT idx, key, label, clean_prediction, clean_oracle, reconstruction_prediction, reconstruction_oracle,
         reconstruction_accepted, score0, final_score, final_prediction, final_oracle, outcome, ended_at,
         accepted_updates, final_from, finished, latent_moved, error FROM samples WHERE cell = ? ORDER BY idx",
    )?;
    let mut records: Vec<SampleRecord> = samples.query_map([cell], sample)?.collect::<Sql<_>>()?;
    let mut steps = view.prepare_cached(
        "SELECT idx, t, score, gradient_norm, oracle_true, oracle_class, prediction, accepted
         FROM steps WHERE cell = ? ORDER BY idx, position",
    )?;
    let mut rows = steps.query([cell])?;
    let mut at = 0;
    while let Some(row) = rows.next()? {
        let index = get_usize(row, 0)?;
        while records.get(at).is_some_and(|record| record.index < index) {
            at += 1;
        }
        let owner = records.get_mut(at).filter(|record| record.index == index);
        owner.ok_or_else(|| unreadable(0, format!("steps of sample {index} without a sample")))?.steps.push(step(row)?);
    }
    Ok(records)
}

fn sample(row: &Row<'_>) -> Sql<SampleRecord> {
    Ok(SampleRecord {
        index: get_usize(row, 0)?,
        key: row.get(1)?,
        label: get_usize(row, 2)?,
        clean_prediction: get_optional(row, 3)?,
        clean_oracle: get_optional(row, 4)?,
        reconstruction_prediction: get_optional(row, 5)?,
        reconstruction_oracle: get_optional(row, 6)?,
        reconstruction_accepted: row.get(7)?,
        score0: get_f64(row, 8)?,
        final_score: get_f64(row, 9)?,
        final_prediction: get_optional(row, 10)?,
        final_oracle: get_optional(row, 11)?,
        outcome: get_outcome(row, 12)?,
        ended_at: get_usize(row, 13)?,
        accepted_updates: get_usize(row, 14)?,
        final_from: get_optional(row, 15)?,
        finished: row.get(16)?,
        latent_moved: get_f64(row, 17)?,
        error: row.get(18)?,
        steps: Vec::new(),
    })
}

fn step(row: &Row<'_>) -> Sql<StepRecord> {
    Ok(StepRecord {
        t: get_usize(row, 1)?,
        score: get_f64(row, 2)?,
        gradient_norm: get_f64(row, 3)?,
        oracle_true: get_f32(row, 4)?,
        oracle_class: get_optional(row, 5)?,
        prediction: get_optional(row, 6)?,
        accepted: row.get(7)?,
    })
}
