//! What judges say about stored images: the run's own targets and oracles, and any others.
//!
//! A run keeps what its rows' targets and oracles answered beside each sample. Answers of further judges, which may be
//! other targets, other oracles or people, have a table of their own, by the image's hash, the judge's fingerprint and
//! the list of classes. One look-up reads both.

use fmr_core::ImageHash;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use sha2::{Digest as _, Sha256};

use super::read::Ascending;
use super::value::{Sql, get_vector, unreadable, unwritable, vector};
use super::{RowFacts, RowPlan};

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JudgeRole {
    /// A classifier; it answers with logits.
    Target,
    /// A foundation model; it answers with probabilities.
    Oracle,
    /// People; they answer with shares of their votes.
    Person,
}

impl JudgeRole {
    const ALL: [Self; 3] = [Self::Target, Self::Oracle, Self::Person];

    /// `target`, `oracle` or `person`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Oracle => "oracle",
            Self::Person => "person",
        }
    }
}

/// One judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judge {
    /// Who it is.
    pub role: JudgeRole,
    /// Everything that its answers depend on but image and classes, as one text, e.g. a hash. Two judges of a role and
    /// fingerprint are the same.
    pub fingerprint: String,
    /// What people read.
    pub name: String,
}

impl RowPlan {
    /// The row's target as a judge, without a name.
    pub fn target(&self) -> Judge {
        self.judge(JudgeRole::Target, &["target"])
    }

    /// The row's oracle as a judge, without a name.
    pub fn oracle(&self) -> Judge {
        self.judge(JudgeRole::Oracle, &["oracle", "templates"])
    }

    /// A member of the row's oracle as a judge, by its place and the name that people read.
    pub fn member(&self, place: usize, name: &str) -> Judge {
        let oracle = self.oracle();
        Judge { fingerprint: format!("{}/member {place}", oracle.fingerprint), name: name.to_owned(), ..oracle }
    }

    /// A judge that is what it is by these fields of the fingerprint and those below, the engine and the device.
    fn judge(&self, role: JudgeRole, fields: &[&str]) -> Judge {
        let below = |field: &str, name: &str| {
            field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let own = |field: &str| fields.iter().chain(&["engine", "run.device"]).any(|name| below(field, name));
        let mut hash = Sha256::new();
        for text in self.fingerprint.iter().filter(|(field, _)| own(field)).flat_map(|(field, value)| [field, value]) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let fingerprint = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Judge { role, fingerprint, name: String::new() }
    }
}

/// A row's own judges, by their numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowJudges {
    pub target: i64,
    pub oracle: i64,
}

/// The numbers of a row's own judges, which get one where they have none.
pub(super) fn of_row(transaction: &Transaction<'_>, row: &RowPlan, facts: &RowFacts) -> Sql<RowJudges> {
    let names = facts.components.clone().unwrap_or_default();
    let target = number(transaction, &Judge { name: names.target, ..row.target() })?;
    let oracle = number(transaction, &Judge { name: names.oracle, ..row.oracle() })?;
    Ok(RowJudges { target, oracle })
}

/// The number of a judge, which gets one where it has none.
pub(super) fn number(transaction: &Transaction<'_>, judge: &Judge) -> Sql<i64> {
    if let Some(known) = known(transaction, judge)? {
        return Ok(known);
    }
    let mut insert = transaction.prepare_cached("INSERT INTO judges (role, fingerprint, name) VALUES (?, ?, ?)")?;
    insert.insert((judge.role.name(), &judge.fingerprint, &judge.name))
}

fn known(database: &Connection, judge: &Judge) -> Sql<Option<i64>> {
    let mut statement = database.prepare_cached("SELECT id FROM judges WHERE role = ? AND fingerprint = ?")?;
    statement.query_row((judge.role.name(), &judge.fingerprint), |row| row.get(0)).optional()
}

