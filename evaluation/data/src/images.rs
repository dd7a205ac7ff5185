//! Folders and tars of `class/image.png` or `.jpg`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use super::picture::{Picture, Place};
use super::{DataError, Dataset, groups};

/// The images that are there; none is opened yet.
pub(super) struct Listing {
    pub(super) classes: Vec<String>,
    pub(super) labels: Vec<usize>,
    keys: Vec<String>,
    places: Vec<Place>,
}

/// Lists the images of `classes` (default: all, in alphabetical order), which are folders or, with a `grouping`, made of
/// folders.
pub(super) fn list(
    path: &Path,
    prefix: &str,
    classes: &[String],
    grouping: &BTreeMap<String, String>,
) -> Result<Listing, DataError> {
    let mut files = if path.is_dir() { from_folder(path, prefix)? } else { from_tar(path, prefix)? };
    if files.is_empty() {
        return Err(DataError::format(path, format!("no images as class/image.jpg or .png below {prefix:?}")));
    }
    files.sort_by(|a, b| a.key.cmp(&b.key));
    let found: Vec<&str> = files.iter().map(|f| f.class.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    let classes: Vec<String> = match (classes.is_empty(), grouping.is_empty()) {
        (false, _) => classes.to_vec(),
        (true, false) => grouping.keys().cloned().collect(),
        (true, true) => found.iter().map(|c| (*c).to_owned()).collect(),
    };
    let label_of: BTreeMap<&str, usize> = if grouping.is_empty() {
        if let Some(absent) = classes.iter().find(|c| !found.contains(&c.as_str())) {
            let there = found.iter().take(12).copied().collect::<Vec<_>>().join(", ");
            let problem = format!("no images of class {absent:?} below {prefix:?}; found: {there}");
            return Err(DataError::format(path, problem));
        }
        classes.iter().enumerate().map(|(label, class)| (class.as_str(), label)).collect()
    } else {
        if let Some(unused) = grouping.keys().find(|class| !classes.contains(class)) {
            let problem = format!("class {unused:?} is not among `classes`");
            return Err(DataError::format(Path::new("grouping"), problem));
        }
        let labels = groups::assign(path, grouping, &classes, &found)?;
        found.iter().zip(labels).filter_map(|(folder, label)| Some((*folder, label?))).collect()
    };
    let (mut labels, mut keys, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for file in &files {
        let Some(label) = label_of.get(file.class.as_str()) else { continue };
        labels.push(*label);
        keys.push(file.key.clone());
        places.push(file.place.clone());
    }
    Ok(Listing { classes, labels, keys, places })
}

impl Listing {
    /// The images at `indices`. Each is decoded once, to see that it can be, and not kept: memory does not grow with the
    /// pictures.
    pub(super) fn open(self, indices: &[usize]) -> Result<Dataset, DataError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = indices.len().div_ceil(threads).max(1);
        let places = &self.places;
        let parts: Vec<Result<Vec<Picture>, DataError>> = std::thread::scope(|scope| {
            let open = |part: &[usize]| part.iter().map(|i| Picture::filed(places[*i].clone())).collect();
            let workers: Vec<_> = indices.chunks(share).map(|part| scope.spawn(move || open(part))).collect();
            let joined = workers.into_iter().map(|worker| worker.join());
            joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let pictures: Vec<Picture> = parts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        Ok(Dataset {
            classes: self.classes,
            pictures,
            labels: indices.iter().map(|i| self.labels[*i]).collect(),
            keys: indices.iter().map(|i| self.keys[*i].clone()).collect(),
        })
    }
}

struct Found {
    /// Path below the prefix.
    key: String,
    /// The folder that it is in.
    class: String,
    place: Place,
}

fn is_image(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".jpg", ".jpeg", ".png"].iter().any(|e| name.ends_with(e))
}

fn from_folder(path: &Path, prefix: &str) -> Result<Vec<Found>, DataError> {
    let root = path.join(prefix);
    let mut files = Vec::new();
    let folders = std::fs::read_dir(&root).map_err(DataError::io(&root))?;
    for folder in folders.flatten().map(|e| e.path()).filter(|p| p.is_dir()) {
        let class = folder.file_name().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        for entry in std::fs::read_dir(&folder).map_err(DataError::io(&folder))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_image(&name) {
                let key = format!("{class}/{name}");
                files.push(Found { key, class: class.clone(), place: Place::File(entry.path()) });
            }
        }
    }
    Ok(files)
}

fn from_tar(path: &Path, prefix: &str) -> Result<Vec<Found>, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let mut archive = tar::Archive::new(file);
    let prefix = prefix.trim_matches('/');
    let mut files = Vec::new();
    for entry in archive.entries_with_seek().map_err(DataError::io(path))? {
        let entry = entry.map_err(DataError::io(path))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let below = name.trim_start_matches("./");
        let below =
            if prefix.is_empty() { Some(below) } else { below.strip_prefix(prefix).and_then(|n| n.strip_prefix('/')) };
        let Some((class, _)) = below.and_then(|n| n.split_once('/')) else { continue };
        if !is_image(&name) {
            continue;
        }
        let (key, class) = (below.unwrap_or_default().to_owned(), class.to_owned());
        let (at, len) = (entry.raw_file_position(), entry.size());
        files.push(Found { key, class, place: Place::Entry { tar: path.to_owned(), name, at, len } });
    }
    Ok(files)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(path: &Path, prefix: &str, classes: &[String]) -> Result<Dataset, DataError> {
        let listing = list(path, prefix, classes, &BTreeMap::new())?;
        let all: Vec<usize> = (0..listing.labels.len()).collect();
        listing.open(&all)
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
        let a = read(folder.path(), "d/test", &[]).unwrap();
        let b = read(&tar, "d/test", &[]).unwrap();
        assert_eq!(a, b);
        assert_eq!(
            (a.classes(), a.labels(), a.key(1)),
            (&["cat".to_owned(), "dog".to_owned()][..], &[0, 1][..], "dog/1.png")
        );
        assert_eq!(a.shape(1), [3, 2, 3]);
        assert_eq!(a.image(1).unwrap()[[2, 1, 2]], 0.2);
        assert_eq!(a.digest(), b.digest());
        let c = read(&tar, "d/test", &["dog".to_owned()]).unwrap();
        assert_eq!((c.len(), c.label(0)), (1, 0));
    }

    #[test]
    fn only_what_is_chosen_is_looked_into() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("dog")).unwrap();
        std::fs::write(folder.path().join("dog/1.png"), b"no image").unwrap();
        std::fs::write(folder.path().join("dog/2.png"), png([0, 51, 0])).unwrap();
        let listing = list(folder.path(), "", &[], &BTreeMap::new()).unwrap();
        assert_eq!(listing.labels, [0, 0]);
        let data = listing.open(&[1]).unwrap();
        assert_eq!((data.len(), data.key(0), data.image(0).unwrap()[[1, 0, 0]]), (1, "dog/2.png", 0.2));
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

    #[test]
    fn a_picture_that_changes_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("dog")).unwrap();
        let file = folder.path().join("dog/1.png");
        std::fs::write(&file, png([1, 2, 3])).unwrap();
        let data = read(folder.path(), "", &[]).unwrap();
        assert_eq!(data.bytes(0).unwrap()[..6], [1; 6]);
        std::fs::write(&file, png([1, 2, 4])).unwrap();
        let error = data.image(0).unwrap_err().to_string();
        assert!(error.contains("1.png") && error.contains("changed"), "{error}");
    }

    #[test]
    fn folders_are_grouped_into_coarse_classes() {
        let folder = tempfile::tempdir().unwrap();
        for fine in ["n1", "n2", "n3", "n4"] {
            std::fs::create_dir_all(folder.path().join(fine)).unwrap();
            std::fs::write(folder.path().join(fine).join("a.png"), png([0; 3])).unwrap();
        }
        let grouping = [("dog", "2-3"), ("cat", "n1")].map(|(c, m)| (c.to_owned(), m.to_owned())).into();
        let classes = ["dog", "cat"].map(str::to_owned);
        let listing = list(folder.path(), "", &classes, &grouping).unwrap();
        assert_eq!((&listing.classes[..], &listing.labels[..]), (&classes[..], &[1, 0, 0][..]));
        let error = list(folder.path(), "", &classes[..1], &grouping).err().unwrap().to_string();
        assert!(error.contains("\"cat\" is not among `classes`"), "{error}");
    }
}
