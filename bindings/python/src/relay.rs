//! What a run tells, from its thread to the thread of the caller.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use fmr::core::Working;
use fmr::core::metrics::Ending;
use fmr::core::perturb::Perturbed;
use fmr::{Begun, Events, Phase};
use pyo3::prelude::*;

/// Something that happened.
pub(crate) enum Told {
    Begun { folder: PathBuf, images: usize, done: usize },
    Row { title: String, phase: &'static str },
    Batch(Vec<&'static str>),
    Working(Vec<String>),
    Warning(String),
}

impl Told {
    /// Calls the listener's method of that name.
    pub(crate) fn tell(self, listener: &Bound<'_, PyAny>) -> PyResult<()> {
        match self {
            Self::Begun { folder, images, done } => listener.call_method1("begun", (folder, images, done)),
            Self::Row { title, phase } => listener.call_method1("row", (title, phase)),
            Self::Batch(endings) => listener.call_method1("batch", (endings,)),
            Self::Working(what) => listener.call_method1("working", (what,)),
            Self::Warning(sentence) => listener.call_method1("warning", (sentence,)),
        }
        .map(drop)
    }
}

/// Sends on what happens. Nobody hears it where the caller is gone, and the run ends by its interrupt.
pub(crate) struct Relay(pub(crate) Sender<Told>);

impl Relay {
    fn send(&self, told: Told) {
        let _ = self.0.send(told);
    }
}

impl Events for Relay {
    fn begun(&self, begun: Begun<'_>) {
        let folder = begun.dir.map(Path::to_owned).unwrap_or_default();
        self.send(Told::Begun { folder, images: begun.images, done: begun.done });
    }

    fn row(&self, title: &str, phase: Phase) {
        let phase = match phase {
            Phase::Spread => "spread",
            Phase::Mask => "mask",
            Phase::Prepare => "prepare",
            Phase::Transfer => "transfer",
            _ => "measure",
        };
        self.send(Told::Row { title: title.to_owned(), phase });
    }

    fn batch(&self, batch: &[Perturbed]) {
        self.send(Told::Batch(batch.iter().map(|sample| Ending::of(&sample.record).name()).collect()));
    }

    fn working(&self, working: &[Working]) {
        let line = |w: &Working| format!("{}: {} ({} of {})", w.component, w.what, w.done, w.of);
        self.send(Told::Working(working.iter().map(line).collect()));
    }

    fn warning(&self, sentence: &str) {
        self.send(Told::Warning(sentence.to_owned()));
    }
}
