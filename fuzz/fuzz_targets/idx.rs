//! Any bytes as idx files of images and labels.
#![no_main]

use fmr_fuzz::{Folder, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let folder = Folder::new();
    let (images, labels) = (folder.write("images", &input.0), folder.write("labels", &input.1));
    load(serde_json::json!({"kind": "idx", "images": images, "labels": labels}));
});
