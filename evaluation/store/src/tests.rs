#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::process::Command;

use fmr_core::Outcome;
use insta::assert_snapshot;
use ndarray::Array3;
use tempfile::TempDir;

use super::toy::{batch, plan, sample};
use super::*;

const CELL: &str = "mnist/lenet";

fn begun() -> (TempDir, PathBuf, RunStore) {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    let store = RunStore::create(&dir, &plan(20)).unwrap();
    (home, dir, store)
}

/// The text of an error, with the folder as RUN.
fn told<T>(result: Result<T, StoreError>, dir: &Path) -> String {
    let Err(error) = result else { panic!("there is no error") };
    error.to_string().replace(&dir.display().to_string(), "RUN")
}

/// All rows of the tables that a resume must reproduce.
fn dump(dir: &Path) -> Vec<String> {
    let database = Connection::open(dir.join(DATABASE_FILE)).unwrap();
    let mut rows = Vec::new();
    for table in ["samples", "steps", "images"] {
        let keys = if table == "steps" { "cell, idx, position" } else { "cell, idx" };
        let mut statement = database.prepare(&format!("SELECT * FROM {table} ORDER BY {keys}")).unwrap();
        let columns = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            rows.push((0..columns).map(|c| format!("{:?}|", row.get_ref(c).unwrap())).collect());
        }
    }
    rows
}

#[test]
fn records_come_back_bit_by_bit() {
    let (_home, dir, mut store) = begun();
    let mut samples = batch(0..8);
    let awkward = &mut samples[5].record;
    awkward.score0 = f64::from_bits(0x7ff8_0000_0000_0123);
    awkward.final_score = f64::NEG_INFINITY;
    awkward.latent_moved = -0.0;
    awkward.clean_oracle = None;
    awkward.steps[0].oracle_true = Some(f32::from_bits(0x7fc0_0007));
    awkward.steps[1].oracle_true = Some(-0.0);
    awkward.steps[2].oracle_true = Some(0.1);
    awkward.steps[2].score = f64::MIN_POSITIVE / 3.0;
    awkward.steps[3].gradient_norm = f64::INFINITY;
    samples.reverse();
    store.commit(CELL, &samples).unwrap();
    samples.reverse();
    drop(store);

    let store = RunStore::read(&dir).unwrap();
    let records = store.records(CELL).unwrap();
    // `Debug` tells −0.0 from 0.0 and prints floats so that they can be read back; NaN's bits are compared beside it.
    let expected: Vec<_> = samples.iter().map(|s| format!("{:?}", s.record)).collect();
    assert_eq!(records.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>(), expected);
    assert_eq!(records[5].score0.to_bits(), 0x7ff8_0000_0000_0123);
    assert_eq!(records[5].steps[0].oracle_true.unwrap().to_bits(), 0x7fc0_0007);
    assert_eq!(store.count(CELL).unwrap(), 8);
    assert!(store.records("cifar/resnet").unwrap().is_empty());
}

#[test]
fn images_come_back() {
    let (_home, dir, mut store) = begun();
    let odd = Perturbed { original: Array3::from_elem((2, 3, 5), 0.123), ..sample(1, 3, 8) };
    store.commit(CELL, &[sample(0, 1, 8), odd.clone()]).unwrap();
    let rounded = |image: &Array3<f32>| image.mapv(|v| (v * 255.0).round() / 255.0);
    let grey = store.images(CELL, 0).unwrap();
    assert_eq!(grey.original, rounded(&sample(0, 1, 8).original));
    assert_eq!(grey.final_image, sample(0, 1, 8).final_image, "finals are exact");
    let colour = store.images(CELL, 1).unwrap();
    assert_eq!(colour.original, odd.original, "what is no PNG is exact");
    assert_eq!(colour.reconstruction, rounded(&odd.reconstruction));
    assert_snapshot!(told(store.images(CELL, 2), &dir), @r#"sample 2 of cell "mnist/lenet" in RUN is not finished, so it has no images"#);
}

#[test]
fn finals_may_be_rounded() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    drop(RunStore::create_keeping(&dir, &plan(20), KeepImages { exact_finals: false }).unwrap());
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    store.commit(CELL, &[sample(0, 3, 8)]).unwrap();
    let wanted = sample(0, 3, 8).final_image.mapv(|v| (v * 255.0).round() / 255.0);
    assert_eq!(store.images(CELL, 0).unwrap().final_image, wanted);
}

