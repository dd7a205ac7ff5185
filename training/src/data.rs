//! Training data by the experiment files' own settings.

use std::io::Read;
use std::path::Path;

use fmr_data::DataSettings;

use crate::batches::Pixels;
use crate::recipe::TrainError;

/// Reads a data set whose images have one size; paths start from `base`.
pub(crate) fn load(base: &Path, settings: &DataSettings) -> Result<Pixels, TrainError> {
    let mut settings = settings.clone();
    for path in [&mut settings.images, &mut settings.labels, &mut settings.path].into_iter().flatten() {
        *path = base.join(&*path);
    }
    let data = settings.load()?;
    let shape = data.common_shape().ok_or(TrainError::Sizes)?;
    let mut bytes = Vec::with_capacity(data.len() * shape.iter().product::<usize>());
    for i in 0..data.len() {
        bytes.extend_from_slice(&data.bytes(i)?);
    }
    Ok(Pixels { bytes, shape, labels: data.labels().to_vec() })
}

/// A gzip-compressed text.
pub(crate) fn text(path: &Path) -> Result<String, TrainError> {
    let file = std::fs::File::open(path).map_err(TrainError::io(path))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).map_err(TrainError::io(path))?;
    Ok(text)
}
