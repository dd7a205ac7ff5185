//! Going on after a component was mended: samples that it failed on are done again, and a plugin's file may be another.
//!
//! A plugin counts by the hash of its file, as weights do, so another file would be another run. Mending one changes its
//! hash, however. So a run may go on with another file of a plugin where the old one failed on samples of the run, or
//! where the user says that it was mended. Samples that the old file finished stay as they are; that they are its is
//! kept with the run and said in its report.

use std::collections::BTreeSet;
use std::path::Path;

use ndarray::Array1;
use rusqlite::{Connection, Transaction};

use super::error::Asking as _;
use super::plan::RunPlan;
use super::read::{self, Ascending};
use super::value::{Sql, get_cached, get_hash, get_usize, get_vector, to_i64};
use super::{RowFacts, StoreError, facts, images, shown};

/// A plugin whose file was replaced during a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedPlugin {
    /// Field of the fingerprint, e.g. `target.plugin`.
    pub field: String,
    /// Hash of the file before.
    pub then: String,
    /// Hash of the file that the run went on with.
    pub now: String,
    /// Samples of the row that files before had finished, and that stay.
    pub kept: usize,
}

impl RunPlan {
    /// The fields of plugins that both plans have with different hashes: number of the row, field, then, now.
    fn replaced<'a>(&'a self, now: &'a Self) -> impl Iterator<Item = (usize, &'a String, &'a String, &'a String)> {
        self.rows.iter().zip(&now.rows).enumerate().flat_map(|(number, (a, b))| {
            let differing = a.fingerprint.iter().filter(|(field, _)| is_plugin(field));
            differing.filter_map(move |(field, then)| {
                b.fingerprint.get(field).filter(|now| *now != then).map(|now| (number, field, then, now))
            })
        })
    }
}

/// Whether a field of a fingerprint is the hash of a plugin's file.
fn is_plugin(field: &str) -> bool {
    field.ends_with(".plugin")
}

/// SQL for samples that failed because a component did. See `SampleRecord::component_failed`.
const COMPONENT_FAILED: &str = "outcome = 'component-failed'";
/// The same, or because a number was not finite.
const FAILED: &str = "outcome IN ('failed', 'component-failed')";

/// Whether the run may go on under `now`: everything is as it was, but for plugins that may be replaced.
pub(super) fn expect_resumable(
    dir: &Path,
    database: &Connection,
    begun: &RunPlan,
    now: &RunPlan,
    mended: bool,
) -> Result<(), StoreError> {
    let failed = failed_plugins(database, begun).asking(dir, "look for samples that a plugin failed on")?;
    let mut adapted = begun.clone();
    for (number, field, then, now) in begun.replaced(now) {
        if !mended && !failed.contains(then) {
            return Err(StoreError::Plugin {
                dir: dir.to_owned(),
                row: begun.rows[number].id.clone(),
                field: field.clone(),
                then: then.clone(),
                now: now.clone(),
            });
        }
        adapted.rows[number].fingerprint.insert(field.clone(), now.clone());
    }
    adapted.expect_same(now, dir)
}

/// Hashes of the plugins of rows that have samples on which a component failed.
fn failed_plugins(database: &Connection, plan: &RunPlan) -> Sql<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut any = database.prepare(&format!("SELECT 1 FROM samples WHERE row = ? AND {COMPONENT_FAILED}"))?;
    for (number, row) in plan.rows.iter().enumerate() {
        if any.exists([to_i64(number)?])? {
            let plugins = row.fingerprint.iter().filter(|(field, _)| is_plugin(field));
            found.extend(plugins.map(|(_, hash)| hash.clone()));
        }
    }
    Ok(found)
}