#[test]
fn the_plan_and_notes_come_back() {
    let (_home, dir, mut store) = begun();
    store.note(CELL, "wall", &serde_json::json!(1.5)).unwrap();
    store.note(CELL, "wall", &serde_json::json!({ "seconds": 2.5 })).unwrap();
    let reader = RunStore::read(&dir).unwrap();
    assert_eq!(reader.plan(), &plan(20));
    assert_eq!(reader.notes(CELL).unwrap().len(), 1);
    assert_eq!(reader.noted(CELL, "wall").unwrap(), Some(serde_json::json!({ "seconds": 2.5 })));
    assert_eq!(reader.noted(CELL, "absent").unwrap(), None);
    assert_eq!(fs::read_to_string(dir.join(EXPERIMENT_FILE)).unwrap(), plan(20).experiment);
}

#[test]
fn a_resumed_run_has_the_rows_of_an_uninterrupted_one() {
    let (_home, whole_dir, mut whole) = begun();
    for cell in [CELL, "cifar/resnet"] {
        whole.commit(cell, &batch(0..20)).unwrap();
    }
    drop(whole);

    let (_home, dir, mut store) = begun();
    store.commit(CELL, &batch(3..9)).unwrap();
    drop(store);
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    assert_eq!(store.finished(CELL).unwrap(), (3..9).collect());
    store.commit("cifar/resnet", &batch(0..20)).unwrap();
    store.commit(CELL, &batch(9..20)).unwrap();
    drop(store);
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    store.commit(CELL, &batch(0..3)).unwrap();
    drop(store);
    let rows = dump(&dir);
    assert!(rows.len() > 150);
    assert_eq!(rows, dump(&whole_dir));
}