/// The number of a list of classes, which gets one where it has none.
pub(super) fn class_list(database: &Connection, classes: &[String]) -> Sql<i64> {
    if let Some(known) = known_classes(database, classes)? {
        return Ok(known);
    }
    database.prepare_cached("INSERT INTO class_lists (names) VALUES (?)")?.insert([as_json(classes)?])
}

fn known_classes(database: &Connection, classes: &[String]) -> Sql<Option<i64>> {
    let mut statement = database.prepare_cached("SELECT id FROM class_lists WHERE names = ?")?;
    statement.query_row([as_json(classes)?], |row| row.get(0)).optional()
}

fn as_json(classes: &[String]) -> Sql<String> {
    serde_json::to_string(classes).map_err(unwritable)
}

/// Adds answers of a judge, in the place of those that it gave before.
pub(super) fn put(
    transaction: &Transaction<'_>,
    judge: &Judge,
    classes: &[String],
    answers: &[(ImageHash, Vec<f32>)],
) -> Sql<()> {
    let (judge, classes) = (number(transaction, judge)?, class_list(transaction, classes)?);
    let mut statement = transaction
        .prepare_cached("INSERT OR REPLACE INTO answers (image, judge, classes, answer) VALUES (?, ?, ?, ?)")?;
    for (image, answer) in answers {
        statement.execute(params![image.bytes(), judge, classes, vector(answer)])?;
    }
    Ok(())
}

/// What a judge says about an image; `None` where it was not asked.
pub(super) fn get(
    database: &Connection,
    judge: &Judge,
    classes: &[String],
    image: &ImageHash,
) -> Sql<Option<Vec<f32>>> {
    let (Some(id), Some(list)) = (known(database, judge)?, known_classes(database, classes)?) else { return Ok(None) };
    let own = match judge.role {
        JudgeRole::Target => Some(
            "SELECT logits FROM shown JOIN rows USING (row) WHERE judged = ? AND target = ? AND classes = ?
             AND length(logits) > 0 ORDER BY row, idx LIMIT 1",
        ),
        JudgeRole::Oracle => Some(
            "SELECT probabilities FROM shown JOIN rows USING (row) WHERE judged = ? AND oracle = ? AND classes = ?
             AND length(probabilities) > 0 ORDER BY row, idx LIMIT 1",
        ),
        JudgeRole::Person => None,
    };
    let further = "SELECT answer FROM answers WHERE image = ? AND judge = ? AND classes = ?";
    for query in own.into_iter().chain([further]) {
        let mut statement = database.prepare_cached(query)?;
        let found = statement.query_row(params![image.bytes(), id, list], |row| get_vector(row, 0)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// All judges on record, with their numbers.
pub(super) fn numbered_judges(database: &Connection) -> Sql<Vec<(i64, Judge)>> {
    let mut statement = database.prepare_cached("SELECT role, fingerprint, name, id FROM judges ORDER BY id")?;
    let mut order = Ascending::new();
    let judge = |row: &rusqlite::Row<'_>| {
        let name: String = row.get(0)?;
        let role = JudgeRole::ALL.into_iter().find(|role| role.name() == name);
        let role = role.ok_or_else(|| unreadable(0, format!("{name:?} is no judge's role")))?;
        Ok((order.next(row.get(3)?)?, Judge { role, fingerprint: row.get(1)?, name: row.get(2)? }))
    };
    statement.query_map([], judge)?.collect()
}

/// All lists of classes on record, with their numbers.
pub(super) fn numbered_class_lists(database: &Connection) -> Sql<Vec<(i64, Vec<String>)>> {
    let mut statement = database.prepare_cached("SELECT id, names FROM class_lists ORDER BY id")?;
    let mut order = Ascending::new();
    let list = |row: &rusqlite::Row<'_>| {
        let names: String = row.get(1)?;
        let names = serde_json::from_str(&names).map_err(|e| unreadable(1, format!("a list of classes: {e}")))?;
        Ok((order.next(row.get(0)?)?, names))
    };
    statement.query_map([], list)?.collect()
}
