//! Any bytes as a picture; the first bytes tell its format. JPEGs are decoded to the pixels of both kinds.
#![no_main]

use fmr_fuzz::{Folder, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = Folder::new();
    folder.write("class/picture.png", bytes);
    load(serde_json::json!({"kind": "images", "path": folder.path()}));
    if bytes.starts_with(&[0xff, 0xd8]) {
        load(serde_json::json!({"kind": "images", "path": folder.path(), "jpeg-pixels": "pillow"}));
    }
});
