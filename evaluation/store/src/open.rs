//! Folders and databases: making, recognising, opening.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fmr_files::is_partial;
use rusqlite::{Connection, OpenFlags};

use super::error::Asking as _;
use super::lock::{LOCK_FILE, RunLock};
use super::plan::RunPlan;
use super::{DATABASE_FILE, EXPERIMENT_FILE, Keep, StoreError, plan_rows, schema};

/// Makes the folder where needed and takes its lock, unless it holds a run or other files.
pub(super) fn claim_new(dir: &Path) -> Result<RunLock, StoreError> {
    fs::create_dir_all(dir).map_err(as_not_a_folder).asking(dir, "make the folder")?;
    let leftovers = leftovers(dir)?;
    let lock = RunLock::take(dir)?;
    if !holds_nothing(dir)? {
        return Err(StoreError::Exists { dir: dir.to_owned() });
    }
    for path in leftovers {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).asking(&path, "remove the leftover");
            }
            _ => {}
        }
    }
    Ok(lock)
}

/// Refuses a folder that holds a run or other files; nothing in it is touched.
pub(super) fn expect_new(dir: &Path) -> Result<(), StoreError> {
    if dir.exists() { leftovers(dir).map(drop) } else { Ok(()) }
}

/// What a process left in the folder that died while it began a run; no results can be in it.
fn leftovers(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    // A finished run has reports beside its database: that it is a run comes first.
    if dir.join(DATABASE_FILE).is_file() && !holds_nothing(dir)? {
        return Err(match RunLock::take(dir) {
            Err(in_use @ StoreError::InUse { .. }) => in_use,
            _ => StoreError::Exists { dir: dir.to_owned() },
        });
    }
    let database = |name: &str| name.starts_with(DATABASE_FILE);
    let ours = |name: &str| [EXPERIMENT_FILE, LOCK_FILE].contains(&name) || database(name) || is_partial(name);
    let mut leftovers = Vec::new();
    for entry in fs::read_dir(dir).asking(dir, "list the folder")? {
        let name = entry.asking(dir, "list the folder")?.file_name().to_string_lossy().into_owned();
        if !ours(&name) {
            return Err(StoreError::NotEmpty { dir: dir.to_owned(), example: name });
        }
        if database(&name) || is_partial(&name) {
            leftovers.push(dir.join(name));
        }
    }
    Ok(leftovers)
}

/// `create_dir_all` says "exists" for a file in the folder's place.
fn as_not_a_folder(error: std::io::Error) -> std::io::Error {
    if error.kind() == ErrorKind::AlreadyExists { ErrorKind::NotADirectory.into() } else { error }
}

/// Whether the database is absent or was never filled. Anything else, a damaged file too, is left alone.
fn holds_nothing(dir: &Path) -> Result<bool, StoreError> {
    let path = dir.join(DATABASE_FILE);
    if !path.exists() {
        return Ok(true);
    }
    let filled = Connection::open(&path)
        .and_then(|database| database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)))
        .asking(dir, "look into the database")?;
    Ok(filled == 0)
}

/// Writes the experiment file and a database that holds the plan.
pub(super) fn create(dir: &Path, plan: &RunPlan, keep: Keep) -> Result<Connection, StoreError> {
    let path = dir.join(EXPERIMENT_FILE);
    fmr_files::replace(&path, plan.experiment.as_bytes()).asking(&path, "write the experiment file")?;
    let fill = || -> Result<Connection, rusqlite::Error> {
        let mut database = Connection::open(dir.join(DATABASE_FILE))?;
        prepare_writer(&database)?;
        // All or nothing: a folder with half a plan is no run.
        let transaction = database.transaction()?;
        schema::create(&transaction)?;
        plan_rows::insert(&transaction, plan, keep)?;
        transaction.commit()?;
        Ok(database)
    };
    fill().asking(dir, "begin a run")
}

fn prepare_writer(database: &Connection) -> Result<(), rusqlite::Error> {
    schema::guard(database)?;
    database.busy_timeout(Duration::from_secs(30))?;
    database.pragma_update(None, "journal_mode", "wal")?;
    // In WAL mode `normal` cannot damage the file; a power cut may cost the last batches, which a resume repeats.
    database.pragma_update(None, "synchronous", "normal")
}

/// Refuses a folder without a database before anything in it is touched.
pub(super) fn expect_run(dir: &Path) -> Result<(), StoreError> {
    let refuse = |problem: &str| Err(StoreError::NotARun { dir: dir.to_owned(), problem: problem.to_owned() });
    let found = |path: &Path| match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(StoreError::NotReadable { path: path.to_owned(), problem: error.to_string() }),
    };
    match found(dir)? {
        None => return refuse("there is no such folder; `fmr run EXPERIMENT.toml` begins a run"),
        Some(found) if found.is_dir() => {}
        Some(_) => return refuse("it is a file; give the folder that a run was written to"),
    }
    match found(&dir.join(DATABASE_FILE))? {
        None => refuse(&format!("it holds no {DATABASE_FILE}; give the folder that a run was written to")),
        Some(found) if found.is_file() => Ok(()),
        Some(_) => refuse(&format!("its {DATABASE_FILE} is not a regular file")),
    }
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
        schema::guard(&database)?;
        database.busy_timeout(Duration::from_secs(30))?;
        database.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
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
    .or_else(|error| match unreadable(&path) {
        Some(problem) => Err(StoreError::NotReadable { path: path.clone(), problem }),
        None => Err(error).asking(dir, "read the run"),
    })
}

/// Why a database that SQLite could not open cannot be read. Not asked of one that is open: closing a file drops the
/// locks that this process has on it.
fn unreadable(path: &Path) -> Option<String> {
    let error = fs::File::open(path).err()?;
    (error.kind() == ErrorKind::PermissionDenied).then(|| error.to_string())
}

fn percent_encoded(path: &Path) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    let text = path.to_string_lossy();
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The plan that a run was begun with, and what it keeps.
pub(super) fn read_plan(dir: &Path, database: &Connection) -> Result<(RunPlan, Keep), StoreError> {
    schema::expect(dir, database)?;
    plan_rows::read(database).asking(dir, "read the plan")
}

/// Puts versions on record that a resumed run goes on with, after those that it had before.
pub(super) fn add_versions(
    dir: &Path,
    database: &mut Connection,
    mut begun: RunPlan,
    now: &RunPlan,
) -> Result<RunPlan, StoreError> {
    join_versions(&mut begun.versions, &now.versions);
    let write = |database: &mut Connection| -> Result<(), rusqlite::Error> {
        let transaction = database.transaction()?;
        plan_rows::put_versions(&transaction, &begun.versions)?;
        transaction.commit()
    };
    write(database).asking(dir, "put versions on record")?;
    Ok(begun)
}

/// Adds versions to those on record, after those that they follow.
pub(super) fn join_versions(record: &mut BTreeMap<String, String>, now: &BTreeMap<String, String>) {
    for (name, version) in now {
        match record.get_mut(name) {
            Some(known) if known == version || known.split(", then ").any(|v| v == version) => {}
            Some(known) => *known = format!("{known}, then {version}"),
            None => {
                record.insert(name.clone(), version.clone());
            }
        }
    }
}
