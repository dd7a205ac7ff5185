//! The perturbed images of a run as folders of `class/image.png`, the form of the paper's static benchmarks
//! (appendix O).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fmr_core::SampleRecord;
use fmr_data::pixels::png;
use serde::Serialize;

use super::error::Asking as _;
use super::export::replace_file;
use super::rows::outcome_name;
use super::{RowPlan, RunStore, StoreError};

/// Name of the list of a folder's images.
const MANIFEST: &str = "manifest.csv";

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
    /// Writes the perturbed images of each cell as `FOLDER/cell/class/image.png`, 8 bits, with a `manifest.csv` a cell
    /// that says of each image where it came from and what was seen in it; gives the cells' folders.
    ///
    /// An image is written where the oracle accepted the reconstruction and the search did not fail: what the search
    /// refused is the untouched original, no new image. Names of target, generator and oracle come from the cell's
    /// notes `target`, `generator` and `oracle`, or else from the fields of its fingerprint with those names.
    ///
    /// # Errors
    /// The run cannot be read, the folder cannot be written, or images are neither grey nor RGB.
    pub fn export_images(&self, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        self.plan.rows.iter().map(|cell| self.export_cell(cell, folder)).collect()
    }

    fn export_cell(&self, cell: &RowPlan, folder: &Path) -> Result<PathBuf, StoreError> {
        let folder = folder.join(cell.file_name());
        fs::create_dir_all(&folder).asking(&folder, "make the folder")?;
        let [target, generator, oracle] = self.parts(cell)?;
        let class_folders = class_folders(cell);
        let (mut taken, mut lines) = (BTreeSet::new(), Vec::new());
        let records = self.records(&cell.id)?;
        for r in records.iter().filter(|r| is_new_image(r)) {
            let class = class_folders.get(&r.label).cloned().unwrap_or_else(|| cell.class(r.label));
            let mut file = format!("{class}/{}.png", file_name(&r.key));
            if !taken.insert(file.clone()) {
                file = format!("{class}/{}-{}.png", file_name(&r.key), r.index);
                taken.insert(file.clone());
            }
            let parent = folder.join(&class);
            fs::create_dir_all(&parent).asking(&parent, "make the folder")?;
            let image = self.images(&cell.id, r.index)?.final_image;
            let png = png(image.view()).map_err(|problem| StoreError::Sample {
                dir: self.dir.clone(),
                cell: cell.id.clone(),
                index: r.index,
                problem: format!("cannot be exported: {problem}"),
            })?;
            let path = folder.join(&file);
            fs::write(&path, png).asking(&path, "write the image")?;
            lines.push(Line {
                file,
                key: &r.key,
                label: r.label,
                class: cell.class(r.label),
                target: &target,
                generator: &generator,
                oracle: &oracle,
                outcome: outcome_name(r.outcome),
                accepted_updates: r.accepted_updates,
                target_class: cell.class(r.final_prediction),
                oracle_class: cell.class(r.final_oracle),
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
        Ok(folder)
    }

    /// Names of target, generator and oracle of a cell, as far as they are on record.
    fn parts(&self, cell: &RowPlan) -> Result<[String; 3], StoreError> {
        let notes = self.notes(&cell.id)?;
        Ok(["target", "generator", "oracle"].map(|part| match notes.get(part) {
            Some(serde_json::Value::String(name)) => name.clone(),
            _ => cell.fingerprint.get(part).cloned().unwrap_or_default(),
        }))
    }
}

fn is_new_image(record: &SampleRecord) -> bool {
    record.final_from.is_some() && !record.outcome.is_failure()
}

/// A folder for each class: its name, with its number where two names would share one.
fn class_folders(cell: &RowPlan) -> BTreeMap<usize, String> {
    let names: Vec<String> = cell.classes.iter().map(|name| file_name(name)).collect();
    let shared = |name: &str| names.iter().filter(|other| other.eq_ignore_ascii_case(name)).count() > 1;
    let folder = |(label, name): (usize, &String)| {
        (label, if name.is_empty() || shared(name) { format!("{name}-{label}") } else { name.clone() })
    };
    names.iter().enumerate().map(folder).collect()
}

/// A name that any file system takes.
fn file_name(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ') { c } else { '-' };
    name.chars().map(keep).collect::<String>().trim_matches(['.', ' ']).to_owned()
}
