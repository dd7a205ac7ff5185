//! Training data by the experiment files' own settings.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::batches::Pixels;
use crate::recipe::{DataRecipe, TrainError};

pub(crate) fn load(base: &Path, data: &DataRecipe) -> Result<Pixels, TrainError> {
    let get = |k: &str| data.settings.get(k).and_then(|v| v.as_str()).map(|p| base.join(p)).ok_or(TrainError::Other(format!("data: {k} missing")));
    let gz = |p: PathBuf| -> Result<Vec<u8>, TrainError> {
        let file = std::fs::File::open(&p).map_err(TrainError::io(&p))?;
        let mut v = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut v).map_err(TrainError::io(&p))?;
        Ok(v)
    };
    if data.settings.get("kind").and_then(|v| v.as_str()) == Some("idx") {
        let bytes = gz(get("images")?)?.split_off(16);
        let labels = gz(get("labels")?)?[8..].iter().map(|b| usize::from(*b)).collect();
        return Ok(Pixels { bytes, shape: [1, 28, 28], labels });
    }
    let path = get("path")?;
    let prefix = data.settings.get("prefix").and_then(|v| v.as_str()).unwrap_or("").to_owned();
    let classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let mut archive = tar::Archive::new(std::io::BufReader::new(std::fs::File::open(&path).map_err(TrainError::io(&path))?));
    let (mut bytes, mut labels) = (Vec::new(), Vec::new());
    for entry in archive.entries().map_err(TrainError::io(&path))? {
        let mut entry = entry.map_err(TrainError::io(&path))?;
        let name = entry.path().map_err(TrainError::io(&path))?.to_string_lossy().into_owned();
        if !name.starts_with(&prefix) || !name.ends_with(".jpg") {
            continue;
        }
        let mut jpg = Vec::new();
        entry.read_to_end(&mut jpg).map_err(TrainError::io(&path))?;
        let image = image::load_from_memory(&jpg).map_err(|e| TrainError::Other(format!("{name}: {e}")))?.to_rgb8();
        let raw = image.into_raw();
        for k in 0..3 {
            bytes.extend(raw.iter().skip(k).step_by(3));
        }
        labels.push(classes.iter().position(|c| name.split('/').any(|p| p == *c)).unwrap_or(0));
    }
    Ok(Pixels { bytes, shape: [3, 32, 32], labels })
}

/// A gzip-compressed text.
pub(crate) fn text(path: &Path) -> Result<String, TrainError> {
    let file = std::fs::File::open(path).map_err(TrainError::io(path))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).map_err(TrainError::io(path))?;
    Ok(text)
}
