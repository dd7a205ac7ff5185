//! Writes safetensors files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use half::f16;
use serde_json::{Map, Value, json};

use crate::error::CheckpointError;

/// Element type of a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FloatType {
    /// Single precision.
    F32,
    /// Half precision, rounded to nearest even; values beyond ±65504 become infinite.
    F16,
    /// Half precision for matrices and kernels, single precision for vectors and scalars.
    F16Matrices,
}

impl FloatType {
    /// The type of a tensor of that shape: [`FloatType::F32`] or [`FloatType::F16`].
    fn of(self, shape: &[usize]) -> Self {
        match self {
            Self::F16Matrices if shape.len() > 1 => Self::F16,
            Self::F16Matrices => Self::F32,
            float => float,
        }
    }
}

/// Writes named tensors (key, shape, row-major values) and text metadata to a safetensors file.
///
/// The file appears under its name only when it is complete: it is written beside it and renamed.
///
/// # Errors
///
/// [`CheckpointError::Unwritable`] if a key occurs twice or a shape does not match its values,
/// [`CheckpointError::Io`] if the file cannot be written.
pub fn write_safetensors<'t>(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = (&'t str, &'t [usize], &'t [f32])>,
    metadata: &BTreeMap<String, String>,
    float: FloatType,
) -> Result<(), CheckpointError> {
    let path = path.as_ref();
    let tensors: Vec<_> = tensors.into_iter().collect();
    let header = header(&tensors, metadata, float)
        .map_err(|detail| CheckpointError::Unwritable { path: path.to_owned(), detail })?;
    replace(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (_, shape, values) in &tensors {
            write_values(file, values, float.of(shape))?;
        }
        Ok(())
    })
    .map_err(|source| CheckpointError::Io { path: path.to_owned(), source })
}

/// The JSON header, padded so that the values start at a multiple of eight.
fn header(
    tensors: &[(&str, &[usize], &[f32])],
    metadata: &BTreeMap<String, String>,
    float: FloatType,
) -> Result<Vec<u8>, String> {
    let mut entries = Map::new();
    if !metadata.is_empty() {
        entries.insert("__metadata__".into(), json!(metadata));
    }
    let mut offset = 0;
    for &(key, shape, values) in tensors {
        let numel = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
        if numel != Some(values.len()) {
            return Err(format!("{key} has shape {shape:?} and {} values", values.len()));
        }
        let (name, size) = match float.of(shape) {
            FloatType::F32 => ("F32", 4),
            _ => ("F16", 2),
        };
        let end = offset + size * values.len();
        let entry = json!({"dtype": name, "shape": shape, "data_offsets": [offset, end]});
        if entries.insert(key.into(), entry).is_some() {
            return Err(format!("the key {key:?} occurs twice or is reserved"));
        }
        offset = end;
    }
    let mut header = Value::Object(entries).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

fn write_values(file: &mut impl Write, values: &[f32], float: FloatType) -> io::Result<()> {
    match float {
        FloatType::F32 => values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes())),
        _ => values.iter().try_for_each(|value| file.write_all(&f16::from_f32(*value).to_le_bytes())),
    }
}

/// Writes a file beside `path` and renames it, so that no reader ever sees half of it.
fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.tmp", process::id()));
    let temporary = path.with_file_name(name);
    let result = File::create_new(&temporary).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        write(&mut file)?;
        file.into_inner()?.sync_all()?;
        fs::rename(&temporary, path)
    });
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    result
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{Checkpoint, Dtype, Scalar};
    use safetensors::SafeTensors;

    #[test]
    fn written_files_are_read_by_us_and_by_the_reference_crate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let metadata = BTreeMap::from([("recipe".to_owned(), "adam\n\"lr\"".to_owned())]);
        let tensors: [(&str, &[usize], &[f32]); 3] =
            [("z.weight", &[2, 2], &[1.0, -2.5, 1e-3, 70000.0]), ("empty", &[0, 3], &[]), ("a.scale", &[], &[0.5])];
        for (float, dtype) in [(FloatType::F32, Dtype::F32), (FloatType::F16, Dtype::F16)] {
            write_safetensors(&path, tensors, &metadata, float).unwrap();
            let checkpoint = Checkpoint::open(&path).unwrap();
            assert_eq!(checkpoint.scalar("recipe"), Some(&Scalar::Str("adam\n\"lr\"".into())));
            assert_eq!(checkpoint.tensors().len(), 3);
            for (key, shape, values) in tensors {
                let (found_shape, found) = checkpoint.tensor_f32(key).unwrap();
                assert_eq!(checkpoint.get(key).unwrap().dtype(), dtype);
                assert_eq!(found_shape, shape);
                let rounded = values.iter().map(|&x| match float {
                    FloatType::F32 => x,
                    _ => f16::from_f32(x).to_f32(),
                });
                assert_eq!(found, rounded.collect::<Vec<_>>());
            }
            let bytes = fs::read(&path).unwrap();
            let reference = SafeTensors::deserialize(&bytes).unwrap();
            assert_eq!(reference.tensor("z.weight").unwrap().shape(), [2, 2]);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn matrices_alone_can_be_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let tensors: [(&str, &[usize], &[f32]); 2] = [("weight", &[1, 1], &[1e-3]), ("bias", &[1], &[1e-3])];
        write_safetensors(&path, tensors, &BTreeMap::new(), FloatType::F16Matrices).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let dtype = |key| checkpoint.get(key).unwrap().dtype();
        assert_eq!((dtype("weight"), dtype("bias")), (Dtype::F16, Dtype::F32));
        assert_eq!(checkpoint.tensor_f32("bias").unwrap().1, [1e-3]);
    }

    #[test]
    fn inconsistent_tensors_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let none = BTreeMap::new();
        let short: [(&str, &[usize], &[f32]); 1] = [("a", &[2], &[1.0])];
        let error = write_safetensors(&path, short, &none, FloatType::F32).unwrap_err();
        assert!(error.to_string().contains("a has shape [2] and 1 values"));
        let twice: [(&str, &[usize], &[f32]); 2] = [("a", &[1], &[1.0]), ("a", &[1], &[1.0])];
        assert!(write_safetensors(&path, twice, &none, FloatType::F32).is_err());
        assert!(!path.exists());
        let nowhere = folder.path().join("missing").join("weights.safetensors");
        let fine: [(&str, &[usize], &[f32]); 1] = [("a", &[1], &[1.0])];
        assert!(write_safetensors(nowhere, fine, &none, FloatType::F32).is_err());
    }
}
