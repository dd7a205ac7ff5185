//! Which pictures of a folder or a tar are samples: those below class folders, at any depth, as torchvision's
//! `ImageFolder` finds them. What is left out is counted and named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fmr_core::shown;

use super::contents::{self, Contents};
use super::decode::{ENDINGS, Limits};
use super::picture::{Failure, Picture, Place};
use super::settings::Damaged;
use super::{DataError, Dataset, groups, order};

/// What the settings say of class folders.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'s> {
    /// Folder inside the container that holds the class folders.
    pub(super) prefix: &'s str,
    /// Classes in label order; default: all folders.
    pub(super) classes: &'s [String],
    /// Coarse classes made of folders.
    pub(super) grouping: &'s BTreeMap<String, String>,
    /// Number of folders that positions in `grouping` were written for.
    pub(super) folders: Option<usize>,
}

/// The pictures that are there; none is opened yet.
pub(super) struct Listing {
    pub(super) classes: Vec<String>,
    pub(super) labels: Vec<usize>,
    keys: Vec<String>,
    places: Vec<Place>,
    remarks: Vec<String>,
}

/// Lists the pictures of the classes wanted.
///
/// # Errors
/// The container cannot be read, holds no pictures in class folders, lacks a class, or a class folder holds none.
pub(super) fn list(path: &Path, wanted: Wanted<'_>) -> Result<Listing, DataError> {
    let refuse = |problem: String| Err(DataError::format(path, problem));
    let contents = contents::read(path, wanted.prefix)?;
    if let Some((name, what)) = contents.others.iter().find(|(name, _)| is_picture(name)) {
        return refuse(format!("{} is {what}; only files are read", shown::text(name)));
    }
    let (files, mut remarks) = sorted_out(&contents);
    if files.is_empty() {
        let there = shown::list(contents.folders.iter().map(String::as_str));
        let there = if there.is_empty() { "no folders".to_owned() } else { format!("the folders {there}") };
        return refuse(format!("no pictures as class/picture.jpg below {:?}, where there are {there}", wanted.prefix));
    }
    let filled: BTreeSet<&str> = files.iter().map(|file| file.class).collect();
    if wanted.classes.is_empty() && wanted.grouping.is_empty() {
        expect_class_folders(path, &files, &filled)?;
    }
    let (folders, remark) = order::of(contents.folders.iter().cloned());
    let empty: Vec<&str> = folders.iter().map(String::as_str).filter(|folder| !filled.contains(folder)).collect();
    let labels = Labels::of(path, wanted, &folders, &empty)?;
    if labels.follow_order {
        remarks.extend(remark);
    }
    remarks.extend(labels.remarks);
    let mut listing = Listing { classes: labels.classes, labels: vec![], keys: vec![], places: vec![], remarks };
    for file in files {
        let Some(label) = labels.of_folder.get(file.class) else { continue };
        listing.labels.push(*label);
        listing.keys.push(file.key.to_owned());
        listing.places.push(file.place.clone());
    }
    Ok(listing)
}

/// A picture below a class folder.
struct Found<'c> {
    /// Path below the prefix.
    key: &'c str,
    /// The folder at the top that it is in.
    class: &'c str,
    place: &'c Place,
}

