//! Folders that are no run, and runs that are damaged.

use std::io::{Seek as _, SeekFrom, Write as _};

use super::*;
use crate::lock;

#[test]
fn folders_that_are_no_run() {
    let (home, dir, store) = begun();
    drop(store);
    let outside = home.path();
    let in_home = |text: String| text.replace(&outside.display().to_string(), "HOME");
    fs::create_dir(outside.join("empty")).unwrap();
    fs::write(outside.join("file"), "x").unwrap();
    fs::create_dir(outside.join("other")).unwrap();
    Connection::open(outside.join("other/run.sqlite")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    fs::create_dir(outside.join("full")).unwrap();
    fs::write(outside.join("full/thesis.tex"), "x").unwrap();
    let read = |name: &str| in_home(told(RunStore::read(&outside.join(name)), &dir));
    let create = |path: &Path| in_home(told(RunStore::create(path, &plan(20)), &dir));
    let mut twins = plan(20);
    twins.rows[1].id = "mnist-LeNet".to_owned();
    let messages = [
        read("absent"),
        read("empty"),
        read("file"),
        read("other"),
        create(&dir),
        create(&outside.join("full")),
        create(&outside.join("file")),
        create(&outside.join("file/run")),
        create(&outside.join("other")),
        in_home(told(RunStore::create(&outside.join("new"), &twins), &dir)),
        told(RunStore::read(&dir).unwrap().commit(ROW, &batch(0..1), SPENT), &dir),
    ];
    assert_snapshot!(messages.join("\n"), @r#"
    HOME/absent is not a run: there is no such folder; `fmr run EXPERIMENT.toml` begins a run
    HOME/empty is not a run: it holds no run.sqlite; give the folder that a run was written to
    HOME/file is not a run: it is a file; give the folder that a run was written to
    HOME/other is not a run: its run.sqlite was not written by a run, or the run died while it began: run the experiment again
    RUN already holds a run: resume it with `fmr resume RUN`, or choose a new folder
    HOME/full holds other files (thesis.tex): choose a new or empty folder
    cannot make the folder in HOME/file: it is read-only or not a folder this user may write to (not a directory)
    cannot make the folder in HOME/file/run: it is read-only or not a folder this user may write to (Not a directory (os error 20))
    HOME/other already holds a run: resume it with `fmr resume HOME/other`, or choose a new folder
    the plan of HOME/new cannot be kept: the rows "mnist/lenet" and "mnist-LeNet" would share the file name "mnist-LeNet"
    RUN was opened to read: open it with resume to add to it
    "#);
    drop(RunStore::create(&outside.join("empty"), &plan(20)).unwrap());
}

#[test]
fn a_run_that_died_while_it_began_can_begin_again() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join(lock::LOCK_FILE), "1\n").unwrap();
    fs::write(dir.join(EXPERIMENT_FILE), "[ru").unwrap();
    fs::write(dir.join(DATABASE_FILE), "").unwrap();
    assert_snapshot!(told(RunStore::resume(&dir, &plan(20)), &dir), @r#"RUN is not a run: its run.sqlite was not written by a run, or the run died while it began: run the experiment again"#);
    let mut store = RunStore::create(&dir, &plan(20)).unwrap();
    store.commit(ROW, &batch(0..4), SPENT).unwrap();
}

#[test]
fn damage_is_found_and_left_alone() {
    let (_home, dir, mut store) = begun();
    store.commit(ROW, &batch(0..20), SPENT).unwrap();
    drop(store);
    let path = dir.join(DATABASE_FILE);
    let whole = fs::read(&path).unwrap();

    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(4096 * 3)).unwrap();
    file.write_all(&[0x5a; 4096 * 3]).unwrap();
    let messages =
        [told(RunStore::resume(&dir, &plan(20)), &dir), told(RunStore::read(&dir).and_then(|s| s.records(ROW)), &dir)];
    for message in messages {
        assert!(message.starts_with("RUN/run.sqlite is damaged ("), "{message}");
        assert!(message.ends_with("restore the file from a copy, or delete the folder and run again"), "{message}");
    }

    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_snapshot!(told(RunStore::resume(&dir, &plan(20)), &dir), @r#"RUN/run.sqlite is damaged (database disk image is malformed): restore the file from a copy, or delete the folder and run again"#);
    fs::write(&path, "not a database, but long enough to be looked at as if it were one. ".repeat(20)).unwrap();
    assert_snapshot!(told(RunStore::resume(&dir, &plan(20)), &dir), @r#"RUN/run.sqlite is damaged (file is not a database): restore the file from a copy, or delete the folder and run again"#);
    assert_snapshot!(told(RunStore::create(&dir, &plan(20)), &dir), @r#"RUN/run.sqlite is damaged (file is not a database): restore the file from a copy, or delete the folder and run again"#);
}

#[test]
fn damaged_images_and_values_are_found() {
    let (_home, dir, mut store) = begun();
    store.commit(ROW, &batch(0..4), SPENT).unwrap();
    let spoil = |sql: &str| store.database.execute_batch(sql).unwrap();
    let of = |index: usize| {
        format!("WHERE hash = (SELECT image FROM shown WHERE row = 0 AND idx = {index} AND role = 'original')")
    };
    spoil(&format!("UPDATE images SET data = substr(data, 1, 40) {}", of(0)));
    spoil(&format!("UPDATE images SET width = 7 {}", of(1)));
    spoil(&format!("UPDATE images SET encoding = 'gif' {}", of(2)));
    spoil("DELETE FROM shown WHERE idx = 3 AND role = 'final'");
    let messages: Vec<String> = (0..4).map(|i| told(store.images(ROW, i), &dir)).collect();
    assert_snapshot!(messages.join("\n"), @r#"
    RUN/run.sqlite is damaged (unexpected end of file): restore the file from a copy, or delete the folder and run again
    RUN/run.sqlite is damaged (the PNG does not hold 8 × 7 pixels of 1 channels): restore the file from a copy, or delete the folder and run again
    RUN/run.sqlite is damaged ("gif" is no encoding of images): restore the file from a copy, or delete the folder and run again
    RUN/run.sqlite is damaged (sample 3 lacks an image): restore the file from a copy, or delete the folder and run again
    "#);
    store.database.execute_batch("UPDATE samples SET outcome = 'lost' WHERE idx = 1").unwrap();
    assert_snapshot!(told(store.records(ROW), &dir), @r#"RUN/run.sqlite is damaged ("lost" is no outcome): restore the file from a copy, or delete the folder and run again"#);
}

#[test]
fn a_full_disk_costs_the_batch_and_nothing_else() {
    let (_home, dir, mut store) = begun();
    store.commit(ROW, &batch(0..4), SPENT).unwrap();
    let pages: i64 = store.database.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.database.pragma_update(None, "max_page_count", pages).unwrap();
    assert_snapshot!(told(store.commit(ROW, &batch(4..20), SPENT), &dir), @r#"cannot add a batch of samples in RUN/run.sqlite: the disk is full. What was committed before is safe: free some space and resume"#);
    assert_eq!(store.finished(ROW).unwrap(), (0..4).collect());
    store.database.pragma_update(None, "max_page_count", i64::from(i32::MAX)).unwrap();
    store.commit(ROW, &batch(4..20), SPENT).unwrap();
    assert_eq!(store.records(ROW).unwrap().len(), 20);
}

#[test]
fn a_read_only_database_is_named() {
    let (_home, dir, mut store) = begun();
    store.database.pragma_update(None, "query_only", true).unwrap();
    assert_snapshot!(told(store.commit(ROW, &batch(0..1), SPENT), &dir), @r#"cannot add a batch of samples in RUN/run.sqlite: it is read-only or not a folder this user may write to (attempt to write a readonly database)"#);
}
