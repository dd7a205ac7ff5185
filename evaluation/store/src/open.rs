//! Folders and databases: making, recognising, opening.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::Asking as _;
use super::lock::{LOCK_FILE, RunLock};
use super::plan::{RowPlan, RunPlan};
use super::rows::{from_i64, to_i64, unreadable};
use super::{DATABASE_FILE, EXPERIMENT_FILE, KeepImages, StoreError};

/// Marks a database as a run's: `fmr1` in ASCII.
const APPLICATION: i64 = 0x666d_7231;
/// Changes whenever the tables do.
const LAYOUT: i64 = 2;

/// `ANY` columns hold a float as it is, also one that SQLite's own floats cannot (see `rows`).
const TABLES: &str = "
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE versions (name TEXT PRIMARY KEY, version TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cells (
    position INTEGER PRIMARY KEY, cell TEXT NOT NULL UNIQUE, title TEXT NOT NULL, samples INTEGER NOT NULL,
    classes TEXT NOT NULL
) STRICT;
CREATE TABLE fingerprints (
    cell TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (cell, field)
) STRICT, WITHOUT ROWID;
CREATE TABLE samples (
    cell TEXT NOT NULL, idx INTEGER NOT NULL, key TEXT NOT NULL, label INTEGER, clean_prediction INTEGER,
    clean_oracle INTEGER, reconstruction_prediction INTEGER, reconstruction_oracle INTEGER,
    reconstruction_accepted INTEGER NOT NULL, score0 ANY, final_score ANY, final_prediction INTEGER,
    final_oracle INTEGER, outcome TEXT NOT NULL, ended_at INTEGER NOT NULL, accepted_updates INTEGER NOT NULL,
    final_from INTEGER, finished INTEGER, latent_moved ANY, error TEXT, PRIMARY KEY (cell, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE steps (
    cell TEXT NOT NULL, idx INTEGER NOT NULL, position INTEGER NOT NULL, t INTEGER NOT NULL, score ANY,
    gradient_norm ANY, oracle_true ANY, oracle_class INTEGER, prediction INTEGER, accepted INTEGER NOT NULL,
    PRIMARY KEY (cell, idx, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE images (
    cell TEXT NOT NULL, idx INTEGER NOT NULL, role TEXT NOT NULL, encoding TEXT NOT NULL, channels INTEGER NOT NULL,
    height INTEGER NOT NULL, width INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (cell, idx, role)
) STRICT;
CREATE TABLE notes (
    cell TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (cell, key)
) STRICT, WITHOUT ROWID;
";

/// Makes the folder where needed and takes its lock, unless it holds a run or other files.
pub(super) fn claim_new(dir: &Path) -> Result<RunLock, StoreError> {
    fs::create_dir_all(dir).map_err(as_not_a_folder).asking(dir, "make the folder")?;
    // What a process leaves that dies while it begins a run; no results can be in it.
    let ours = |name: &str| name == EXPERIMENT_FILE || name == LOCK_FILE || name.starts_with(DATABASE_FILE);
    for entry in fs::read_dir(dir).asking(dir, "list the folder")? {
        let name = entry.asking(dir, "list the folder")?.file_name().to_string_lossy().into_owned();
        if !ours(&name) {
            return Err(StoreError::NotEmpty { dir: dir.to_owned(), example: name });
        }
    }
    let lock = RunLock::take(dir)?;
    if !holds_nothing(dir)? {
        return Err(StoreError::Exists { dir: dir.to_owned() });
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let path = dir.join(format!("{DATABASE_FILE}{suffix}"));
        if path.exists() {
            fs::remove_file(&path).asking(&path, "remove the leftover")?;
        }
    }
    Ok(lock)
}

/// `create_dir_all` says "exists" for a file in the folder's place.
fn as_not_a_folder(error: std::io::Error) -> std::io::Error {
    if error.kind() == std::io::ErrorKind::AlreadyExists { std::io::ErrorKind::NotADirectory.into() } else { error }
}

/// Whether the database is absent or was never filled. Anything else, a damaged file too, is left alone.
fn holds_nothing(dir: &Path) -> Result<bool, StoreError> {
    let path = dir.join(DATABASE_FILE);
    if !path.exists() {
        return Ok(true);
    }
    let filled = Connection::open(&path)
        .and_then(|database| database.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0)))
        .asking(dir, "look into the database")?;
    Ok(filled == 0)
}

/// Writes the experiment file and a database that holds the plan.
pub(super) fn create(dir: &Path, plan: &RunPlan, keep: KeepImages) -> Result<Connection, StoreError> {
    let path = dir.join(EXPERIMENT_FILE);
    fs::write(&path, &plan.experiment).asking(&path, "write the experiment file")?;
    let fill = || -> Result<Connection, rusqlite::Error> {
        let mut database = Connection::open(dir.join(DATABASE_FILE))?;
        prepare_writer(&database)?;
        // All or nothing: a folder with half a plan is no run.
        let transaction = database.transaction()?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", LAYOUT)?;
        transaction.execute_batch(TABLES)?;
        insert_plan(&transaction, plan, keep)?;
        transaction.commit()?;
        Ok(database)
    };
    fill().asking(dir, "begin a run")
}

fn prepare_writer(database: &Connection) -> Result<(), rusqlite::Error> {
    database.busy_timeout(Duration::from_secs(30))?;
    database.pragma_update(None, "journal_mode", "wal")?;
    // In WAL mode `normal` cannot damage the file; a power cut may cost the last batches, which a resume repeats.
    database.pragma_update(None, "synchronous", "normal")
}

fn insert_plan(database: &Connection, plan: &RunPlan, keep: KeepImages) -> Result<(), rusqlite::Error> {
    let exact_finals = keep.exact_finals.to_string();
    for (key, value) in [("name", &plan.name), ("experiment", &plan.experiment), ("exact-finals", &exact_finals)] {
        database.execute("INSERT INTO run VALUES (?, ?)", (key, value))?;
    }
    for (name, version) in &plan.versions {
        database.execute("INSERT INTO versions VALUES (?, ?)", (name, version))?;
    }
    for (position, cell) in plan.rows.iter().enumerate() {
        let classes = serde_json::Value::from(cell.classes.clone()).to_string();
        database.execute(
            "INSERT INTO cells VALUES (?, ?, ?, ?, ?)",
            (to_i64(position)?, &cell.id, &cell.title, to_i64(cell.samples)?, classes),
        )?;
        for (field, value) in &cell.fingerprint {
            database.execute("INSERT INTO fingerprints VALUES (?, ?, ?)", (&cell.id, field, value))?;
        }
    }
    Ok(())
}

/// Refuses a folder without a database before anything in it is touched.
pub(super) fn expect_run(dir: &Path) -> Result<(), StoreError> {
    let refuse = |problem: &str| Err(StoreError::NotARun { dir: dir.to_owned(), problem: problem.to_owned() });
    if !dir.exists() {
        return refuse("there is no such folder; `fmr run EXPERIMENT.toml` begins a run");
    }
    if !dir.is_dir() {
        return refuse("it is a file; give the folder that a run was written to");
    }
    if !dir.join(DATABASE_FILE).is_file() {
        return refuse(&format!("it holds no {DATABASE_FILE}; give the folder that a run was written to"));
    }
    Ok(())
}

/// Opens a run's database to write, after a check of all its pages.
pub(super) fn open_to_write(dir: &Path) -> Result<Connection, StoreError> {
    let open = || -> Result<(Connection, String), rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(dir.join(DATABASE_FILE), flags)?;
        prepare_writer(&database)?;
        let verdict = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok((database, verdict))
    };
    let (database, verdict) = open().asking(dir, "open the run")?;
    if verdict != "ok" {
        return Err(StoreError::Damaged { path: dir.join(DATABASE_FILE), problem: verdict });
    }
    Ok(database)
}

/// Opens a run's database to read.
pub(super) fn open_to_read(dir: &Path) -> Result<Connection, StoreError> {
    let path = dir.join(DATABASE_FILE);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let probe = |database: Connection| -> Result<Connection, rusqlite::Error> {
        database.busy_timeout(Duration::from_secs(30))?;
        database.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        Ok(database)
    };
    let opened = Connection::open_with_flags(&path, flags).and_then(probe);
    // On a read-only medium SQLite cannot make the files it shares with writers; without a log there are none.
    let at_rest = !dir.join(format!("{DATABASE_FILE}-wal")).exists();
    match opened {
        Err(error) if at_rest && error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) => {
            let uri = format!("file:{}?immutable=1", percent_encoded(&path));
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI).and_then(probe)
        }
        opened => opened,
    }
    .asking(dir, "read the run")
}

