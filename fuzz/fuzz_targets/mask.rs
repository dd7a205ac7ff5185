//! Any bytes as a mask file.
#![no_main]

use fmr_mask::Mask;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.mask");
    std::fs::write(&path, bytes).expect("written");
    match Mask::load(&path) {
        Ok(mask) => {
            mask.save(&path).expect("saved");
            assert_eq!(Mask::load(&path).expect("loaded again").kept(), mask.kept());
        }
        Err(error) => drop(error.to_string()),
    }
});
