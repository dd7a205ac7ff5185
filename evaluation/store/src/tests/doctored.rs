//! Databases that someone changed: whatever is in them, there is an error or a result, no panic and no endless loop.

use proptest::prelude::*;

use super::*;

/// Reads everything that there is to read.
fn read_all(dir: &Path) -> Result<(), StoreError> {
    let store = RunStore::read(dir)?;
    let results = store.results()?;
    store.judges()?;
    let out = TempDir::new().unwrap();
    store.export_tables(&results, out.path())?;
    for row in &store.plan().rows {
        store.count(&row.id)?;
        for index in 0..4 {
            store.images(&row.id, index)?;
            store.latent(&row.id, index)?;
        }
        store.answer(&row.target(), &row.classes, &store.shown(&row.id, 0)?.original.judged)?;
    }
    Ok(())
}

fn small() -> (TempDir, PathBuf) {
    let home = TempDir::new().unwrap();
    let dir = home.path().join("run");
    let keep = Keep { latents: true, ..Keep::default() };
    let mut store = RunStore::create_keeping(&dir, &plan(8), keep).unwrap();
    for row in [ROW, "cifar/resnet"] {
        store.commit(row, &batch(0..8), SPENT).unwrap();
    }
    drop(store);
    read_all(&dir).unwrap();
    (home, dir)
}

fn doctor(dir: &Path, sql: &str) {
    let database = Connection::open(dir.join(DATABASE_FILE)).unwrap();
    database.execute_batch(sql).unwrap();
}

#[test]
fn values_that_no_run_writes_are_errors() {
    for (sql, part) in [
        ("UPDATE samples SET idx = -1 WHERE idx = 0", "out of range"),
        ("UPDATE samples SET idx = 99 WHERE idx = 7", "sample 7 without a sample"),
        ("UPDATE samples SET label = 4 WHERE idx = 0", "is of class 4, there are 4"),
        ("UPDATE samples SET label = 9223372036854775807", "is of class"),
        ("UPDATE samples SET ended_at = 1000000000000 WHERE idx = 2", "has an update 1000000000000"),
        ("UPDATE steps SET t = 1000000000000 WHERE idx = 2 AND position = 1", "has an update 1000000000000"),
        ("UPDATE samples SET accepted_updates = 1000000000000", "more were accepted"),
        ("UPDATE samples SET final_from = 1000000000000", "more were accepted"),
        ("UPDATE samples SET score0 = 'high'", "Invalid column type Text"),
        ("UPDATE samples SET score0 = x'00'", "could not convert slice to array"),
        ("UPDATE samples SET cached = 'perhaps'; UPDATE samples SET outcome = 'perhaps'", "\"perhaps\" is no outcome"),
        ("UPDATE rows SET samples = -5", "out of range"),
        ("UPDATE rows SET samples = 2", "is not among the plan's 2"),
        ("UPDATE rows SET classes = 77", "a row without a list of classes"),
        ("UPDATE class_lists SET names = '[1, 2]'", "a list of classes"),
        ("UPDATE rows SET row = 5 WHERE row = 1", "a row 5 after 1 rows"),
        ("UPDATE facts SET facts = '{\"seconds\": -1.0}'", "a time that is none"),
        ("UPDATE facts SET facts = '{\"second\": 1.0}'", "unknown field"),
        ("UPDATE facts SET facts = '{\"logits\": {\"rows\": 1, \"like-probabilities\": 2}}'", "more of a kind"),
        ("UPDATE run SET value = 'perhaps' WHERE key = 'latents'", "latents is \"perhaps\""),
        ("DELETE FROM run", "does not say part"),
        ("UPDATE judges SET role = 'jury' WHERE id = 1", "\"jury\" is no judge's role"),
        ("UPDATE shown SET logits = x'0102'", "a vector of 2 bytes"),
        ("UPDATE shown SET image = x'00'", "could not convert slice to array"),
        ("DELETE FROM shown WHERE role = 'original'", "lacks an image"),
        ("DELETE FROM images", "it lacks the image"),
        ("UPDATE images SET width = 1000000, height = 1000000", "an image of 1 × 1000000 × 1000000 values"),
        ("UPDATE images SET width = 0, height = 0", "an image of 1 × 0 × 0 values"),
        ("UPDATE images SET height = 4611686018427387904, width = 4", "an image of"),
        ("UPDATE images SET encoding = 'f32-zlib'", "corrupt deflate stream"),
        ("UPDATE images SET data = (SELECT max(data) FROM images)", "other pixels than its name says"),
        ("UPDATE images SET data = zeroblob(50000000)", ""),
    ] {
        let (_home, dir) = small();
        doctor(&dir, sql);
        let error = read_all(&dir).expect_err(sql);
        let text = error.to_string();
        assert!(matches!(error, StoreError::Damaged { .. }) && text.contains(part), "{sql}: {text}");
        assert!(text.len() < 1000, "{sql}: {} bytes of text", text.len());
    }
}

