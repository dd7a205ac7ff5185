//! The learning curve: one JSON object a line, in the order of the steps.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::recipe::TrainError;
use crate::session::{At, Figures};

/// `curve.jsonl` of a work folder.
pub(crate) struct Curve {
    path: PathBuf,
}

impl Curve {
    /// The curve of a training that goes on at step `next`. Lines of later steps, which a process wrote after its last
    /// checkpoint, and half a line at the end are taken away: those steps are done again.
    pub(crate) fn open(work: &Path, next: usize) -> Result<Self, TrainError> {
        let path = work.join("curve.jsonl");
        if path.exists() {
            let text = fs::read_to_string(&path).map_err(TrainError::io(&path))?;
            let kept: String = text.split_inclusive('\n').filter(|line| is_before(line, next)).collect();
            if kept != text {
                fs::write(&path, kept).map_err(TrainError::io(&path))?;
            }
        }
        Ok(Self { path })
    }

    /// Adds the figures of a step.
    pub(crate) fn add(&self, at: &At, rate: f64, figures: &Figures) -> Result<(), TrainError> {
        let mut row = Map::new();
        row.insert("step".into(), at.global.into());
        row.insert("epoch".into(), (at.epoch + 1).into());
        row.insert("rate".into(), rate.into());
        row.extend(figures.iter().map(|(k, v)| (k.clone(), (*v).into())));
        let open = OpenOptions::new().create(true).append(true).open(&self.path);
        let line = format!("{}\n", Value::Object(row));
        open.and_then(|mut file| file.write_all(line.as_bytes())).map_err(TrainError::io(&self.path))
    }
}

/// Whether a line is whole and of a step before `next`.
fn is_before(line: &str, next: usize) -> bool {
    let step = || serde_json::from_str::<Value>(line).ok()?.get("step")?.as_u64();
    line.ends_with('\n') && step().is_some_and(|step| step < next as u64)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_curve_has_every_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |global| At { epoch: 0, step: global, global, total: 100 };
        let curve = Curve::open(folder.path(), 0).unwrap();
        for step in [0, 20, 40] {
            curve.add(&at(step), 0.1, &vec![("loss".to_owned(), 1.0)]).unwrap();
        }
        let path = folder.path().join("curve.jsonl");
        let torn = fs::read_to_string(&path).unwrap() + "{\"step\":6";
        fs::write(&path, torn).unwrap();
        let resumed = Curve::open(folder.path(), 30).unwrap();
        resumed.add(&at(40), 0.1, &Vec::new()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let steps: Vec<u64> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, [0, 20, 40]);
    }
}
