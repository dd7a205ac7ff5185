//! CIFAR-10's binary release: records of one label byte and 3×32×32 colour bytes.

use std::path::{Path, PathBuf};

use super::picture::Picture;
use super::{DataError, Dataset};

const PIXELS: usize = 3 * 32 * 32;
const NAMES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

pub(super) fn read(path: &Path, classes: &[String]) -> Result<Dataset, DataError> {
    let mut files: Vec<PathBuf> = if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(DataError::io(path))?;
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "bin")).collect()
    } else {
        vec![path.to_owned()]
    };
    files.sort();
    if files.is_empty() {
        return Err(DataError::format(path, "no .bin files in this folder"));
    }
    let classes = if classes.is_empty() { NAMES.map(str::to_owned).to_vec() } else { classes.to_vec() };
    let mut data = Dataset { classes, pictures: Vec::new(), labels: Vec::new(), keys: Vec::new() };
    for file in files {
        let bytes = std::fs::read(&file).map_err(DataError::io(&file))?;
        let records = bytes.chunks_exact(PIXELS + 1);
        if !records.remainder().is_empty() || bytes.is_empty() {
            return Err(DataError::format(
                &file,
                format!("{} bytes are no whole number of records of {}", bytes.len(), PIXELS + 1),
            ));
        }
        let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        for (i, record) in records.enumerate() {
            let label = usize::from(record[0]);
            if label >= data.classes.len() {
                return Err(DataError::format(
                    &file,
                    format!("record {i} has label {label}, but there are {} classes", data.classes.len()),
                ));
            }
            data.pictures.push(Picture::Held { shape: [3, 32, 32], bytes: record[1..].to_vec() });
            data.labels.push(label);
            data.keys.push(format!("{stem}/{i:05}"));
        }
    }
    Ok(data)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

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
            let data = read(path, &[]).unwrap();
            assert_eq!(data.labels(), [3, 9]);
            assert_eq!(data.key(1), "test_batch/00001");
            assert_eq!(data.image(1).unwrap()[[2, 31, 31]], 1.0);
        }
        std::fs::write(&file, &bytes[..5000]).unwrap();
        assert!(read(&file, &[]).unwrap_err().to_string().contains("no whole number of records"));
        bytes[0] = 10;
        std::fs::write(&file, &bytes).unwrap();
        assert!(read(&file, &[]).unwrap_err().to_string().contains("label 10"));
    }
}
