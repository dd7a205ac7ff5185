//! The tables, and whether a database holds just these.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::limits::Limit;

use super::error::Asking as _;
use super::{DATABASE_FILE, StoreError};

/// Marks a database as a run's: `fmr1` in ASCII.
const APPLICATION: i64 = 0x666d_7231;
/// Changes whenever the tables do.
pub(super) const LAYOUT: i64 = 4;
const TABLES: &str = include_str!("layout.sql");

/// No text or blob of a run is longer: one image of 4096 × 4096 × 3 floats, and some room.
pub(super) const LONGEST_VALUE: i32 = 256 << 20;

/// Makes the tables.
pub(super) fn create(database: &Connection) -> Result<(), rusqlite::Error> {
    database.pragma_update(None, "application_id", APPLICATION)?;
    database.pragma_update(None, "user_version", LAYOUT)?;
    database.execute_batch(TABLES)
}

/// Bounds what a value of a doctored database can take, and lets nothing in it act.
pub(super) fn guard(database: &Connection) -> Result<(), rusqlite::Error> {
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
    database.pragma_update(None, "trusted_schema", false)?;
    database.pragma_update(None, "cell_size_check", true)
}

/// Refuses a database that no run wrote, one of another layout, and one whose tables are not a run's: a view or a trigger
/// in a table's place could do anything.
pub(super) fn expect(dir: &Path, database: &Connection) -> Result<(), StoreError> {
    let number = |pragma: &str| {
        database.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).asking(dir, "recognise the run")
    };
    if number("application_id")? != APPLICATION {
        let problem = format!(
            "its {DATABASE_FILE} was not written by a run, or the run died while it began: run the experiment again"
        );
        return Err(StoreError::NotARun { dir: dir.to_owned(), problem });
    }
    let found = number("user_version")?;
    if found != LAYOUT {
        return Err(StoreError::Layout { path: dir.join(DATABASE_FILE), found });
    }
    let damaged = |problem: String| Err(StoreError::Damaged { path: dir.join(DATABASE_FILE), problem });
    let (found, right) = (objects(database), Connection::open_in_memory().and_then(fresh));
    let (found, right) = (found.asking(dir, "list the tables")?, right.asking(dir, "list the tables")?);
    for (name, sql) in &right {
        match found.get(name) {
            None => return damaged(format!("it has no {name:?}")),
            Some(other) if other != sql => return damaged(format!("its {name:?} is not as a run makes it")),
            Some(_) => {}
        }
    }
    match found.keys().find(|name| !right.contains_key(*name)) {
        Some(name) => damaged(format!("it holds {name:?}, which no run makes")),
        None => Ok(()),
    }
}

fn fresh(database: Connection) -> Result<BTreeMap<String, Option<String>>, rusqlite::Error> {
    database.execute_batch(TABLES)?;
    objects(&database)
}

/// Tables, indices, views and triggers, with what made them.
fn objects(database: &Connection) -> Result<BTreeMap<String, Option<String>>, rusqlite::Error> {
    // What ANALYZE leaves does no harm.
    let mut all = database.prepare("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'")?;
    all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
