//! What people see while a run works.

use std::cell::RefCell;

use fmr_core::Outcome;
use fmr_core::perturb::Perturbed;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over all samples of a run, with how the searches of the present cell ended.
pub(crate) struct Progress {
    bar: ProgressBar,
    cell: RefCell<Counts>,
}

#[derive(Default)]
struct Counts {
    title: String,
    budget: usize,
    stopped: usize,
    rejected: usize,
    failed: usize,
}

impl Progress {
    pub(crate) fn new(samples: usize, quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(samples as u64), target);
        // The template is a constant; were it wrong the default style would serve.
        if let Ok(style) = ProgressStyle::with_template("{bar:28} {pos}/{len} {eta:>4}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(500));
        Self { bar, cell: RefCell::default() }
    }

    /// The samples that follow belong to this cell.
    pub(crate) fn begin(&self, title: &str) {
        *self.cell.borrow_mut() = Counts { title: title.to_owned(), ..Counts::default() };
        self.bar.set_message(self.cell.borrow().to_string());
    }

    /// Samples are finished.
    pub(crate) fn add(&self, batch: &[Perturbed]) {
        let mut counts = self.cell.borrow_mut();
        for sample in batch {
            match sample.record.outcome {
                Outcome::BudgetReached | Outcome::EarlyExit => counts.budget += 1,
                Outcome::StoppedByOracle => counts.stopped += 1,
                Outcome::ReconstructionRejected => counts.rejected += 1,
                Outcome::Failed | Outcome::ComponentFailed => counts.failed += 1,
            }
        }
        self.bar.set_message(counts.to_string());
        self.bar.inc(batch.len() as u64);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} to the end, {} stopped, {} rejected", self.title, self.budget, self.stopped, self.rejected)?;
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        Ok(())
    }
}
