//! The perturbed images of a run as folders of `class/image.png`, the form of the paper's static benchmarks
//! (appendix O).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use fmr_core::SampleRecord;
use fmr_core::metrics::Ending;
use fmr_files::{Names, safe_name};
use serde::Serialize;

use super::error::Asking as _;
use super::export::replace_file;
use super::{RowPlan, RowResults, RunResults, RunStore, StoreError};

/// Name of the list of a folder's images.
const MANIFEST: &str = "manifest.csv";
/// The list of an earlier export, as long as its images are replaced.
const EARLIER: &str = ".manifest-earlier.csv";

/// One image of the folder.
#[derive(Serialize)]
struct Line<'a> {
    file: String,
    key: &'a str,
    label: usize,
    class: String,
    target: &'a str,
    generator: &'a str,
    oracle: &'a str,
    outcome: &'static str,
    accepted_updates: usize,
    target_class: String,
    oracle_class: String,
}

impl RunStore {
    /// Writes the perturbed images of each row as `FOLDER/row/class/image.png`, 8 bits, with a `manifest.csv` a row
    /// that says of each image where it came from and what was seen in it; gives the rows' folders. `results` are this
    /// run's.
    ///
    /// What an earlier export listed and this one does not is removed.
    ///
    /// An image is written where the oracle accepted the reconstruction and the search did not fail: what the search
    /// refused is the untouched original, no new image. Names of target, generator and oracle come from the row's
    /// facts, or else from the fields of its fingerprint with those names.
    ///
    /// # Errors
    /// The run cannot be read, the folder cannot be written, or images are neither grey nor RGB.
    pub fn export_images(&self, results: &RunResults, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        results.rows.iter().map(|row| self.export_row(row, folder)).collect()
    }

    fn export_row(&self, results: &RowResults, folder: &Path) -> Result<PathBuf, StoreError> {
        let row = &results.plan;
        let folder = folder.join(row.file_name());
        fs::create_dir_all(&folder).asking(&folder, "make the folder")?;
        let earlier = Earlier::of(&folder).asking(&folder, "replace the images")?;
        let [target, generator, oracle] = components(results);
        let class_folders = class_folders(row);
        let (mut taken, mut lines) = (BTreeMap::new(), Vec::new());
        for r in results.records.iter().filter(|r| is_new_image(r)) {
            let class = class_folders.get(&r.label).cloned().unwrap_or_else(|| r.label.to_string());
            let names: &mut Names = taken.entry(r.label).or_default();
            let file = format!("{class}/{}.png", names.unique(&r.key.replace('/', "-")));
            let parent = folder.join(&class);
            fs::create_dir_all(&parent).asking(&parent, "make the folder")?;
            let [_, _, png] = self.pngs(&row.id, r.index)?;
            let path = folder.join(&file);
            // A run has many, and holds them all: to wait for the disk each time would take most of a report's time.
            fmr_files::replace_soon(&path, &png).asking(&path, "write the image")?;
            lines.push(Line {
                file,
                key: &r.key,
                label: r.label,
                class: row.class(r.label),
                target: &target,
                generator: &generator,
                oracle: &oracle,
                outcome: Ending::of(r).name(),
                accepted_updates: r.accepted_updates,
                target_class: row.class(r.final_prediction),
                oracle_class: row.class(r.final_oracle),
            });
        }
        // Last, so that a list is there only where its images are.
        replace_file(&folder.join(MANIFEST), &|out| {
            let mut table = csv::Writer::from_writer(out);
            for line in &lines {
                table.serialize(line)?;
            }
            Ok(table.flush()?)
        })?;
        let files: BTreeSet<&str> = lines.iter().map(|line| line.file.as_str()).collect();
        earlier.remove_but(&folder, &files).asking(&folder, "remove images of an earlier export")?;
        // An export that was killed leaves the file that it was writing.
        let parents: BTreeSet<&Path> = files.iter().filter_map(|file| Path::new(file).parent()).collect();
        for parent in std::iter::once(Path::new("")).chain(parents) {
            let parent = folder.join(parent);
            fmr_files::remove_partials(&parent).asking(&parent, "remove the temporary files of a killed export")?;
        }
        Ok(folder)
    }
}

/// Images that earlier exports listed.
struct Earlier(BTreeSet<String>);

impl Earlier {
    /// Puts the list of a folder aside, as its images are about to be replaced. Where a process died of that before, its
    /// list counts too.
    fn of(folder: &Path) -> io::Result<Self> {
        let (current, aside) = (folder.join(MANIFEST), folder.join(EARLIER));
        let mut files = listed(&aside)?;
        files.extend(listed(&current)?);
        if !files.is_empty() {
            let list = files.iter().fold("file\n".to_owned(), |list, file| list + file + "\n");
            fmr_files::replace(&aside, list.as_bytes())?;
        }
        match fs::remove_file(&current) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self(files)),
        }
    }

    /// Removes the images that are not among those.
    fn remove_but(self, folder: &Path, kept: &BTreeSet<&str>) -> io::Result<()> {
        let gone = |removed: io::Result<()>| match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        for file in self.0.iter().filter(|file| !kept.contains(file.as_str())) {
            gone(fs::remove_file(folder.join(file)))?;
        }
        gone(fs::remove_file(folder.join(EARLIER)))
    }
}

/// The images that a list names, but for names that lead out of its folder. None where there is no list.
fn listed(list: &Path) -> io::Result<BTreeSet<String>> {
    let mut table = match fs::File::open(list) {
        Ok(file) => csv::Reader::from_reader(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    if table.headers().map_or(true, |header| header.get(0) != Some("file")) {
        // Somebody else's table.
        return Ok(BTreeSet::new());
    }
    let file = |line: csv::StringRecord| line.get(0).map(str::to_owned);
    let inside = |file: &String| {
        let path = Path::new(file);
        file.ends_with(".png") && path.components().all(|part| matches!(part, Component::Normal(_)))
    };
    Ok(table.records().flatten().filter_map(file).filter(inside).collect())
}

/// Names of target, generator and oracle of a row, as far as they are on record.
fn components(results: &RowResults) -> [String; 3] {
    match &results.facts.components {
        Some(names) => [names.target.clone(), names.generator.clone(), names.oracle.clone()],
        None => ["target", "generator", "oracle"]
            .map(|part| results.plan.fingerprint.get(part).cloned().unwrap_or_default()),
    }
}

fn is_new_image(record: &SampleRecord) -> bool {
    record.final_from.is_some() && !record.outcome.is_failure()
}

/// A folder for each class: its name, with its number where two names would share one.
fn class_folders(row: &RowPlan) -> BTreeMap<usize, String> {
    let names: Vec<String> = row.classes.iter().map(|name| safe_name(name)).collect();
    let shared = |name: &str| names.iter().filter(|other| other.to_lowercase() == name.to_lowercase()).count() > 1;
    let folder =
        |(label, name): (usize, &String)| (label, if shared(name) { format!("{name}-{label}") } else { name.clone() });
    names.iter().enumerate().map(folder).collect()
}
