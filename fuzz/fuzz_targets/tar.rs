//! Any bytes as a tar of pictures.
#![no_main]

use fmr_fuzz::{Folder, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = Folder::new();
    load(serde_json::json!({"kind": "images", "path": folder.write("images.tar", bytes)}));
});
