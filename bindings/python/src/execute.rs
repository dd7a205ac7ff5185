//! An experiment, run for a Python program: the work on a thread of its own, the caller's thread free of the interpreter's
//! lock, awake for signals, and the only one that calls the program back.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use fmr::experiment::{Changes, Experiment};
use fmr::store::{Part, RunStore};
use fmr::{Error, Interrupt, Runner};
use pyo3::prelude::*;

use crate::objects::{Objects, Raised};
use crate::relay::{Relay, Told};
use crate::run::experiment_of;
use crate::{fork, logging, objects, raise};

/// Time between two looks at signals.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Runs an experiment and gives the run's folder.
///
/// `text` is that of the file `file`, or absent where it is to be read; relative paths start from the file's folder.
/// `values` are changes, each a dotted path and a JSON value. With `resume` the run in `out` goes on; without `file` by the
/// experiment that it keeps. `objects` holds what the bridge wrapped, by name. `listener` is told what happens.
#[pyfunction]
#[pyo3(signature = (*, file, text, profile, values, limit, out, resume, shard, objects, listener))]
#[expect(clippy::too_many_arguments, reason = "one call, by keyword, from one place")]
pub(crate) fn execute(
    py: Python<'_>,
    file: Option<PathBuf>,
    text: Option<String>,
    profile: Option<String>,
    values: Vec<(String, String)>,
    limit: Option<usize>,
    out: Option<PathBuf>,
    resume: bool,
    shard: Option<(usize, usize)>,
    objects: Objects,
    listener: Bound<'_, PyAny>,
) -> PyResult<PathBuf> {
    fork::claim(py)?;
    logging::install();
    let values = values.into_iter().map(|(key, json)| Ok((key, serde_json::from_str(&json)?)));
    let values = values.collect::<Result<_, serde_json::Error>>().map_err(raise::other)?;
    let part = shard.map_or(Ok(Part::WHOLE), |(index, of)| Part::new(index, of)).map_err(raise::other)?;
    let job = Job { file, text, changes: Changes { profile, values, limit }, out, resume, part, objects };
    let listener = listener.unbind();
    py.detach(|| job.watched(&listener))
}

struct Job {
    file: Option<PathBuf>,
    text: Option<String>,
    changes: Changes,
    out: Option<PathBuf>,
    resume: bool,
    part: Part,
    objects: Objects,
}

impl Job {
    /// Does the work on a thread and serves the caller's meanwhile. A signal, or an exception of the listener, ends it.
    fn watched(self, listener: &Py<PyAny>) -> PyResult<PathBuf> {
        let (interrupt, raised) = (Interrupt::default(), Raised::default());
        let (sender, receiver) = mpsc::channel();
        let mut stopped: Option<PyErr> = None;
        let done = std::thread::scope(|scope| {
            let worker = {
                let (interrupt, raised) = (interrupt.clone(), raised.clone());
                let relay = Relay(sender);
                scope.spawn(move || self.work(interrupt, &raised, &relay))
            };
            loop {
                let told = match receiver.recv_timeout(BETWEEN_LOOKS) {
                    Ok(told) => Some(told),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                if stopped.is_none()
                    && let Err(error) = look(told, listener)
                {
                    stopped = Some(error);
                    interrupt.hurry();
                }
            }
            worker.join()
        });
        if let Some(error) = stopped {
            return Err(error);
        }
        if let Some(cause) = raised.take() {
            return Err(Python::attach(|py| {
                let error = raise::named(py, "ModelError", "the model raised an exception, and the run ended there");
                error.set_cause(py, Some(cause));
                error
            }));
        }
        done.map_err(|_| raise::bug("the thread of the run panicked"))?.map_err(raise::error)
    }

    fn work(self, interrupt: Interrupt, raised: &Raised, relay: &Relay) -> Result<PathBuf, Error> {
        let experiment = self.experiment()?;
        if let (Some(dir), false) = (&self.out, self.resume) {
            RunStore::expect_new(dir)?;
        }
        let mut registry = fmr::registry_of(&experiment, &interrupt);
        objects::register(&mut registry, self.objects, &interrupt, raised);
        let prepared = fmr::prepare_until(experiment, &registry, &interrupt)?;
        let runner = Runner { interrupt, events: relay, part: self.part };
        let run = match (&self.out, self.resume) {
            (Some(dir), true) => runner.resume(&prepared, dir)?,
            (dir, _) => runner.run(&prepared, dir.as_deref())?,
        };
        Ok(run.dir().to_owned())
    }

    fn experiment(&self) -> Result<Experiment, Error> {
        Ok(match (&self.file, &self.text, &self.out) {
            (Some(file), Some(text), _) => {
                Experiment::parse(file, text.clone(), file.parent().unwrap_or(Path::new("")), &self.changes)?
            }
            (Some(file), None, _) => Experiment::read(file, &self.changes)?,
            (None, _, dir) => experiment_of(&RunStore::read(dir.as_deref().unwrap_or(Path::new("")))?)?,
        })
    }
}

/// Tells the listener what happened and lets Python handle its signals.
fn look(told: Option<Told>, listener: &Py<PyAny>) -> PyResult<()> {
    Python::attach(|py| {
        told.map_or(Ok(()), |told| told.tell(listener.bind(py)))?;
        py.check_signals()
    })
}
