//! Folders and tars of `class/image.png` or `.jpg`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::{DataError, Dataset, Picture};

/// A single image file may not be larger than this.
const MOST_BYTES: u64 = 64 << 20;

pub(super) fn read(path: &Path, prefix: &str, classes: &[String]) -> Result<Dataset, DataError> {
    let mut files = if path.is_dir() { from_folder(path, prefix)? } else { from_tar(path, prefix)? };
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let found: BTreeSet<&str> = files.iter().map(|f| f.1.as_str()).collect();
    let classes: Vec<String> = if classes.is_empty() {
        found.iter().map(|c| (*c).to_owned()).collect()
    } else {
        if let Some(absent) = classes.iter().find(|c| !found.contains(c.as_str())) {
            let there = found.iter().take(12).copied().collect::<Vec<_>>().join(", ");
            return Err(DataError::format(
                path,
                format!("no images of class {absent:?} below {prefix:?}; found: {there}"),
            ));
        }
        classes.to_vec()
    };
    if files.is_empty() {
        return Err(DataError::format(path, format!("no images as class/image.jpg or .png below {prefix:?}")));
    }
    let mut data = Dataset { classes, pictures: Vec::new(), labels: Vec::new(), keys: Vec::new() };
    for (key, class, bytes) in files {
        let Some(label) = data.classes.iter().position(|c| *c == class) else { continue };
        let picture = decode(&bytes).map_err(|e| DataError::format(path, format!("{key}: {e}")))?;
        data.pictures.push(picture);
        data.labels.push(label);
        data.keys.push(key);
    }
    Ok(data)
}

/// Key below the prefix, class and bytes of each image file.
type Files = Vec<(String, String, Vec<u8>)>;

fn is_image(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".jpg", ".jpeg", ".png"].iter().any(|e| name.ends_with(e))
}

fn from_folder(path: &Path, prefix: &str) -> Result<Files, DataError> {
    let root = path.join(prefix);
    let mut files = Vec::new();
    let folders = std::fs::read_dir(&root).map_err(DataError::io(&root))?;
    for folder in folders.flatten().map(|e| e.path()).filter(|p| p.is_dir()) {
        let class = folder.file_name().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        for entry in std::fs::read_dir(&folder).map_err(DataError::io(&folder))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_image(&name) {
                let bytes = std::fs::read(entry.path()).map_err(DataError::io(&entry.path()))?;
                files.push((format!("{class}/{name}"), class.clone(), bytes));
            }
        }
    }
    Ok(files)
}

fn from_tar(path: &Path, prefix: &str) -> Result<Files, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
    let prefix = prefix.trim_matches('/');
    let mut files = Vec::new();
    for entry in archive.entries().map_err(DataError::io(path))? {
        let entry = entry.map_err(DataError::io(path))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let below = name.trim_start_matches("./");
        let below =
            if prefix.is_empty() { Some(below) } else { below.strip_prefix(prefix).and_then(|n| n.strip_prefix('/')) };
        let Some((class, _)) = below.and_then(|n| n.split_once('/')) else { continue };
        if !is_image(&name) {
            continue;
        }
        if entry.size() > MOST_BYTES {
            return Err(DataError::format(path, format!("{name} is larger than {} MiB", MOST_BYTES >> 20)));
        }
        let (key, class) = (below.unwrap_or_default().to_owned(), class.to_owned());
        let mut bytes = Vec::new();
        entry.take(MOST_BYTES).read_to_end(&mut bytes).map_err(DataError::io(path))?;
        files.push((key, class, bytes));
    }
    Ok(files)
}

fn decode(bytes: &[u8]) -> Result<Picture, image::ImageError> {
    let image = image::load_from_memory(bytes)?.to_rgb8();
    let (w, h) = (image.width() as usize, image.height() as usize);
    let raw = image.into_raw();
    let bytes = (0..3).flat_map(|k| raw.iter().skip(k).step_by(3).copied()).collect();
    Ok(Picture { shape: [3, h, w], bytes })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn png(colour: [u8; 3]) -> Vec<u8> {
        let mut out = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_pixel(3, 2, image::Rgb(colour)).write_to(&mut out, image::ImageFormat::Png).unwrap();
        out.into_inner()
    }

    #[test]
    fn folder_and_tar_give_the_same() {
        let folder = tempfile::tempdir().unwrap();
        for (class, colour) in [("dog", [255, 0, 51]), ("cat", [0, 102, 0])] {
            std::fs::create_dir_all(folder.path().join("d/test").join(class)).unwrap();
            std::fs::write(folder.path().join("d/test").join(class).join("1.png"), png(colour)).unwrap();
        }
        let tar = folder.path().join("d.tar");
        let mut builder = tar::Builder::new(File::create(&tar).unwrap());
        builder.append_dir_all("d", folder.path().join("d")).unwrap();
        builder.finish().unwrap();
        let a = read(folder.path(), "d/test", &[]).unwrap();
        let b = read(&tar, "d/test", &[]).unwrap();
        assert_eq!(a, b);
        assert_eq!(
            (a.classes(), a.labels(), a.key(1)),
            (&["cat".to_owned(), "dog".to_owned()][..], &[0, 1][..], "dog/1.png")
        );
        assert_eq!(a.shape(1), [3, 2, 3]);
        assert_eq!(a.image(1)[[2, 1, 2]], 0.2);
        let c = read(&tar, "d/test", &["dog".to_owned()]).unwrap();
        assert_eq!((c.len(), c.label(0)), (1, 0));
    }

    #[test]
    fn errors_name_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("dog")).unwrap();
        std::fs::write(folder.path().join("dog/1.png"), b"no image").unwrap();
        let error = |classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|c| (*c).to_owned()).collect();
            read(folder.path(), "", &classes).unwrap_err().to_string()
        };
        assert!(error(&["cow"]).contains("no images of class \"cow\""));
        assert!(error(&[]).contains("dog/1.png"));
        assert!(read(&folder.path().join("absent"), "", &[]).is_err());
    }

    #[test]
    fn refuses_damaged_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("d/dog")).unwrap();
        let file = folder.path().join("d/dog/1.png");
        std::fs::write(&file, png([1, 2, 3])).unwrap();
        let tar = folder.path().join("d.tar");
        let mut builder = tar::Builder::new(File::create(&tar).unwrap());
        builder.append_dir_all("d", folder.path().join("d")).unwrap();
        builder.finish().unwrap();
        let whole = std::fs::read(&tar).unwrap();
        // Cut inside the picture, and inside the header before it.
        let at = whole.windows(4).position(|w| w == b"\x89PNG").unwrap();
        for end in [at + 10, at - 100] {
            std::fs::write(&tar, &whole[..end]).unwrap();
            let error = read(&tar, "d", &[]).unwrap_err().to_string();
            assert!(error.contains("d.tar"), "{error}");
        }
        let picture = png([1, 2, 3]);
        std::fs::write(&file, &picture[..picture.len() / 2]).unwrap();
        let error = read(&folder.path().join("d"), "", &[]).unwrap_err().to_string();
        assert!(error.contains("dog/1.png"), "{error}");
        std::fs::remove_file(&file).unwrap();
        let error = read(&folder.path().join("d"), "", &[]).unwrap_err().to_string();
        assert!(error.contains("no images as class/image.jpg or .png"), "{error}");
    }
}
