//! Folders and tars of `class/image.png` or `.jpg`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{DataError, Dataset, Picture};

/// A single image file may not be larger than this.
const MOST_BYTES: u64 = 64 << 20;

/// Reads the images that `choose` picks, given the label of each and the number of classes; no other is looked into.
pub(super) fn read(
    path: &Path,
    prefix: &str,
    classes: &[String],
    choose: impl FnOnce(&[usize], usize) -> Vec<usize>,
) -> Result<Dataset, DataError> {
    let mut files = if path.is_dir() { in_folder(path, prefix)? } else { in_tar(path, prefix)? };
    files.sort_by(|a, b| a.key.cmp(&b.key));
    let classes = named_or_found(path, prefix, classes, &files)?;
    if files.is_empty() {
        return Err(DataError::format(path, format!("no images as class/image.jpg or .png below {prefix:?}")));
    }
    let label = |file: ImageFile| Some((classes.iter().position(|c| *c == file.class)?, file));
    let (labels, files): (Vec<usize>, Vec<ImageFile>) = files.into_iter().filter_map(label).unzip();
    let chosen = choose(&labels, classes.len());
    let mut data = Dataset { classes, pictures: Vec::new(), labels: Vec::new(), keys: Vec::new() };
    let mut source = Source::default();
    for i in chosen {
        let ImageFile { key, place, .. } = &files[i];
        let picture = Picture::file(source.contents(path, place)?);
        data.pictures.push(picture.map_err(|e| DataError::format(path, format!("{key}: {e}")))?);
        data.labels.push(labels[i]);
        data.keys.push(key.clone());
    }
    Ok(data)
}

/// The classes that the settings name, each of which must occur, or the class folders that there are.
fn named_or_found(path: &Path, prefix: &str, named: &[String], files: &[ImageFile]) -> Result<Vec<String>, DataError> {
    let found: BTreeSet<&str> = files.iter().map(|f| f.class.as_str()).collect();
    if let Some(absent) = named.iter().find(|c| !found.contains(c.as_str())) {
        let there = found.iter().take(12).copied().collect::<Vec<_>>().join(", ");
        return Err(DataError::format(path, format!("no images of class {absent:?} below {prefix:?}; found: {there}")));
    }
    Ok(if named.is_empty() { found.iter().map(|c| (*c).to_owned()).collect() } else { named.to_vec() })
}

/// A file that has not been read.
struct ImageFile {
    /// Name below the prefix.
    key: String,
    class: String,
    place: Place,
}

enum Place {
    File(PathBuf),
    /// Offset and length in a tar.
    Tar(u64, u64),
}

/// Reads files; keeps a tar open.
#[derive(Default)]
struct Source(Option<File>);

impl Source {
    fn contents(&mut self, path: &Path, place: &Place) -> Result<Vec<u8>, DataError> {
        match place {
            Place::File(path) => std::fs::read(path).map_err(DataError::io(path)),
            Place::Tar(offset, len) => self.part(path, *offset, *len).map_err(DataError::io(path)),
        }
    }

