//! CIFAR-10's binary release: records of one label byte and 3×32×32 colour bytes.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fmr_core::shown;

use super::decode::Limits;
use super::picture::Picture;
use super::settings::Split;
use super::{DataError, Dataset, open};

const PIXELS: usize = 3 * 32 * 32;
const NAMES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The bytes of a record.
const RECORD: usize = PIXELS + 1;

/// Reads one file of records, or a split of the release's folder.
pub(super) fn read(
    path: &Path,
    classes: &[String],
    split: Option<Split>,
    limits: Limits,
) -> Result<Dataset, DataError> {
    let (files, remarks) = if path.is_dir() { files(path, split)? } else { (vec![path.to_owned()], Vec::new()) };
    let classes = if classes.is_empty() { NAMES.map(str::to_owned).to_vec() } else { classes.to_vec() };
    let own = classes.clone();
    let mut data = Dataset { own, classes, pictures: Vec::new(), labels: Vec::new(), keys: Vec::new(), remarks };
    for file in files {
        let bytes = Arc::new(records(&file, limits)?);
        let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        for (i, record) in bytes.chunks_exact(RECORD).enumerate() {
            let label = usize::from(record[0]);
            if label >= data.classes.len() {
                return Err(DataError::format(
                    &file,
                    format!("record {i} has label {label}, but there are {} classes", data.classes.len()),
                ));
            }
            data.pictures.push(Picture::Held { shape: [3, 32, 32], bytes: bytes.clone(), at: i * RECORD + 1 });
            data.labels.push(label);
            data.keys.push(format!("{stem}/{i:05}"));
        }
    }
    Ok(data)
}

/// The files of a split, and what is to be said of the choice.
fn files(folder: &Path, split: Option<Split>) -> Result<(Vec<PathBuf>, Vec<String>), DataError> {
    let entries = std::fs::read_dir(folder).map_err(DataError::io(folder))?;
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.map_err(DataError::io(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".bin") && !name.starts_with('.') {
            all.push((name, path));
        }
    }
    all.sort();
    if all.is_empty() {
        return Err(DataError::format(folder, "no .bin files in this folder"));
    }
    let is_of = |split: Split, name: &str| match split {
        Split::Test => name == "test_batch.bin",
        Split::Train => name.starts_with("data_batch_"),
    };
    let has = |split: Split| all.iter().any(|(name, _)| is_of(split, name));
    let wanted = match (split, has(Split::Test), has(Split::Train)) {
        (Some(split), ..) => split,
        (None, true, _) => Split::Test,
        (None, false, true) => {
            let problem = "holds training batches and no test_batch.bin; `split = \"train\"` reads them";
            return Err(DataError::format(folder, problem));
        }
        (None, false, false) => {
            let problem =
                "holds neither test_batch.bin nor data_batch_1.bin to data_batch_5.bin; name one file in `path`";
            return Err(DataError::format(folder, problem));
        }
    };
    let (of_split, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| is_of(wanted, name));
    if of_split.is_empty() {
        let word = if wanted == Split::Test { "test" } else { "train" };
        return Err(DataError::format(folder, format!("holds no files of `split = {word:?}`")));
    }
    let mut remarks = Vec::new();
    if !others.is_empty() {
        let read = shown::list(of_split.iter().map(|(name, _)| name.as_str()));
        let left = shown::list(others.iter().map(|(name, _)| name.as_str()));
        remarks.push(format!("of the folder's batches {read} is read (`split`), and left out: {left}"));
    }
    Ok((of_split.into_iter().map(|(_, path)| path).collect(), remarks))
}

fn records(path: &Path, limits: Limits) -> Result<Vec<u8>, DataError> {
    let file = open::regular(path).map_err(DataError::io(path))?;
    let length = file.metadata().map_err(DataError::io(path))?.len();
    if length > limits.container() {
        let problem = format!("has {length} bytes, more than eight times `max-pixels`");
        return Err(DataError::format(path, problem));
    }
    let mut bytes = Vec::new();
    file.take(limits.container()).read_to_end(&mut bytes).map_err(DataError::io(path))?;
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        let problem = format!("{} bytes are no whole number of records of {RECORD}", bytes.len());
        return Err(DataError::format(path, problem));
    }
    Ok(bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::decode::JpegPixels;

    const LIMITS: Limits = Limits { pixels: 1 << 20, jpeg: JpegPixels::Image };

    #[test]
    fn training_batches_never_leak_into_a_test() {
        let folder = tempfile::tempdir().unwrap();
        let batch = |name: &str, label: u8| {
            let record = std::iter::once(label).chain(std::iter::repeat_n(label, PIXELS));
            std::fs::write(folder.path().join(name), record.collect::<Vec<_>>()).unwrap();
        };
        batch("data_batch_1.bin", 1);
        batch("data_batch_2.bin", 2);
        let read = |split| read(folder.path(), &[], split, LIMITS);
        assert!(read(None).unwrap_err().to_string().contains("split = \"train\""));
        assert!(read(Some(Split::Test)).unwrap_err().to_string().contains("no files of `split = \"test\"`"));
        batch("test_batch.bin", 7);
        let test = read(None).unwrap();
        assert_eq!((test.labels(), test.key(0)), (&[7][..], "test_batch/00000"));
        assert!(test.remarks()[0].contains("left out: data_batch_1.bin, data_batch_2.bin"), "{:?}", test.remarks());
        assert_eq!(read(Some(Split::Train)).unwrap().labels(), [1, 2]);
        std::fs::remove_file(folder.path().join("test_batch.bin")).unwrap();
        assert_eq!(read(Some(Split::Train)).unwrap().remarks(), [""; 0]);
    }

    #[test]
    fn reads_records_and_refuses_parts_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test_batch.bin");
        let mut bytes = vec![3];
        bytes.extend((0..PIXELS).map(|i| (i % 251) as u8));
        bytes.push(9);
        bytes.extend(vec![255; PIXELS]);
        std::fs::write(&file, &bytes).unwrap();
        for path in [&file, folder.path()] {
            let data = read(path, &[], None, LIMITS).unwrap();
            assert_eq!(data.labels(), [3, 9]);
            assert_eq!(data.key(1), "test_batch/00001");
            assert_eq!(data.image(1).unwrap()[[2, 31, 31]], 1.0);
        }
        std::fs::write(&file, &bytes[..5000]).unwrap();
        assert!(read(&file, &[], None, LIMITS).unwrap_err().to_string().contains("no whole number of records"));
        bytes[0] = 10;
        std::fs::write(&file, &bytes).unwrap();
        assert!(read(&file, &[], None, LIMITS).unwrap_err().to_string().contains("label 10"));
    }
}