#[test]
fn a_batch_is_added_whole_or_not_at_all() {
    let (_home, dir, mut store) = begun();
    store.commit(CELL, &batch(0..4)).unwrap();
    let mut overlapping = batch(4..6);
    overlapping.push(sample(2, 1, 8));
    assert_snapshot!(told(store.commit(CELL, &overlapping), &dir), @r#"sample 2 of cell "mnist/lenet" in RUN cannot be added: it is there already"#);
    assert_snapshot!(told(store.commit(CELL, &batch(18..21)), &dir), @r#"sample 20 of cell "mnist/lenet" in RUN cannot be added: the plan holds 20 samples"#);
    assert_snapshot!(told(store.commit("mnist/vgg", &batch(5..6)), &dir), @r#"RUN has no cell "mnist/vgg": its cells are mnist/lenet, cifar/resnet"#);
    assert_eq!(store.finished(CELL).unwrap(), (0..4).collect());
}

#[test]
fn a_process_that_dies_in_a_transaction_leaves_whole_batches() {
    if let Some(dir) = std::env::var_os("FMR_STORE_CHILD") {
        let mut store = RunStore::create(Path::new(&dir), &plan(20)).unwrap();
        store.commit(CELL, &batch(0..4)).unwrap();
        // So small a cache that rows reach the log before they are committed.
        store.database.pragma_update(None, "cache_size", 1).unwrap();
        let transaction = store.database.transaction().unwrap();
        rows::insert(&transaction, CELL, &batch(4..20)).unwrap();
        std::process::abort();
    }
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::a_process_that_dies_in_a_transaction_leaves_whole_batches"])
        .env("FMR_STORE_CHILD", &dir)
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
    assert_eq!(RunStore::read(&dir).unwrap().finished(CELL).unwrap(), (0..4).collect());
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    store.commit(CELL, &batch(4..8)).unwrap();
    assert_eq!(store.records(CELL).unwrap().len(), 8);
}

#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_rows() {
    const NAME: &str = "tests::a_run_killed_at_any_moment_ends_with_the_same_rows";
    if let Some(dir) = std::env::var_os("FMR_STORE_LOOP") {
        let dir = Path::new(&dir);
        let begun = dir.join(DATABASE_FILE).exists().then(|| RunStore::resume(dir, &plan(200)));
        let mut store = match begun {
            Some(Ok(store)) => store,
            None | Some(Err(StoreError::NotARun { .. })) => RunStore::create(dir, &plan(200)).unwrap(),
            Some(Err(error)) => panic!("{error}"),
        };
        let finished = store.finished(CELL).unwrap();
        for index in (0..200).filter(|index| !finished.contains(index)) {
            store.commit(CELL, &[sample(index, 3, 32)]).unwrap();
        }
        return;
    }
    let home = TempDir::new().unwrap();
    let run = |dir: &Path| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", NAME]).env("FMR_STORE_LOOP", dir).stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let (whole, killed) = (home.path().join("whole"), home.path().join("killed"));
    assert!(run(&whole).wait().unwrap().success());
    for pause in [4, 9, 13, 21, 34, 42] {
        let mut child = run(&killed);
        std::thread::sleep(std::time::Duration::from_millis(pause));
        // May have ended already; then there was nothing to kill.
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(run(&killed).wait().unwrap().success());
    assert_eq!(dump(&killed), dump(&whole));
}

#[test]
fn a_second_process_is_refused() {
    if let Some(dir) = std::env::var_os("FMR_STORE_SECOND") {
        let dir = Path::new(&dir);
        println!("RESUME {}", told(RunStore::resume(dir, &plan(20)), dir));
        println!("CREATE {}", told(RunStore::create(dir, &plan(20)), dir));
        println!("READ {}", RunStore::read(dir).unwrap().count(CELL).unwrap());
        return;
    }
    let (_home, dir, mut store) = begun();
    store.commit(CELL, &batch(0..4)).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::a_second_process_is_refused", "--nocapture"])
        .env("FMR_STORE_SECOND", &dir)
        .output()
        .unwrap();
    let text =
        String::from_utf8(output.stdout).unwrap().replace(&format!("process {}", std::process::id()), "process N");
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|l| ["RESUME", "CREATE", "READ"].iter().find_map(|w| l.find(w).map(|at| &l[at..])))
        .collect();
    assert_snapshot!(lines.join("\n"), @r#"
    RESUME RUN is being written by process N: wait until it ends, or stop it
    CREATE RUN is being written by process N: wait until it ends, or stop it
    READ 4
    "#);
    drop(store);
    RunStore::resume(&dir, &plan(20)).unwrap();
}

#[test]
fn another_fingerprint_is_refused() {
    let (_home, dir, store) = begun();
    drop(store);
    let refused = |change: &dyn Fn(&mut RunPlan)| {
        let mut now = plan(20);
        change(&mut now);
        told(RunStore::resume(&dir, &now), &dir)
    };
    let weights = "weights:assets/lenet.safetensors";
    let messages = [
        refused(&|p| *p.rows[0].fingerprint.get_mut(weights).unwrap() = "0000".to_owned()),
        refused(&|p| _ = p.rows[1].fingerprint.remove("search")),
        refused(&|p| _ = p.rows[1].fingerprint.insert("oracle".to_owned(), "clip".to_owned())),
        refused(&|p| p.rows[1].samples = 30),
        refused(&|p| _ = p.rows[0].classes.pop()),
        refused(&|p| p.rows[0].id = "mnist/vgg".to_owned()),
    ];
    assert_snapshot!(messages.join("\n"), @r#"
    RUN cannot be resumed (cell "mnist/lenet"): weights:assets/lenet.safetensors was "60303ae22b99" when it began and is "0000" now. Restore it, or begin a new run
    RUN cannot be resumed (cell "cifar/resnet"): search was "budget 50, step 0.001, sign" when it began and is absent now. Restore it, or begin a new run
    RUN cannot be resumed (cell "cifar/resnet"): oracle was absent when it began and is "clip" now. Restore it, or begin a new run
    RUN cannot be resumed (cell "cifar/resnet"): the number of samples was "20" when it began and is "30" now. Restore it, or begin a new run
    RUN cannot be resumed (cell "mnist/lenet"): the list of classes was "zero, one, two, three" when it began and is "zero, one, two" now. Restore it, or begin a new run
    RUN cannot be resumed: the list of cells was "mnist/lenet, cifar/resnet" when it began and is "mnist/vgg, cifar/resnet" now. Restore it, or begin a new run
    "#);
    let mut renamed = plan(20);
    renamed.rows[0].title = "LeNet".to_owned();
    renamed.versions.insert("fmr".to_owned(), "0.2.0".to_owned());
    drop(RunStore::resume(&dir, &renamed).unwrap());
    assert_eq!(RunStore::read(&dir).unwrap().plan().versions["fmr"], "0.1.0, then 0.2.0");
}

/// A plan whose first cell has a target of a plugin.
fn plan_with_plugin(hash: &str) -> RunPlan {
    let mut plan = plan(20);
    plan.rows[0].fingerprint.insert("target.plugin".to_owned(), hash.to_owned());
    plan
}

/// Samples on which a component failed.
fn unknown(range: std::ops::Range<usize>) -> Vec<Perturbed> {
    let mut samples = batch(range);
    for sample in &mut samples {
        sample.record.outcome = Outcome::ComponentFailed;
        assert!(sample.record.component_failed());
    }
    samples
}

#[test]
fn samples_that_a_component_failed_on_are_done_again() {
    let (_home, dir, mut store) = begun();
    store.commit(CELL, &batch(0..6)).unwrap();
    store.commit(CELL, &unknown(6..8)).unwrap();
    let before = dump(&dir).len();
    drop(store);
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    // Sample 3 failed on a number that was not finite: that is its outcome.
    assert_eq!(store.finished(CELL).unwrap(), (0..6).collect());
    assert!(dump(&dir).len() < before);
    store.commit(CELL, &batch(6..20)).unwrap();
    let (_home, whole_dir, mut whole) = begun();
    whole.commit(CELL, &batch(0..20)).unwrap();
    assert_eq!(dump(&dir), dump(&whole_dir));
    assert_eq!(store.replaced_plugins(CELL).unwrap(), []);
}

#[test]
fn a_plugin_that_failed_may_be_replaced_and_another_may_not() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    let mut store = RunStore::create(&dir, &plan_with_plugin("sha256:old")).unwrap();
    store.commit(CELL, &batch(0..6)).unwrap();
    drop(store);
    assert_snapshot!(told(RunStore::resume(&dir, &plan_with_plugin("sha256:new")), &dir), @r#"RUN cannot be resumed (cell "mnist/lenet"): target.plugin was "sha256:old" when it began and is "sha256:new" now, though no sample failed on it. Restore that file; or, if it was mended, resume with --mended: what the old file finished stays, and the report says so"#);
    // A user who knows better may go on; a plugin in a built-in component's place is another run, mended or not.
    assert!(RunStore::resume_mended(&dir, &plan(20)).is_err());
    let mut store = RunStore::resume_mended(&dir, &plan_with_plugin("sha256:new")).unwrap();
    let kept = |then: &str, now: &str, kept| {
        let [field, then, now] = ["target.plugin", then, now].map(str::to_owned);
        ReplacedPlugin { field, then, now, kept }
    };
    // Sample 3 failed on a number that was not finite, which the old file may have made.
    assert_eq!(store.finished(CELL).unwrap(), [0, 1, 2, 4, 5].into());
    assert_eq!(store.replaced_plugins(CELL).unwrap(), [kept("sha256:old", "sha256:new", 5)]);

    store.commit(CELL, &unknown(6..9)).unwrap();
    drop(store);
    let store = RunStore::resume(&dir, &plan_with_plugin("sha256:newest")).unwrap();
    let both = [kept("sha256:old", "sha256:new", 5), kept("sha256:new", "sha256:newest", 5)];
    assert_eq!(store.replaced_plugins(CELL).unwrap(), both);
    assert_eq!(store.plan(), RunStore::read(&dir).unwrap().plan());
    drop(store);
    drop(RunStore::resume(&dir, &plan_with_plugin("sha256:newest")).unwrap());
    assert_eq!(RunStore::read(&dir).unwrap().replaced_plugins(CELL).unwrap(), both);
}

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
        told(RunStore::read(&dir).unwrap().commit(CELL, &batch(0..1)), &dir),
    ];
    assert_snapshot!(messages.join("\n"), @r#"
    HOME/absent is not a run: there is no such folder; `fmr run EXPERIMENT.toml` begins a run
    HOME/empty is not a run: it holds no run.sqlite; give the folder that a run was written to
    HOME/file is not a run: it is a file; give the folder that a run was written to
    HOME/other is not a run: its run.sqlite was not written by a run, or the run died while it began: run the experiment again
    RUN already holds a run.sqlite: resume that run, or choose another folder
    HOME/full holds other files (thesis.tex): choose a new or empty folder
    cannot make the folder in HOME/file: it is read-only or not a folder this user may write to (not a directory)
    cannot make the folder in HOME/file/run: it is read-only or not a folder this user may write to (Not a directory (os error 20))
    HOME/other already holds a run.sqlite: resume that run, or choose another folder
    the plan of HOME/new cannot be kept: the cells "mnist/lenet" and "mnist-LeNet" would share the file name "mnist-LeNet"
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
    store.commit(CELL, &batch(0..4)).unwrap();
}

#[test]
fn damage_is_found_and_left_alone() {
    let (_home, dir, mut store) = begun();
    store.commit(CELL, &batch(0..20)).unwrap();
    drop(store);
    let path = dir.join(DATABASE_FILE);
    let whole = fs::read(&path).unwrap();

    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(4096 * 3)).unwrap();
    file.write_all(&[0x5a; 4096 * 3]).unwrap();
    let messages =
        [told(RunStore::resume(&dir, &plan(20)), &dir), told(RunStore::read(&dir).and_then(|s| s.records(CELL)), &dir)];
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
    store.commit(CELL, &batch(0..4)).unwrap();
    let spoil = |sql: &str| store.database.execute_batch(sql).unwrap();
    spoil("UPDATE images SET data = substr(data, 1, 40) WHERE idx = 0");
    spoil("UPDATE images SET width = 7 WHERE idx = 1");
    spoil("UPDATE images SET encoding = 'gif' WHERE idx = 2");
    spoil("DELETE FROM images WHERE idx = 3 AND role = 'final'");
    let messages: Vec<String> = (0..4).map(|i| told(store.images(CELL, i), &dir)).collect();
    assert_snapshot!(messages.join("\n"), @r#"
    RUN/run.sqlite is damaged (unexpected end of file): restore the file from a copy, or delete the folder and run again
    RUN/run.sqlite is damaged (the PNG does not hold 8 × 7 pixels of 1 channels): restore the file from a copy, or delete the folder and run again
    RUN/run.sqlite is damaged ("gif" is no encoding of images): restore the file from a copy, or delete the folder and run again
    RUN/run.sqlite is damaged (sample 3 lacks an image): restore the file from a copy, or delete the folder and run again
    "#);
    store.database.execute_batch("UPDATE samples SET outcome = 'lost' WHERE idx = 1").unwrap();
    assert_snapshot!(told(store.records(CELL), &dir), @r#"RUN/run.sqlite is damaged ("lost" is no outcome): restore the file from a copy, or delete the folder and run again"#);
}

#[test]
fn a_full_disk_costs_the_batch_and_nothing_else() {
    let (_home, dir, mut store) = begun();
    store.commit(CELL, &batch(0..4)).unwrap();
    let pages: i64 = store.database.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.database.pragma_update(None, "max_page_count", pages + 2).unwrap();
    assert_snapshot!(told(store.commit(CELL, &batch(4..20)), &dir), @r#"cannot add a batch of samples in RUN/run.sqlite: the disk is full. What was committed before is safe: free some space and resume"#);
    assert_eq!(store.finished(CELL).unwrap(), (0..4).collect());
    store.database.pragma_update(None, "max_page_count", i64::from(i32::MAX)).unwrap();
    store.commit(CELL, &batch(4..20)).unwrap();
    assert_eq!(store.records(CELL).unwrap().len(), 20);
}

#[test]
fn a_read_only_database_is_named() {
    let (_home, dir, mut store) = begun();
    store.database.pragma_update(None, "query_only", true).unwrap();
    assert_snapshot!(told(store.commit(CELL, &batch(0..1)), &dir), @r#"cannot add a batch of samples in RUN/run.sqlite: it is read-only or not a folder this user may write to (attempt to write a readonly database)"#);
}

#[test]
fn a_reader_sees_what_is_committed_while_another_writes() {
    let (_home, dir, mut store) = begun();
    let reader = RunStore::read(&dir).unwrap();
    store.commit(CELL, &batch(0..4)).unwrap();
    assert_eq!(reader.records(CELL).unwrap().len(), 4);
    let transaction = store.database.transaction().unwrap();
    rows::insert(&transaction, CELL, &batch(4..8)).unwrap();
    assert_eq!(reader.count(CELL).unwrap(), 4);
    transaction.commit().unwrap();
    assert_eq!(reader.count(CELL).unwrap(), 8);
}