fn is_picture(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// Pictures in class folders, by path, and sentences about everything else.
fn sorted_out(contents: &Contents) -> (Vec<Found<'_>>, Vec<String>) {
    let (mut found, mut loose, mut endings) = (Vec::new(), Vec::new(), BTreeMap::<String, Vec<&str>>::new());
    let others = contents.others.keys().map(|name| (name, None));
    for (key, place) in contents.files.iter().map(|(name, place)| (name, Some(place))).chain(others) {
        match (key.split_once('/'), place) {
            (Some((class, _)), Some(place)) if is_picture(key) => found.push(Found { key, class, place }),
            (None, _) if is_picture(key) => loose.push(key.as_str()),
            _ => {
                let name = key.rsplit('/').next().unwrap_or_default();
                let ending = name.rsplit_once('.').map_or("without an ending", |(_, ending)| ending);
                endings.entry(ending.to_lowercase()).or_default().push(key);
            }
        }
    }
    let mut remarks = Vec::new();
    let mut remark = |names: &[&str], what: &str| {
        if !names.is_empty() {
            let names = format!("{}: {}", names.len(), shown::list(names.iter().copied()));
            remarks.push(format!("{what} are left out, {names}"));
        }
    };
    for (ending, names) in &endings {
        let ending = if ending.contains(' ') { ending.clone() } else { format!("of type .{}", shown::text(ending)) };
        remark(names, &format!("files {ending}"));
    }
    remark(&loose, "pictures outside class folders");
    remark(&contents.hidden.iter().map(String::as_str).collect::<Vec<_>>(), "hidden files and folders");
    (found, remarks)
}

/// Refuses folders that are surely none of classes.
fn expect_class_folders(path: &Path, files: &[Found<'_>], filled: &BTreeSet<&str>) -> Result<(), DataError> {
    const SPLITS: [&str; 9] = ["train", "training", "test", "testing", "val", "valid", "validation", "eval", "dev"];
    let is_split = |name: &&str| SPLITS.contains(&name.to_lowercase().as_str());
    let is_nested = files.iter().all(|file| file.key.matches('/').count() > 1);
    if is_nested && (filled.len() == 1 || filled.iter().all(is_split)) {
        let there = shown::list(filled.iter().copied());
        let problem = format!("all pictures lie in folders inside {there}; `prefix` names the folder of class folders");
        return Err(DataError::format(path, problem));
    }
    Ok(())
}

/// Which label the pictures of a folder have.
struct Labels {
    classes: Vec<String>,
    of_folder: BTreeMap<String, usize>,
    /// Whether labels depend on the order of folders.
    follow_order: bool,
    remarks: Vec<String>,
}

impl Labels {
    fn of(path: &Path, wanted: Wanted<'_>, folders: &[String], empty: &[&str]) -> Result<Self, DataError> {
        let refuse = |problem: String| Err(DataError::format(path, problem));
        let emptied = |what: &str| {
            let names = shown::list(empty.iter().copied());
            refuse(format!("these folders hold no pictures: {names}; {what}"))
        };
        let mut labels =
            Self { classes: wanted.classes.to_vec(), of_folder: BTreeMap::new(), follow_order: false, remarks: vec![] };
        if wanted.grouping.is_empty() {
            if labels.classes.is_empty() {
                if !empty.is_empty() {
                    return emptied("fill or remove them, or list the classes in `classes`");
                }
                labels.classes = folders.to_vec();
                labels.follow_order = true;
            }
            let absent = |class: &&String| !folders.contains(class) || empty.contains(&class.as_str());
            if let Some(absent) = labels.classes.iter().find(absent) {
                let there = shown::list(folders.iter().map(String::as_str));
                return refuse(format!("no pictures of class {absent:?} below {:?}; found: {there}", wanted.prefix));
            }
            labels.of_folder = labels.classes.iter().enumerate().map(|(label, class)| (class.clone(), label)).collect();
        } else {
            if labels.classes.is_empty() {
                labels.classes = wanted.grouping.keys().cloned().collect();
            }
            if let Some(unused) = wanted.grouping.keys().find(|class| !labels.classes.contains(class)) {
                let problem = format!("class {unused:?} is not among `classes`");
                return Err(DataError::format(Path::new("grouping"), problem));
            }
            labels.follow_order = groups::has_positions(wanted.grouping);
            if labels.follow_order {
                groups::expect_number(path, folders, wanted.folders)?;
                if !empty.is_empty() {
                    return emptied(
                        "fill them, so that positions in `grouping` are what they were, or list folders by name",
                    );
                }
            }
            let names: Vec<&str> = folders.iter().map(String::as_str).collect();
            let assigned = groups::assign(path, wanted.grouping, &labels.classes, &names)?;
            let pairs = folders.iter().zip(assigned);
            labels.of_folder = pairs.filter_map(|(folder, label)| Some((folder.clone(), label?))).collect();
        }
        let unused: Vec<&str> =
            folders.iter().map(String::as_str).filter(|folder| !labels.of_folder.contains_key(*folder)).collect();
        if !unused.is_empty() {
            let (n, of, names) = (unused.len(), folders.len(), shown::list(unused));
            labels.remarks.push(format!("{n} of {of} class folders are left out, being of no class wanted: {names}"));
        }
        Ok(labels)
    }
}

impl Listing {
    /// The pictures at `indices`. Each is decoded once, to see that it can be, and not kept: memory does not grow with
    /// the pictures.
    pub(super) fn open(mut self, indices: &[usize], limits: Limits, damaged: Damaged) -> Result<Dataset, DataError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = indices.len().div_ceil(threads).max(1);
        let places = &self.places;
        type Opened = Vec<Result<Picture, Failure>>;
        let parts: Vec<Opened> = std::thread::scope(|scope| {
            let open = |part: &[usize]| part.iter().map(|i| Picture::filed(places[*i].clone(), limits)).collect();
            let workers: Vec<_> = indices.chunks(share).map(|part| scope.spawn(move || open(part))).collect();
            let joined = workers.into_iter().map(|worker| worker.join());
            joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let (mut pictures, mut kept, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for (i, opened) in indices.iter().zip(parts.into_iter().flatten()) {
            match (opened, damaged) {
                (Ok(picture), _) => {
                    pictures.push(picture);
                    kept.push(*i);
                }
                (Err(Failure::Refused(refusal)), Damaged::Skip) => skipped.push(format!("{} {refusal}", self.keys[*i])),
                (Err(failure), _) => return Err(places[*i].error(failure)),
            }
        }
        if !skipped.is_empty() {
            let (n, of, names) = (skipped.len(), indices.len(), shown::list(skipped.iter().map(String::as_str)));
            self.remarks.push(format!("{n} of {of} pictures cannot be evaluated and are skipped: {names}"));
        }
        Ok(Dataset {
            own: self.classes.clone(),
            classes: self.classes,
            pictures,
            labels: kept.iter().map(|i| self.labels[*i]).collect(),
            keys: kept.iter().map(|i| self.keys[*i].clone()).collect(),
            remarks: self.remarks,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::decode::JpegPixels;

    const LIMITS: Limits = Limits { pixels: 1 << 20, jpeg: JpegPixels::Image };
    const ALL: Wanted<'static> = Wanted { prefix: "", classes: &[], grouping: &BTreeMap::new(), folders: None };

    fn read(path: &Path, prefix: &str, classes: &[String]) -> Result<Dataset, DataError> {
        let listing = list(path, Wanted { prefix, classes, ..ALL })?;
        let all: Vec<usize> = (0..listing.labels.len()).collect();
        listing.open(&all, LIMITS, Damaged::Refuse)
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
        let listing = list(folder.path(), ALL).unwrap();
        assert_eq!(listing.labels, [0, 0]);
        let data = listing.open(&[1], LIMITS, Damaged::Refuse).unwrap();
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
        assert!(error(&["cow"]).contains("no pictures of class \"cow\""));
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
        assert!(error.contains("no pictures as class/picture.jpg"), "{error}");
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
        let listing = list(folder.path(), Wanted { classes: &classes, grouping: &grouping, ..ALL }).unwrap();
        assert_eq!((&listing.classes[..], &listing.labels[..]), (&classes[..], &[1, 0, 0][..]));
        let error = list(folder.path(), Wanted { classes: &classes[..1], grouping: &grouping, ..ALL })
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("\"cat\" is not among `classes`"), "{error}");
    }
}
