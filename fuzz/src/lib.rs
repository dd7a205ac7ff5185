//! What the fuzz targets of data sets share: files made of the input, read as an experiment reads them.

use std::path::{Path, PathBuf};

use fmr_data::DataSettings;
use serde_json::Value;
use tempfile::TempDir;

/// Pixels that a picture may declare: few, so that inputs of a few kilobytes meet the limit.
const MOST_PIXELS: u64 = 1 << 20;
/// Images of a data set that are looked at.
const MOST_IMAGES: usize = 8;

/// A folder that lasts as long as one input.
pub struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    #[expect(clippy::new_without_default, reason = "it makes a folder on disk")]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("made");
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

/// Reads a data set and its first images. Whatever its files hold, there is an error in words or a result.
pub fn load(mut settings: Value) {
    settings["max-pixels"] = MOST_PIXELS.into();
    let settings: DataSettings = serde_json::from_value(settings).expect("settings");
    match settings.load() {
        Ok(data) => (0..data.len().min(MOST_IMAGES)).for_each(|i| drop(data.image(i))),
        Err(error) => expect_words(&error.to_string()),
    }
}

/// A message draws nothing on the terminal and has an end.
pub fn expect_words(message: &str) {
    assert!(message.len() < 10_000, "{} bytes of text", message.len());
    assert!(message.chars().all(|c| c == '\n' || !c.is_control()), "{message:?}");
}
