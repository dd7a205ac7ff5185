//! Tables of a run as files that other programs read: JSON Lines and CSV.
//!
//! Classes stand as numbers and names. A number that is not finite is `null` in JSON and `NaN`, `inf` or `-inf` in CSV;
//! what is not known is `null`, or an empty field.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use fmr_core::{SampleRecord, StepRecord};
use serde::Serialize;

use super::error::Asking as _;
use super::rows::outcome_name;
use super::{RowPlan, RunStore, StoreError};

/// One sample, flat.
#[derive(Serialize)]
struct SampleRow<'a> {
    cell: &'a str,
    index: usize,
    key: &'a str,
    label: usize,
    class: String,
    clean_prediction: Option<usize>,
    clean_oracle: Option<usize>,
    reconstruction_prediction: Option<usize>,
    reconstruction_oracle: Option<usize>,
    reconstruction_accepted: bool,
    score0: f64,
    final_score: f64,
    final_prediction: Option<usize>,
    final_prediction_class: String,
    final_oracle: Option<usize>,
    final_oracle_class: String,
    outcome: &'static str,
    ended_at: usize,
    accepted_updates: usize,
    final_from: Option<usize>,
    finished: Option<bool>,
    latent_moved: f64,
    error: Option<&'a str>,
}

/// One sample with its steps.
#[derive(Serialize)]
struct SampleLine<'a> {
    #[serde(flatten)]
    sample: SampleRow<'a>,
    steps: &'a [StepRecord],
}

/// One step, flat.
#[derive(Serialize)]
struct StepRow<'a> {
    cell: &'a str,
    index: usize,
    key: &'a str,
    t: usize,
    score: f64,
    gradient_norm: f64,
    oracle_true: Option<f32>,
    oracle_class: Option<usize>,
    prediction: Option<usize>,
    accepted: bool,
}

impl<'a> SampleRow<'a> {
    fn of(cell: &'a RowPlan, r: &'a SampleRecord) -> Self {
        let name = |class: Option<usize>| class.map_or_else(String::new, |class| cell.class(class));
        Self {
            cell: &cell.id,
            index: r.index,
            key: &r.key,
            label: r.label,
            class: cell.class(r.label),
            clean_prediction: r.clean_prediction,
            clean_oracle: r.clean_oracle,
            reconstruction_prediction: r.reconstruction_prediction,
            reconstruction_oracle: r.reconstruction_oracle,
            reconstruction_accepted: r.reconstruction_accepted,
            score0: r.score0,
            final_score: r.final_score,
            final_prediction: r.final_prediction,
            final_prediction_class: name(r.final_prediction),
            final_oracle: r.final_oracle,
            final_oracle_class: name(r.final_oracle),
            outcome: outcome_name(r.outcome),
            ended_at: r.ended_at,
            accepted_updates: r.accepted_updates,
            final_from: r.final_from,
            finished: r.finished,
            latent_moved: r.latent_moved,
            error: r.error.as_deref(),
        }
    }
}

impl<'a> StepRow<'a> {
    fn of(cell: &'a RowPlan, sample: &'a SampleRecord, s: &StepRecord) -> Self {
        Self {
            cell: &cell.id,
            index: sample.index,
            key: &sample.key,
            t: s.t,
            score: s.score,
            gradient_norm: s.gradient_norm,
            oracle_true: s.oracle_true,
            oracle_class: s.oracle_class,
            prediction: s.prediction,
            accepted: s.accepted,
        }
    }
}

impl RunStore {
    /// Writes `samples.jsonl` (a sample a line, with its steps), `samples.csv` and `steps.csv` of all cells into a
    /// folder, which is made where needed, and gives their paths.
    ///
    /// # Errors
    /// The run cannot be read, or the folder cannot be written.
    pub fn export_tables(&self, folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
        fs::create_dir_all(folder).asking(folder, "make the folder")?;
        let export = |name: &str, write: &dyn Fn(&mut dyn Write) -> Result<(), Trouble>| {
            let path = folder.join(name);
            replace_file(&path, write)?;
            Ok(path)
        };
        Ok(vec![
            export("samples.jsonl", &|out| self.write_jsonl(out))?,
            export("samples.csv", &|out| self.write_samples_csv(out))?,
            export("steps.csv", &|out| self.write_steps_csv(out))?,
        ])
    }

    fn write_jsonl(&self, out: &mut dyn Write) -> Result<(), Trouble> {
        for cell in &self.plan.rows {
            for record in self.records(&cell.id)? {
                let line = SampleLine { sample: SampleRow::of(cell, &record), steps: &record.steps };
                serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }

    fn write_samples_csv(&self, out: &mut dyn Write) -> Result<(), Trouble> {
        let mut table = csv::Writer::from_writer(out);
        for cell in &self.plan.rows {
            for record in self.records(&cell.id)? {
                table.serialize(SampleRow::of(cell, &record))?;
            }
        }
        Ok(table.flush()?)
    }

    fn write_steps_csv(&self, out: &mut dyn Write) -> Result<(), Trouble> {
        let mut table = csv::Writer::from_writer(out);
        for cell in &self.plan.rows {
            for record in self.records(&cell.id)? {
                for step in &record.steps {
                    table.serialize(StepRow::of(cell, &record, step))?;
                }
            }
        }
        Ok(table.flush()?)
    }
}

/// What can stop an export half way.
pub(super) enum Trouble {
    Store(StoreError),
    Write(io::Error),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<csv::Error> for Trouble {
    fn from(error: csv::Error) -> Self {
        Self::Write(error.into())
    }
}

/// Writes a file beside `path` and then gives it that name, so that no half-written file ever has it.
pub(super) fn replace_file(
    path: &Path,
    write: &dyn Fn(&mut dyn Write) -> Result<(), Trouble>,
) -> Result<(), StoreError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.partial"));
    let fill = || -> Result<(), Trouble> {
        let mut out = BufWriter::new(File::create(&partial)?);
        write(&mut out)?;
        out.flush()?;
        drop(out);
        Ok(fs::rename(&partial, path)?)
    };
    fill().or_else(|trouble| {
        // The error that matters is the first.
        let _ = fs::remove_file(&partial);
        match trouble {
            Trouble::Store(error) => Err(error),
            Trouble::Write(error) => Err(error).asking(path, "write"),
        }
    })
}
