//! Any bytes as a file of CIFAR-10's binary records.
#![no_main]

use fmr_fuzz::{Folder, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = Folder::new();
    load(serde_json::json!({"kind": "cifar10-binary", "path": folder.write("test_batch.bin", bytes)}));
});
