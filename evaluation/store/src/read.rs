//! Samples and steps out of the database. Nothing in it is taken on trust: a value that no run can have written ends the
//! reading, and so does an order that goes back, so that no doctored tree of pages is read for ever.

use std::collections::BTreeSet;

use fmr_core::{SampleRecord, StepRecord};
use rusqlite::{Connection, Row};

use super::value::{Sql, get_f32, get_f64, get_optional, get_optional_f64, get_outcome, get_usize, to_i64, unreadable};
use super::{Part, RowPlan};

/// No budget is larger.
const MOST_UPDATES: usize = 1 << 20;

/// Refuses what does not come after the last.
pub(super) struct Ascending<T>(Option<T>);

impl<T: PartialOrd + Copy + std::fmt::Debug> Ascending<T> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    pub(super) fn next(&mut self, value: T) -> Sql<T> {
        match self.0.replace(value) {
            Some(last) if last >= value => Err(unreadable(0, format!("{value:?} stands after {last:?}"))),
            _ => Ok(value),
        }
    }
}

/// Indices of a row's finished samples.
pub(super) fn finished(database: &Connection, row: usize) -> Sql<BTreeSet<usize>> {
    let mut statement = database.prepare_cached("SELECT idx FROM samples WHERE row = ? ORDER BY idx")?;
    let mut order = Ascending::new();
    statement.query_map([to_i64(row)?], |found| order.next(get_usize(found, 0)?))?.collect()
}

/// All samples of a row with their steps, by index.
pub(super) fn records(database: &Connection, row: usize, plan: &RowPlan, part: Part) -> Sql<Vec<SampleRecord>> {
    // One view of the database for both queries, whatever a writer adds meanwhile.
    let view = database.unchecked_transaction()?;
    let row = to_i64(row)?;
    let mut records = outlines(&view, row, None)?;
    add_steps(&view, row, None, &mut records)?;
    checked(records, plan, part)
}

/// Samples of a row by index: all without their steps, or the one of an index with them.
pub(super) fn samples(
    database: &Connection,
    row: usize,
    plan: &RowPlan,
    part: Part,
    index: Option<usize>,
) -> Sql<Vec<SampleRecord>> {
    let row = to_i64(row)?;
    let index = index.map(to_i64).transpose()?;
    let mut records = outlines(database, row, index)?;
    if index.is_some() {
        add_steps(database, row, index, &mut records)?;
        return checked(records, plan, part);
    }
    // What steps would bear out is not looked at.
    match records.iter().find(|record| record.index >= plan.samples || record.label >= plan.classes.len()) {
        Some(record) => Err(unreadable(0, format!("sample {} is not of the plan", record.index))),
        None => Ok(records),
    }
}

/// Samples without their steps.
fn outlines(database: &Connection, row: i64, index: Option<i64>) -> Sql<Vec<SampleRecord>> {
    let mut samples = database.prepare_cached(
        "SELECT idx, key, label, clean_prediction, clean_oracle, reconstruction_prediction, reconstruction_oracle,
         reconstruction_accepted, score0, final_score, final_prediction, final_oracle, outcome, ended_at,
         accepted_updates, final_from, finished, latent_moved, moved_spreads, error FROM samples
         WHERE row = ?1 AND idx BETWEEN ?2 AND ?3 ORDER BY idx",
    )?;
    let mut order = Ascending::new();
    let found = samples.query_map(within(row, index), |found| {
        let record = sample(found)?;
        order.next(record.index)?;
        Ok(record)
    })?;
    found.collect()
}

/// Row, and the first and the last index of interest.
fn within(row: i64, index: Option<i64>) -> (i64, i64, i64) {
    (row, index.unwrap_or(0), index.unwrap_or(i64::MAX))
}

/// Reads the steps of samples.
fn add_steps(database: &Connection, row: i64, index: Option<i64>, records: &mut [SampleRecord]) -> Sql<()> {
    let mut steps = database.prepare_cached(
        "SELECT idx, t, score, gradient_norm, oracle_true, oracle_class, prediction, accepted, position
         FROM steps WHERE row = ?1 AND idx BETWEEN ?2 AND ?3 ORDER BY idx, position",
    )?;
    let mut rows = steps.query(within(row, index))?;
    let (mut at, mut order) = (0, Ascending::new());
    while let Some(found) = rows.next()? {
        let (index, _) = order.next((get_usize(found, 0)?, get_usize(found, 8)?))?;
        while records.get(at).is_some_and(|record| record.index < index) {
            at += 1;
        }
        let owner = records.get_mut(at).filter(|record| record.index == index);
        let owner = owner.ok_or_else(|| unreadable(0, format!("steps of sample {index} without a sample")))?;
        owner.steps.push(step(found)?);
    }
    Ok(())
}

/// The records, unless one is what no run can have written.
fn checked(records: Vec<SampleRecord>, plan: &RowPlan, part: Part) -> Sql<Vec<SampleRecord>> {
    match records.iter().find_map(|record| problem(record, plan, part).map(|problem| (record.index, problem))) {
        Some((index, problem)) => Err(unreadable(0, format!("sample {index} {problem}"))),
        None => Ok(records),
    }
}

/// What no run of that plan can have written.
fn problem(record: &SampleRecord, plan: &RowPlan, part: Part) -> Option<String> {
    let steps = record.steps.len();
    if record.index >= plan.samples {
        return Some(format!("is not among the plan's {}", plan.samples));
    }
    if !part.holds(record.index) {
        return Some(format!("is not of {part}"));
    }
    if record.label >= plan.classes.len() {
        return Some(format!("is of class {}, there are {}", record.label, plan.classes.len()));
    }
    let last = record.steps.iter().map(|step| step.t).max().unwrap_or(0);
    if record.ended_at.max(last) > MOST_UPDATES {
        return Some(format!("has an update {}", record.ended_at.max(last)));
    }
    if record.accepted_updates > steps || record.final_from.is_some_and(|from| from > last) {
        return Some(format!("has {steps} updates, of which more were accepted"));
    }
    None
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
        moved_spreads: get_optional_f64(row, 18)?,
        error: row.get(19)?,
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