fn percent_encoded(path: &Path) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    let text = path.to_string_lossy();
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The plan that a run was begun with, and what it keeps of images.
pub(super) fn read_plan(dir: &Path, database: &Connection) -> Result<(RunPlan, KeepImages), StoreError> {
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
        return Err(StoreError::Layout { path: dir.join(DATABASE_FILE), found, readable: LAYOUT });
    }
    let read = || -> Result<_, rusqlite::Error> {
        let value =
            |key: &str| database.query_row("SELECT value FROM run WHERE key = ?", [key], |row| row.get::<_, String>(0));
        let versions = database
            .prepare("SELECT name, version FROM versions")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut plan = RunPlan { name: value("name")?, experiment: value("experiment")?, rows: Vec::new(), versions };
        let mut cells = database.prepare("SELECT cell, title, samples, classes FROM cells ORDER BY position")?;
        let mut fields = database.prepare("SELECT field, value FROM fingerprints WHERE cell = ?")?;
        let mut rows = cells.query([])?;
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            let fingerprint =
                fields.query_map([&id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            let classes = serde_json::from_str(&row.get::<_, String>(3)?).map_err(|e| unreadable(3, e))?;
            let (title, samples) = (row.get(1)?, from_i64(2, row.get(2)?)?);
            plan.rows.push(RowPlan { id, title, samples, classes, fingerprint });
        }
        Ok((plan, KeepImages { exact_finals: value("exact-finals")? == "true" }))
    };
    read().asking(dir, "read the plan")
}

/// Puts versions on record that a resumed run goes on with, after those that it had before.
pub(super) fn add_versions(
    dir: &Path,
    database: &mut Connection,
    mut begun: RunPlan,
    now: &RunPlan,
) -> Result<RunPlan, StoreError> {
    for (name, version) in &now.versions {
        match begun.versions.get_mut(name) {
            Some(known) if known.split(", then ").any(|v| v == version) => {}
            Some(known) => *known = format!("{known}, then {version}"),
            None => {
                begun.versions.insert(name.clone(), version.clone());
            }
        }
    }
    let write = |database: &mut Connection| -> Result<(), rusqlite::Error> {
        let transaction = database.transaction()?;
        for (name, version) in &begun.versions {
            transaction.execute("INSERT OR REPLACE INTO versions VALUES (?, ?)", (name, version))?;
        }
        transaction.commit()
    };
    write(database).asking(dir, "put versions on record")?;
    Ok(begun)
}
