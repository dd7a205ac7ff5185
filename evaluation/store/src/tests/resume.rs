//! Runs that are resumed: after a kill, by another process, with other settings, after a plugin was mended.

use std::process::Command;

use fmr_core::Outcome;

use super::*;

#[test]
fn a_resumed_run_has_the_rows_of_an_uninterrupted_one() {
    let (_home, whole_dir, mut whole) = begun();
    for row in [ROW, "cifar/resnet"] {
        whole.commit(row, &batch(0..20), SPENT).unwrap();
    }
    drop(whole);

    let (_home, dir, mut store) = begun();
    store.commit(ROW, &batch(3..9), SPENT).unwrap();
    drop(store);
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    assert_eq!(store.finished(ROW).unwrap(), (3..9).collect());
    store.commit("cifar/resnet", &batch(0..20), SPENT).unwrap();
    store.commit(ROW, &batch(9..20), SPENT).unwrap();
    drop(store);
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    store.commit(ROW, &batch(0..3), SPENT).unwrap();
    drop(store);
    let rows = dump(&dir);
    assert!(rows.len() > 150);
    assert_eq!(rows, dump(&whole_dir));
}

#[test]
fn a_process_that_dies_in_a_transaction_leaves_whole_batches() {
    if let Some(dir) = std::env::var_os("FMR_STORE_CHILD") {
        let mut store = RunStore::create(Path::new(&dir), &plan(20)).unwrap();
        store.commit(ROW, &batch(0..4), SPENT).unwrap();
        // So small a cache that rows reach the log before they are committed.
        store.database.pragma_update(None, "cache_size", 1).unwrap();
        let transaction = store.database.transaction().unwrap();
        write::insert(&transaction, 0, &batch(4..20)).unwrap();
        std::process::abort();
    }
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::resume::a_process_that_dies_in_a_transaction_leaves_whole_batches"])
        .env("FMR_STORE_CHILD", &dir)
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
    assert_eq!(RunStore::read(&dir).unwrap().finished(ROW).unwrap(), (0..4).collect());
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    store.commit(ROW, &batch(4..8), SPENT).unwrap();
    assert_eq!(store.records(ROW).unwrap().len(), 8);
}

#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_rows() {
    const NAME: &str = "tests::resume::a_run_killed_at_any_moment_ends_with_the_same_rows";
    if let Some(dir) = std::env::var_os("FMR_STORE_LOOP") {
        let dir = Path::new(&dir);
        let begun = dir.join(DATABASE_FILE).exists().then(|| RunStore::resume(dir, &plan(200)));
        let mut store = match begun {
            Some(Ok(store)) => store,
            None | Some(Err(StoreError::NotARun { .. })) => RunStore::create(dir, &plan(200)).unwrap(),
            Some(Err(error)) => panic!("{error}"),
        };
        let finished = store.finished(ROW).unwrap();
        for index in (0..200).filter(|index| !finished.contains(index)) {
            store.commit(ROW, &[sample(index, 3, 32)], SPENT).unwrap();
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
        println!("READ {}", RunStore::read(dir).unwrap().count(ROW).unwrap());
        return;
    }
    let (_home, dir, mut store) = begun();
    store.commit(ROW, &batch(0..4), SPENT).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::resume::a_second_process_is_refused", "--nocapture"])
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
    RUN cannot be resumed (row "mnist/lenet"): weights:assets/lenet.safetensors was "60303ae22b99" when it began and is "0000" now. Restore it, or begin a new run
    RUN cannot be resumed (row "cifar/resnet"): search was "budget 50, step 0.001, sign" when it began and is absent now. Restore it, or begin a new run
    RUN cannot be resumed (row "cifar/resnet"): oracle was absent when it began and is "clip" now. Restore it, or begin a new run
    RUN cannot be resumed (row "cifar/resnet"): the number of samples was "20" when it began and is "30" now. Restore it, or begin a new run
    RUN cannot be resumed (row "mnist/lenet"): the list of classes was "zero, one, two, three" when it began and is "zero, one, two" now. Restore it, or begin a new run
    RUN cannot be resumed: the list of rows was "mnist/lenet, cifar/resnet" when it began and is "mnist/vgg, cifar/resnet" now. Restore it, or begin a new run
    "#);
    let mut renamed = plan(20);
    renamed.rows[0].title = "LeNet".to_owned();
    renamed.versions.insert("fmr".to_owned(), "0.2.0".to_owned());
    drop(RunStore::resume(&dir, &renamed).unwrap());
    assert_eq!(RunStore::read(&dir).unwrap().plan().versions["fmr"], "0.1.0, then 0.2.0");
}

/// A plan whose first row has a target of a plugin.
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
    store.commit(ROW, &batch(0..6), SPENT).unwrap();
    store.commit(ROW, &unknown(6..8), SPENT).unwrap();
    let before = dump(&dir).len();
    drop(store);
    let mut store = RunStore::resume(&dir, &plan(20)).unwrap();
    // Sample 3 failed on a number that was not finite: that is its outcome.
    assert_eq!(store.finished(ROW).unwrap(), (0..6).collect());
    assert!(dump(&dir).len() < before);
    store.commit(ROW, &batch(6..20), SPENT).unwrap();
    let (_home, whole_dir, mut whole) = begun();
    whole.commit(ROW, &batch(0..20), SPENT).unwrap();
    assert_eq!(dump(&dir), dump(&whole_dir));
    assert_eq!(store.replaced_plugins(ROW).unwrap(), []);
}

#[test]
fn a_plugin_that_failed_may_be_replaced_and_another_may_not() {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    let mut store = RunStore::create(&dir, &plan_with_plugin("sha256:old")).unwrap();
    store.commit(ROW, &batch(0..6), SPENT).unwrap();
    drop(store);
    assert_snapshot!(told(RunStore::resume(&dir, &plan_with_plugin("sha256:new")), &dir), @r#"RUN cannot be resumed (row "mnist/lenet"): target.plugin was "sha256:old" when it began and is "sha256:new" now, though no sample failed on it. Restore that file; or, if it was mended, resume with --mended: what the old file finished stays, and the report says so"#);
    // A user who knows better may resume; a plugin in a built-in component's place makes a different run, mended or not.
    assert!(RunStore::resume_mended(&dir, &plan(20)).is_err());
    let mut store = RunStore::resume_mended(&dir, &plan_with_plugin("sha256:new")).unwrap();
    let kept = |then: &str, now: &str, kept| {
        let [field, then, now] = ["target.plugin", then, now].map(str::to_owned);
        ReplacedPlugin { field, then, now, kept }
    };
    // Sample 3 failed on a number that was not finite, which the old file may have made.
    assert_eq!(store.finished(ROW).unwrap(), [0, 1, 2, 4, 5].into());
    assert_eq!(store.replaced_plugins(ROW).unwrap(), [kept("sha256:old", "sha256:new", 5)]);

    store.commit(ROW, &unknown(6..9), SPENT).unwrap();
    drop(store);
    let store = RunStore::resume(&dir, &plan_with_plugin("sha256:newest")).unwrap();
    let both = [kept("sha256:old", "sha256:new", 5), kept("sha256:new", "sha256:newest", 5)];
    assert_eq!(store.replaced_plugins(ROW).unwrap(), both);
    assert_eq!(store.plan(), RunStore::read(&dir).unwrap().plan());
    drop(store);
    drop(RunStore::resume(&dir, &plan_with_plugin("sha256:newest")).unwrap());
    assert_eq!(RunStore::read(&dir).unwrap().replaced_plugins(ROW).unwrap(), both);
}
