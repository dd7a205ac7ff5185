//! Any bytes as a mask file; what is read is written so that it reads again.
#![no_main]

use fmr_fuzz::{Folder, expect_words};
use fmr_mask::Mask;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = Folder::new();
    let path = folder.write("a.mask", bytes);
    match Mask::load(&path) {
        Ok(mask) => {
            mask.save(&path).expect("saved");
            assert_eq!(Mask::load(&path).expect("loaded again").kept(), mask.kept());
        }
        Err(error) => expect_words(&error.to_string()),
    }
});