    fn part(&mut self, path: &Path, offset: u64, len: u64) -> std::io::Result<Vec<u8>> {
        let file = match &mut self.0 {
            Some(file) => file,
            none => none.insert(File::open(path)?),
        };
        file.seek(SeekFrom::Start(offset))?;
        let mut contents = Vec::new();
        file.take(len).read_to_end(&mut contents)?;
        if contents.len() as u64 == len { Ok(contents) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn is_image(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".jpg", ".jpeg", ".png"].iter().any(|e| name.ends_with(e))
}

fn in_folder(path: &Path, prefix: &str) -> Result<Vec<ImageFile>, DataError> {
    let root = path.join(prefix);
    let mut files = Vec::new();
    let folders = std::fs::read_dir(&root).map_err(DataError::io(&root))?;
    for folder in folders.flatten().map(|e| e.path()).filter(|p| p.is_dir()) {
        let class = folder.file_name().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        for entry in std::fs::read_dir(&folder).map_err(DataError::io(&folder))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_image(&name) {
                let key = format!("{class}/{name}");
                files.push(ImageFile { key, class: class.clone(), place: Place::File(entry.path()) });
            }
        }
    }
    Ok(files)
}

fn in_tar(path: &Path, prefix: &str) -> Result<Vec<ImageFile>, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let mut archive = tar::Archive::new(BufReader::new(file));
    let prefix = prefix.trim_matches('/');
    let mut files = Vec::new();
    for entry in archive.entries_with_seek().map_err(DataError::io(path))? {
        let entry = entry.map_err(DataError::io(path))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let below = name.trim_start_matches("./");
        let below =
            if prefix.is_empty() { Some(below) } else { below.strip_prefix(prefix).and_then(|n| n.strip_prefix('/')) };
        let Some((below, (class, _))) = below.and_then(|n| Some((n, n.split_once('/')?))) else { continue };
        if !is_image(&name) {
            continue;
        }
        if entry.size() > MOST_BYTES {
            return Err(DataError::format(path, format!("{name} is larger than {} MiB", MOST_BYTES >> 20)));
        }
        let place = Place::Tar(entry.raw_file_position(), entry.size());
        files.push(ImageFile { key: below.to_owned(), class: class.to_owned(), place });
    }
    Ok(files)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn all(labels: &[usize], _: usize) -> Vec<usize> {
        (0..labels.len()).collect()
    }

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
        let a = read(folder.path(), "d/test", &[], all).unwrap();
        let b = read(&tar, "d/test", &[], all).unwrap();
        assert_eq!(a, b);
        assert_eq!(
            (a.classes(), a.labels(), a.key(1)),
            (&["cat".to_owned(), "dog".to_owned()][..], &[0, 1][..], "dog/1.png")
        );
        assert_eq!(a.shape(1), [3, 2, 3]);
        assert_eq!(a.image(1)[[2, 1, 2]], 0.2);
        let c = read(&tar, "d/test", &["dog".to_owned()], all).unwrap();
        assert_eq!((c.len(), c.label(0)), (1, 0));
    }

    #[test]
    fn only_what_is_chosen_is_looked_into() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("dog")).unwrap();
        std::fs::write(folder.path().join("dog/1.png"), b"no image").unwrap();
        std::fs::write(folder.path().join("dog/2.png"), png([0, 51, 0])).unwrap();
        let data = read(folder.path(), "", &[], |labels, classes| {
            assert_eq!((labels, classes), (&[0, 0][..], 1));
            vec![1]
        });
        let data = data.unwrap();
        assert_eq!((data.len(), data.key(0), data.image(0)[[1, 0, 0]]), (1, "dog/2.png", 0.2));
    }

    #[test]
    fn errors_name_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("dog")).unwrap();
        std::fs::write(folder.path().join("dog/1.png"), b"no image").unwrap();
        let error = |classes: &[&str]| {
            let classes: Vec<String> = classes.iter().map(|c| (*c).to_owned()).collect();
            read(folder.path(), "", &classes, all).unwrap_err().to_string()
        };
        assert!(error(&["cow"]).contains("no images of class \"cow\""));
        assert!(error(&[]).contains("dog/1.png"));
        assert!(read(&folder.path().join("absent"), "", &[], all).is_err());
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
            let error = read(&tar, "d", &[], all).unwrap_err().to_string();
            assert!(error.contains("d.tar"), "{error}");
        }
        let picture = png([1, 2, 3]);
        std::fs::write(&file, &picture[..picture.len() / 2]).unwrap();
        let error = read(&folder.path().join("d"), "", &[], all).unwrap_err().to_string();
        assert!(error.contains("dog/1.png"), "{error}");
        std::fs::remove_file(&file).unwrap();
        let error = read(&folder.path().join("d"), "", &[], all).unwrap_err().to_string();
        assert!(error.contains("no images as class/image.jpg or .png"), "{error}");
    }
}
