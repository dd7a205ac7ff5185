//! What can end a command early.

use std::path::PathBuf;

use fmr_benchmark::BenchmarkError;
use fmr_core::perturb::PerturbError;
use fmr_data::DataError;
use fmr_experiment::ConfigError;
use fmr_mask::MaskError;
use fmr_report::ReportError;
use fmr_store::StoreError;

use crate::prepare::ReadyRow;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The experiment file is wrong, or names something that is.
    #[error(transparent)]
    Config(Box<ConfigError>),
    /// The run's folder cannot be made, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An image that was there when the run began cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A batch could not be perturbed.
    #[error(transparent)]
    Perturb(#[from] PerturbError),
    /// The report could not be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// No row of the experiment can run on this machine.
    #[error("no row of {} can run here; what it lacks:\n{needs}", file.display())]
    NothingToRun {
        /// The experiment file.
        file: PathBuf,
        /// What to get, a line each.
        needs: String,
    },
    /// What shards share is to be made, and there is no place for it.
    #[error(
        "{} names no folder for what shards share: set run.cache to one that all machines see (--set run.cache=DIR, here and \
         for every shard)",
        file.display()
    )]
    NoCache {
        /// The experiment file.
        file: PathBuf,
    },
    /// The mask of a row cannot be learned, or does not fit the row.
    #[error("{row}: {problem}")]
    Mask {
        /// The row.
        row: String,
        /// What is wrong.
        problem: MaskError,
    },
    /// Images are to be shown to further targets or oracles, and the run keeps rounded ones.
    #[error(
        "{row}: the run keeps final images rounded to 8 bits, and others are to be shown the exact ones: run the \
         experiment with run.keep-exact-finals = true"
    )]
    RoundedFinals {
        /// The row.
        row: String,
    },
    /// Images of a run that do not belong together.
    #[error("{row}: the run's images cannot be put together ({problem})")]
    Images {
        /// The row.
        row: String,
        /// What is wrong.
        problem: String,
    },
    /// A run's mask is gone, and learning it again gave another.
    #[error(
        "{row}: {} is not the mask that the run began with, and learning it again gave another one: a component is not \
         deterministic; put the file back or begin a new run",
        path.display()
    )]
    MaskChanged {
        /// The row.
        row: String,
        /// Where the mask belongs.
        path: PathBuf,
    },
    /// A static benchmark cannot be written or read.
    #[error(transparent)]
    Benchmark(#[from] BenchmarkError),
    /// A component is not what the run was made with.
    #[error(
        "{row}: {field} is not what the run was made with, so that its verdicts cannot be checked again; put the files back \
         that the experiment names"
    )]
    OtherComponents {
        /// The row.
        row: String,
        /// The field of the fingerprint that differs.
        field: String,
    },
    /// A row is not finished.
    #[error("{row}: {done} of {of} images are done; `fmr resume {}` does the others", dir.display())]
    Unfinished {
        /// The row.
        row: String,
        /// Images done.
        done: usize,
        /// Images that there are to do.
        of: usize,
        /// The run's folder.
        dir: PathBuf,
    },
    /// A target cannot be evaluated on a benchmark.
    #[error("target {target:?}: {problem}")]
    Target {
        /// The target.
        target: String,
        /// What is wrong.
        problem: String,
    },
    /// The user stopped a command that leaves nothing behind.
    #[error("stopped; nothing was written")]
    Stopped,
    /// The user stopped the run.
    #[error("stopped; `fmr resume {}` goes on where it stopped", dir.display())]
    Interrupted {
        /// The run's folder.
        dir: PathBuf,
    },
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(Box::new(error))
    }
}

impl Error {
    /// An error about a row's mask.
    pub(crate) fn mask(row: &ReadyRow, problem: MaskError) -> Self {
        Self::Mask { row: row.plan.id.clone(), problem }
    }
}