#[test]
fn tables_that_no_run_makes_are_errors() {
    let endless = "DROP TABLE samples; CREATE VIEW samples AS WITH RECURSIVE n(i) AS
        (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT 0 AS row, i AS idx FROM n";
    for (sql, part) in [
        ("DROP TABLE steps", "it has no \"steps\""),
        ("DROP INDEX shown_judged", "it has no \"shown_judged\""),
        (endless, "its \"samples\" is not as a run makes it"),
        ("CREATE TRIGGER t AFTER INSERT ON samples BEGIN DELETE FROM samples; END", "it holds \"t\""),
        ("ALTER TABLE samples ADD COLUMN more TEXT", "its \"samples\" is not as a run makes it"),
    ] {
        let (_home, dir) = small();
        doctor(&dir, sql);
        for result in [read_all(&dir), RunStore::resume(&dir, &plan(8)).map(|_| ())] {
            let text = told(result, &dir);
            assert!(text.starts_with("RUN/run.sqlite is damaged (") && text.contains(part), "{sql}: {text}");
        }
    }
}

#[test]
fn an_earlier_layout_is_named_with_the_version_that_reads_it() {
    let (_home, dir) = small();
    doctor(&dir, "PRAGMA user_version = 2");
    assert_snapshot!(told(RunStore::read(&dir), &dir), @"RUN/run.sqlite has layout 2, which fmr 0.1.0 reads, and this version reads layout 4 alone: open the run with that version, or run its experiment.toml again in a new folder");
    doctor(&dir, "PRAGMA user_version = 9");
    assert_snapshot!(told(RunStore::resume(&dir, &plan(8)), &dir), @"RUN/run.sqlite has layout 9, which a later version of fmr reads, and this version reads layout 4 alone: open the run with that version, or run its experiment.toml again in a new folder");
}

#[test]
fn what_a_png_says_of_itself_does_not_fill_the_memory() {
    let (_home, dir) = small();
    let database = Connection::open(dir.join(DATABASE_FILE)).unwrap();
    // 8000 × 8000 white pixels in a few kilobytes, where the row says 8 × 8.
    let bomb = fmr_data::pixels::png(Array3::ones((1, 8000, 8000)).view()).unwrap();
    database.execute("UPDATE images SET data = ?", [bomb]).unwrap();
    let text = told(RunStore::read(&dir).unwrap().images(ROW, 0), &dir);
    assert!(text.contains("the PNG does not hold 8 × 8 pixels"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever bytes of the file are changed, reading and resuming end, with an error or without.
    #[test]
    fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24)) {
        let (_home, dir) = small();
        let path = dir.join(DATABASE_FILE);
        let mut bytes = fs::read(&path).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        fs::write(&path, bytes).unwrap();
        let _ = read_all(&dir);
        let _ = RunStore::resume(&dir, &plan(8)).and_then(|store| store.results());
    }

    /// Pages in each other's place, as a tree that leads back to itself has them.
    #[test]
    fn exchanged_pages_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4)) {
        let (_home, dir) = small();
        let path = dir.join(DATABASE_FILE);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let pages = whole.len() / 4096;
        for (to, from) in changes {
            let (to, from) = (1 + to.index(pages - 1), from.index(pages));
            bytes[to * 4096..(to + 1) * 4096].copy_from_slice(&whole[from * 4096..(from + 1) * 4096]);
        }
        fs::write(&path, bytes).unwrap();
        let _ = read_all(&dir);
        let _ = RunStore::resume(&dir, &plan(8)).and_then(|store| store.results());
    }
}