/// Takes out the samples that are to be done again and puts replaced plugins on record, all at once.
///
/// Samples on which a component failed are done again in any case. Where a plugin was replaced, so are the samples of
/// its rows that failed on numbers that were not finite, since the old file may have made them.
pub(super) fn reopen(
    dir: &Path,
    database: &mut Connection,
    mut begun: RunPlan,
    now: &RunPlan,
) -> Result<RunPlan, StoreError> {
    let work = |database: &mut Connection| -> Sql<()> {
        let transaction = database.transaction()?;
        let replaced: Vec<_> = begun.replaced(now).collect();
        for number in 0..begun.rows.len() {
            let changed = replaced.iter().any(|(other, ..)| *other == number);
            forget(&transaction, number, if changed { FAILED } else { COMPONENT_FAILED })?;
        }
        for (number, field, then, now) in replaced {
            transaction.execute(
                "UPDATE fingerprints SET value = ? WHERE row = ? AND field = ?",
                (now, to_i64(number)?, field),
            )?;
            put_on_record(&transaction, number, field, then, now)?;
        }
        transaction.commit()
    };
    work(database).asking(dir, "take failed samples out")?;
    for (row, now) in begun.rows.iter_mut().zip(&now.rows) {
        row.fingerprint.clone_from(&now.fingerprint);
    }
    Ok(begun)
}

/// Removes a row's samples that fulfil a condition, with their steps, images and part in the facts.
fn forget(transaction: &Transaction<'_>, row: usize, condition: &str) -> Sql<()> {
    let of_row = format!("row = ?1 AND idx IN (SELECT idx FROM samples WHERE row = ?1 AND {condition})");
    let number = to_i64(row)?;
    let gone: Vec<_> = transaction
        .prepare(&format!("SELECT image FROM shown WHERE {of_row}"))?
        .query_map([number], |found| get_hash(found, 0))?
        .collect::<Sql<_>>()?;
    if gone.is_empty() {
        return Ok(());
    }
    let mut counted = RowFacts::default();
    let mut samples = transaction.prepare(&format!(
        "SELECT logits, cached FROM samples JOIN shown USING (row, idx)
         WHERE row = ? AND role = '{}' AND {condition}",
        shown::FINAL
    ))?;
    let mut found = samples.query([number])?;
    while let Some(sample) = found.next()? {
        counted.count(Array1::from(get_vector(sample, 0)?).view(), get_cached(sample, 1)?);
    }
    let mut left = facts::read(transaction, row)?;
    left.logits.take_back(&counted.logits);
    left.cache.take_back(&counted.cache);
    facts::write(transaction, row, &left)?;
    for table in ["steps", "shown", "latents"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE {of_row}"), [number])?;
    }
    transaction.execute(&format!("DELETE FROM samples WHERE row = ?1 AND {condition}"), [number])?;
    images::remove_unused(transaction, &gone)
}

fn put_on_record(transaction: &Transaction<'_>, row: usize, field: &str, then: &str, now: &str) -> Sql<()> {
    let kept = read::finished(transaction, row)?.len();
    let mut all = replaced(transaction, row)?;
    all.push(ReplacedPlugin { field: field.to_owned(), then: then.to_owned(), now: now.to_owned(), kept });
    put_replaced(transaction, row, &all)
}

/// Puts the replaced plugins of a row in the place of those on record.
pub(super) fn put_replaced(transaction: &Transaction<'_>, row: usize, all: &[ReplacedPlugin]) -> Sql<()> {
    let row = to_i64(row)?;
    transaction.execute("DELETE FROM replaced_plugins WHERE row = ?", [row])?;
    for (position, plugin) in all.iter().enumerate() {
        transaction.execute(
            "INSERT INTO replaced_plugins (row, position, field, old, new, kept) VALUES (?, ?, ?, ?, ?, ?)",
            (row, to_i64(position)?, &plugin.field, &plugin.then, &plugin.now, to_i64(plugin.kept)?),
        )?;
    }
    Ok(())
}

/// The plugins of a row that were replaced, in order.
pub(super) fn replaced(database: &Connection, row: usize) -> Sql<Vec<ReplacedPlugin>> {
    let mut statement = database.prepare_cached(
        "SELECT position, field, old, new, kept FROM replaced_plugins WHERE row = ? ORDER BY position",
    )?;
    let mut order = Ascending::new();
    let found = statement.query_map([to_i64(row)?], |row| {
        order.next(get_usize(row, 0)?)?;
        Ok(ReplacedPlugin { field: row.get(1)?, then: row.get(2)?, now: row.get(3)?, kept: get_usize(row, 4)? })
    })?;
    found.collect()
}
