//! Any bytes as a tar of pictures.
#![no_main]

use fmr_data::DataSettings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("images.tar");
    std::fs::write(&path, bytes).expect("written");
    let settings = serde_json::json!({"kind": "images", "path": path});
    let settings: DataSettings = serde_json::from_value(settings).expect("settings");
    match settings.load() {
        Ok(data) => (0..data.len().min(8)).for_each(|i| drop(data.image(i))),
        Err(error) => drop(error.to_string()),
    }
});
