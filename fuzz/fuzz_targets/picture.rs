//! Any bytes as a picture, under each ending that is read.
#![no_main]

use fmr_data::DataSettings;
use libfuzzer_sys::fuzz_target;

const ENDINGS: [&str; 7] = ["png", "jpg", "webp", "bmp", "tiff", "ppm", "pgm"];

fuzz_target!(|input: (u8, Vec<u8>)| {
    let folder = tempfile::tempdir().expect("a folder");
    let class = folder.path().join("class");
    std::fs::create_dir(&class).expect("made");
    let ending = ENDINGS[usize::from(input.0) % ENDINGS.len()];
    std::fs::write(class.join(format!("picture.{ending}")), &input.1).expect("written");
    let settings = serde_json::json!({"kind": "images", "path": folder.path()});
    let settings: DataSettings = serde_json::from_value(settings).expect("settings");
    match settings.load() {
        Ok(data) => (0..data.len()).for_each(|i| drop(data.image(i))),
        Err(error) => drop(error.to_string()),
    }
});
