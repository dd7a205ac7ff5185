#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use insta::assert_snapshot;
use tempfile::TempDir;

use super::toy::{batch, plan, sample};
use super::{ComponentNames, RunStore};

const ROW: &str = "mnist/lenet";

fn exported() -> (TempDir, PathBuf, RunStore) {
    let home = TempDir::new().unwrap();
    let mut store = RunStore::create(&home.path().join("run"), &plan(12)).unwrap();
    let mut samples = batch(0..7);
    samples[3].record.final_score = f64::NAN;
    samples[3].record.final_prediction = None;
    samples[2].record.key = "a key, with \"quotes\"".to_owned();
    store.commit(ROW, &samples, Duration::ZERO).unwrap();
    let folder = home.path().join("export");
    let files = store.export_tables(&store.results().unwrap(), &folder).unwrap();
    let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["samples.jsonl", "samples.csv", "steps.csv"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "no partial file stays");
    (home, folder, store)
}

fn lines(path: &Path, range: std::ops::Range<usize>) -> String {
    fs::read_to_string(path).unwrap().lines().skip(range.start).take(range.len()).collect::<Vec<_>>().join("\n")
}

#[test]
fn tables_for_other_programs() {
    let (_home, folder, store) = exported();
    assert_snapshot!(lines(&folder.join("samples.csv"), 0..6), @r#"
    row,index,key,label,class,clean_prediction,clean_oracle,reconstruction_prediction,reconstruction_oracle,reconstruction_accepted,score0,final_score,final_prediction,final_prediction_class,final_oracle,final_oracle_class,outcome,ended_at,accepted_updates,final_from,finished,latent_moved,moved_spreads,error
    mnist/lenet,0,test/00000,0,zero,0,0,0,1,false,0.1,0.1,0,zero,0,zero,reconstruction rejected,0,0,,,0.0,,
    mnist/lenet,1,test/00001,1,one,1,1,1,1,true,0.11,0.41000000000000003,1,one,1,one,stopped later,2,1,1,,0.001,,
    mnist/lenet,2,"a key, with ""quotes""",2,two,2,2,2,2,true,0.12000000000000001,0.72,1,one,2,two,stopped later,3,2,2,true,0.002,,
    mnist/lenet,3,test/00003,3,three,3,3,3,3,true,0.13,NaN,,,3,three,failed,5,4,4,,0.004,,the gradient is not finite
    mnist/lenet,4,test/00004,0,zero,0,0,0,0,true,0.14,1.6500000000000001,2,two,0,zero,budget exhausted,5,5,5,,0.005,,
    "#);
    assert_snapshot!(lines(&folder.join("steps.csv"), 0..4), @r#"
    row,index,key,t,score,gradient_norm,oracle_true,oracle_class,prediction,accepted
    mnist/lenet,1,test/00001,1,0.42000000000000004,0.3333333333333333,0.83,1,1,true
    mnist/lenet,1,test/00001,2,0.73,0.16666666666666666,0.76,3,1,false
    mnist/lenet,2,"a key, with ""quotes""",1,0.43000000000000005,0.3333333333333333,0.83,2,2,true
    "#);
    assert_snapshot!(lines(&folder.join("samples.jsonl"), 1..2), @r#"{"row":"mnist/lenet","index":1,"key":"test/00001","label":1,"class":"one","clean_prediction":1,"clean_oracle":1,"reconstruction_prediction":1,"reconstruction_oracle":1,"reconstruction_accepted":true,"score0":0.11,"final_score":0.41000000000000003,"final_prediction":1,"final_prediction_class":"one","final_oracle":1,"final_oracle_class":"one","outcome":"stopped later","ended_at":2,"accepted_updates":1,"final_from":1,"finished":null,"latent_moved":0.001,"moved_spreads":null,"error":null,"steps":[{"t":1,"score":0.42000000000000004,"gradient_norm":0.3333333333333333,"oracle_true":0.83,"oracle_class":1,"prediction":1,"accepted":true},{"t":2,"score":0.73,"gradient_norm":0.16666666666666666,"oracle_true":0.76,"oracle_class":3,"prediction":1,"accepted":false}]}"#);
    let records = store.records(ROW).unwrap();
    let steps: usize = records.iter().map(|r| r.steps.len()).sum();
    assert_eq!(fs::read_to_string(folder.join("steps.csv")).unwrap().lines().count(), 1 + steps);
    for (line, record) in fs::read_to_string(folder.join("samples.jsonl")).unwrap().lines().zip(&records) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["key"], record.key);
        assert_eq!(value["steps"].as_array().unwrap().len(), record.steps.len());
        assert_eq!(value["final_score"].as_f64(), record.final_score.is_finite().then_some(record.final_score));
        assert_eq!(value["final_prediction"].is_null(), record.final_prediction.is_none());
    }
}

#[test]
fn images_by_class_with_a_manifest() {
    let home = TempDir::new().unwrap();
    let mut twins = plan(12);
    twins.rows[0].classes[3] = "One".to_owned();
    twins.rows[0].classes[2] = "a/b".to_owned();
    let mut store = RunStore::create(&home.path().join("run"), &twins).unwrap();
    store.commit(ROW, &(0..9).map(|i| sample(i, 3, 8)).collect::<Vec<_>>(), Duration::ZERO).unwrap();
    let components = ComponentNames { target: "lenet".to_owned(), ..ComponentNames::default() };
    store.update_facts(ROW, |facts| facts.components = Some(components)).unwrap();
    let folders = store.export_images(&store.results().unwrap(), &home.path().join("images")).unwrap();
    assert_eq!(folders.len(), 2);
    assert_snapshot!(lines(&folders[0].join("manifest.csv"), 0..20), @r#"
    file,key,label,class,target,generator,oracle,outcome,accepted_updates,target_class,oracle_class
    one-1/test-00001.png,test/00001,1,one,lenet,,,stopped later,1,one,one
    a-b-c14cddc0/test-00002.png,test/00002,2,a/b,lenet,,,stopped later,2,one,a/b
    zero/test-00004.png,test/00004,0,zero,lenet,,,budget exhausted,5,a/b,zero
    one-1/test-00005.png,test/00005,1,one,lenet,,,budget exhausted,5,zero,one
    One-3/test-00007.png,test/00007,3,One,lenet,,,stopped later,3,One,One
    zero/test-00008.png,test/00008,0,zero,lenet,,,stopped at step 1,0,zero,zero
    "#);
    let file = image::open(folders[0].join("One-3/test-00007.png")).unwrap().to_rgb8();
    let image = store.images(ROW, 7).unwrap().final_image;
    assert!(
        file.enumerate_pixels()
            .all(|(x, y, p)| { (0..3).all(|c| p[c] == (image[[c, y as usize, x as usize]] * 255.0).round() as u8) })
    );
}

#[test]
fn an_export_removes_what_an_earlier_one_listed() {
    let home = TempDir::new().unwrap();
    let images = home.path().join("images");
    let export = |name: &str, samples: std::ops::Range<usize>| {
        let mut store = RunStore::create(&home.path().join(name), &plan(12)).unwrap();
        store.commit(ROW, &samples.map(|i| sample(i, 3, 8)).collect::<Vec<_>>(), Duration::ZERO).unwrap();
        store.export_images(&store.results().unwrap(), &images).unwrap().remove(0)
    };
    let folder = export("first", 0..9);
    fs::write(folder.join("zero/mine.png"), "").unwrap();
    // A process that died in an export left the list aside.
    fs::rename(folder.join("manifest.csv"), folder.join(".manifest-earlier.csv")).unwrap();
    export("second", 4..6);
    assert!(folder.join("zero/test-00004.png").is_file() && folder.join("one/test-00005.png").is_file());
    assert!(!folder.join("zero/test-00008.png").exists() && !folder.join("one/test-00001.png").exists());
    assert!(folder.join("zero/mine.png").is_file(), "no export listed it");
    assert!(!folder.join(".manifest-earlier.csv").exists());
}

#[test]
fn an_export_that_cannot_be_written_leaves_nothing() {
    let (home, folder, store) = exported();
    fs::remove_file(folder.join("steps.csv")).unwrap();
    fs::create_dir(folder.join("steps.csv")).unwrap();
    fs::write(folder.join("steps.csv/in the way"), "").unwrap();
    let error = store.export_tables(&store.results().unwrap(), &folder).unwrap_err().to_string();
    assert!(error.starts_with("cannot write ") && error.contains("steps.csv"), "{error}");
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    fs::write(home.path().join("file"), "").unwrap();
    let error = store.export_images(&store.results().unwrap(), &home.path().join("file")).unwrap_err().to_string();
    assert!(error.starts_with("cannot make the folder in "), "{error}");
}
