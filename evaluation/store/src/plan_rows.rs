//! The plan in the database.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};

use super::plan::{RowPlan, RunPlan};
use super::read::Ascending;
use super::value::{Sql, get_usize, to_i64, unreadable};
use super::{Keep, answers};

const EXACT_FINALS: &str = "exact-finals";
const LATENTS: &str = "latents";
const PART: &str = "part";

pub(super) fn insert(database: &Connection, plan: &RunPlan, keep: Keep) -> Sql<()> {
    let (exact_finals, latents) = (keep.exact_finals.to_string(), keep.latents.to_string());
    let values = [("name", &plan.name), ("experiment", &plan.experiment)];
    let part = format!("{}/{}", plan.part.index() + 1, plan.part.of());
    let more = [(EXACT_FINALS, &exact_finals), (LATENTS, &latents), (PART, &part)];
    for (key, value) in values.into_iter().chain(more) {
        database.execute("INSERT INTO run (key, value) VALUES (?, ?)", (key, value))?;
    }
    put_versions(database, &plan.versions)?;
    for (number, row) in plan.rows.iter().enumerate() {
        let (number, classes) = (to_i64(number)?, answers::class_list(database, &row.classes)?);
        database.execute(
            "INSERT INTO rows (row, id, title, samples, classes) VALUES (?, ?, ?, ?, ?)",
            (number, &row.id, &row.title, to_i64(row.samples)?, classes),
        )?;
        for (field, value) in &row.fingerprint {
            let fields = (number, field, value);
            database.execute("INSERT INTO fingerprints (row, field, value) VALUES (?, ?, ?)", fields)?;
        }
    }
    Ok(())
}

pub(super) fn put_versions(database: &Connection, versions: &BTreeMap<String, String>) -> Sql<()> {
    for (name, version) in versions {
        database.execute("INSERT OR REPLACE INTO versions (name, version) VALUES (?, ?)", (name, version))?;
    }
    Ok(())
}

/// The plan that a run was begun with, and what it keeps.
pub(super) fn read(database: &Connection) -> Sql<(RunPlan, Keep)> {
    let versions = pairs(database, "SELECT name, version FROM versions", [])?;
    let part = value(database, PART)?.parse().map_err(|e| unreadable(0, e))?;
    let (name, experiment) = (value(database, "name")?, value(database, "experiment")?);
    let mut plan = RunPlan { name, experiment, rows: Vec::new(), versions, part };
    let mut rows = database.prepare("SELECT row, id, title, samples, classes FROM rows ORDER BY row")?;
    let mut found = rows.query([])?;
    let mut order = Ascending::new();
    while let Some(row) = found.next()? {
        let number = order.next(get_usize(row, 0)?)?;
        if number != plan.rows.len() {
            return Err(unreadable(0, format!("a row {number} after {} rows", plan.rows.len())));
        }
        let fingerprint = pairs(database, "SELECT field, value FROM fingerprints WHERE row = ?", [to_i64(number)?])?;
        let classes = class_list(database, row.get(4)?)?;
        plan.rows.push(RowPlan {
            id: row.get(1)?,
            title: row.get(2)?,
            samples: get_usize(row, 3)?,
            classes,
            fingerprint,
        });
    }
    let switch = |key: &str| match value(database, key)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(unreadable(0, format!("{key} is {other:?}"))),
    };
    Ok((plan, Keep { exact_finals: switch(EXACT_FINALS)?, latents: switch(LATENTS)? }))
}

fn value(database: &Connection, key: &str) -> Sql<String> {
    let found = database.query_row("SELECT value FROM run WHERE key = ?", [key], |row| row.get(0)).optional()?;
    found.ok_or_else(|| unreadable(0, format!("it does not say {key}")))
}

fn class_list(database: &Connection, id: i64) -> Sql<Vec<String>> {
    let mut statement = database.prepare_cached("SELECT names FROM class_lists WHERE id = ?")?;
    let names: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
    let names = names.ok_or_else(|| unreadable(0, "a row without a list of classes"))?;
    serde_json::from_str(&names).map_err(|e| unreadable(0, format!("a list of classes: {e}")))
}

fn pairs(database: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Sql<BTreeMap<String, String>> {
    let mut statement = database.prepare_cached(sql)?;
    let mut found = statement.query(parameters)?;
    let mut pairs = BTreeMap::new();
    while let Some(row) = found.next()? {
        if pairs.insert(row.get(0)?, row.get(1)?).is_some() {
            return Err(unreadable(0, format!("{:?} stands twice", row.get::<_, String>(0)?)));
        }
    }
    Ok(pairs)
}
