//! Any bytes as idx files: the first two give where the images end and the labels begin.
#![no_main]

use fmr_data::DataSettings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let folder = tempfile::tempdir().expect("a folder");
    let (images, labels) = (folder.path().join("images"), folder.path().join("labels"));
    std::fs::write(&images, &input.0).expect("written");
    std::fs::write(&labels, &input.1).expect("written");
    let settings = serde_json::json!({"kind": "idx", "images": images, "labels": labels});
    let settings: DataSettings = serde_json::from_value(settings).expect("settings");
    match settings.load() {
        Ok(data) => (0..data.len().min(8)).for_each(|i| drop(data.image(i))),
        Err(error) => drop(error.to_string()),
    }
});
