//! Going on after a component was mended: samples that it failed on are done again, and a plugin's file may be another.
//!
//! A plugin counts by the hash of its file, as weights do, so another file would be another run. Mending one changes its
//! hash, however. So a run may go on with another file of a plugin where the old one failed on samples of the run, or
//! where the user says that it was mended. Samples that the old file finished stay as they are; that they are its is
//! kept with the run and said in its report.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::error::Asking as _;
use super::plan::{RowPlan, RunPlan};
use super::rows::{from_i64, unreadable};

/// Key of the note that holds a cell's [`ReplacedPlugin`]s.
pub(super) const NOTE: &str = "replaced-plugins";

/// A plugin whose file was replaced during a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReplacedPlugin {
    /// Field of the fingerprint, e.g. `target.plugin`.
    pub field: String,
    /// Hash of the file before.
    pub then: String,
    /// Hash of the file that the run went on with.
    pub now: String,
    /// Samples of the cell that files before had finished, and that stay.
    pub kept: usize,
}

impl RunPlan {
    /// The fields of plugins that both plans have with different hashes.
    fn replaced<'a>(
        &'a self,
        now: &'a Self,
    ) -> impl Iterator<Item = (&'a RowPlan, &'a String, &'a String, &'a String)> {
        self.rows.iter().zip(&now.rows).flat_map(|(a, b)| {
            let differing = a.fingerprint.iter().filter(|(field, _)| is_plugin(field));
            differing.filter_map(move |(field, then)| {
                b.fingerprint.get(field).filter(|now| *now != then).map(|now| (a, field, then, now))
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
    for (cell, field, then, now) in begun.replaced(now) {
        if !mended && !failed.contains(then) {
            return Err(StoreError::Plugin {
                dir: dir.to_owned(),
                cell: cell.id.clone(),
                field: field.clone(),
                then: then.clone(),
                now: now.clone(),
            });
        }
        if let Some(adapted) = adapted.rows.iter_mut().find(|c| c.id == cell.id) {
            adapted.fingerprint.insert(field.clone(), now.clone());
        }
    }
    adapted.expect_same(now, dir)
}

/// Hashes of the plugins of cells that have samples on which a component failed.
fn failed_plugins(database: &Connection, plan: &RunPlan) -> Result<BTreeSet<String>, rusqlite::Error> {
    let mut found = BTreeSet::new();
    let mut any = database.prepare(&format!("SELECT 1 FROM samples WHERE cell = ? AND {COMPONENT_FAILED}"))?;
    for cell in &plan.rows {
        if any.exists([&cell.id])? {
            let plugins = cell.fingerprint.iter().filter(|(field, _)| is_plugin(field));
            found.extend(plugins.map(|(_, hash)| hash.clone()));
        }
    }
    Ok(found)
}

/// Takes out the samples that are to be done again and puts replaced plugins on record, all at once.
///
/// Samples on which a component failed are done again in any case. Where a plugin was replaced, so are the samples of
/// its cells that failed on numbers that were not finite, since the old file may have made them.
pub(super) fn reopen(
    dir: &Path,
    database: &mut Connection,
    mut begun: RunPlan,
    now: &RunPlan,
) -> Result<RunPlan, StoreError> {
    let work = |database: &mut Connection| -> Result<(), rusqlite::Error> {
        let transaction = database.transaction()?;
        let replaced: Vec<_> = begun.replaced(now).collect();
        for cell in &begun.rows {
            let changed = replaced.iter().any(|(c, ..)| c.id == cell.id);
            forget(
                &transaction,
                &cell.id,
                if changed { "outcome IN ('failed', 'component-failed')" } else { COMPONENT_FAILED },
            )?;
        }
        for (cell, field, then, now) in &replaced {
            transaction
                .execute("UPDATE fingerprints SET value = ? WHERE cell = ? AND field = ?", (now, &cell.id, field))?;
            put_on_record(&transaction, &cell.id, field, then, now)?;
        }
        transaction.commit()
    };
    work(database).asking(dir, "take failed samples out")?;
    for (cell, now) in begun.rows.iter_mut().zip(&now.rows) {
        cell.fingerprint.clone_from(&now.fingerprint);
    }
    Ok(begun)
}

/// Removes a cell's samples that fulfil a condition, with their steps and images.
fn forget(transaction: &Transaction<'_>, cell: &str, condition: &str) -> Result<(), rusqlite::Error> {
    for table in ["steps", "images"] {
        let sql = format!(
            "DELETE FROM {table} WHERE cell = ?1 AND idx IN (SELECT idx FROM samples WHERE cell = ?1 AND {condition})"
        );
        transaction.execute(&sql, [cell])?;
    }
    transaction.execute(&format!("DELETE FROM samples WHERE cell = ?1 AND {condition}"), [cell])?;
    Ok(())
}

fn put_on_record(
    transaction: &Transaction<'_>,
    cell: &str,
    field: &str,
    then: &str,
    now: &str,
) -> Result<(), rusqlite::Error> {
    let kept = transaction.query_row("SELECT count(*) FROM samples WHERE cell = ?", [cell], |row| row.get(0))?;
    let mut all = read(transaction, cell)?;
    all.push(ReplacedPlugin {
        field: field.to_owned(),
        then: then.to_owned(),
        now: now.to_owned(),
        kept: from_i64(0, kept)?,
    });
    let text = serde_json::to_string(&all).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    transaction.execute("INSERT OR REPLACE INTO notes (cell, key, value) VALUES (?, ?, ?)", (cell, NOTE, text))?;
    Ok(())
}

/// The plugins of a cell that were replaced, in order.
pub(super) fn read(database: &Connection, cell: &str) -> Result<Vec<ReplacedPlugin>, rusqlite::Error> {
    let text: Option<String> = database
        .query_row("SELECT value FROM notes WHERE cell = ? AND key = ?", (cell, NOTE), |row| row.get(0))
        .optional()?;
    text.map_or_else(|| Ok(Vec::new()), |text| serde_json::from_str(&text).map_err(|e| unreadable(0, e)))
}
