//! A run's database with any values in the place of those that the run wrote.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use fmr_fuzz::{Folder, expect_words};
use fmr_store::{Keep, Part, RowPlan, RunPlan, RunStore, StoreError};
use libfuzzer_sys::fuzz_target;
use rusqlite::Connection;
use rusqlite::types::Value;

#[path = "../../evaluation/store/src/toy.rs"]
#[allow(dead_code, reason = "shared with the tests of the store")]
mod toy;

const FILE: &str = "run.sqlite";
const SAMPLES: usize = 4;

/// A whole run, and every table with each of its columns.
static RUN: LazyLock<(Vec<u8>, Vec<(String, String)>)> = LazyLock::new(|| {
    let folder = Folder::new();
    let dir = folder.path().join("run");
    let plan = toy::plan(SAMPLES);
    let keep = Keep { latents: true, ..Keep::default() };
    let mut store = RunStore::create_keeping(&dir, &plan, keep).expect("a run");
    for row in &plan.rows {
        store.commit(&row.id, &toy::batch(0..SAMPLES), Duration::from_millis(1)).expect("committed");
    }
    drop(store);
    let database = Connection::open(dir.join(FILE)).expect("opened");
    let columns = "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'";
    let mut columns = database.prepare(columns).expect("prepared");
    let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("asked");
    let columns = columns.collect::<Result<_, _>>().expect("columns");
    (std::fs::read(dir.join(FILE)).expect("read"), columns)
});

fuzz_target!(|changes: Vec<(u16, u8, u8, Vec<u8>)>| {
    let folder = Folder::new();
    let path = folder.write(&format!("run/{FILE}"), &RUN.0);
    let database = Connection::open(&path).expect("opened");
    let _ = database.pragma_update(None, "synchronous", "off");
    for (column, row, kind, bytes) in changes {
        let (table, column) = &RUN.1[usize::from(column) % RUN.1.len()];
        let change = format!(
            "UPDATE {table} SET {column} = ?1 WHERE {column} IS (SELECT {column} FROM {table} LIMIT 1 OFFSET ?2)"
        );
        // A value that the table itself refuses stays as it was.
        let _ = database.execute(&change, (value(kind, bytes), row % SAMPLES as u8));
    }
    drop(database);
    if let Err(error) = read(&folder.path().join("run")) {
        expect_words(&error.to_string());
    }
});

fn value(kind: u8, bytes: Vec<u8>) -> Value {
    let mut eight = [0; 8];
    let n = bytes.len().min(8);
    eight[..n].copy_from_slice(&bytes[..n]);
    match kind % 5 {
        0 => Value::Null,
        1 => Value::Integer(i64::from_le_bytes(eight)),
        2 => Value::Real(f64::from_le_bytes(eight)),
        3 => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Value::Blob(bytes),
    }
}

/// Reads everything that there is to read.
fn read(dir: &Path) -> Result<(), StoreError> {
    let store = RunStore::read(dir)?;
    let results = store.results()?;
    store.judges()?;
    store.export_tables(&results, &dir.join("export"))?;
    for row in &store.plan().rows {
        store.count(&row.id)?;
        for index in 0..SAMPLES {
            store.images(&row.id, index)?;
            store.latent(&row.id, index)?;
        }
        store.answer(&row.target(), &row.classes, &store.shown(&row.id, 0)?.original.judged)?;
    }
    Ok(())
}
