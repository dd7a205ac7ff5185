//! What a run tells while it works.

use std::path::Path;

use fmr_core::Working;
use fmr_core::perturb::Perturbed;

/// A run that begins or is resumed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Begun<'a> {
    /// The run's folder; absent where a mask is learned without a run.
    pub dir: Option<&'a Path>,
    /// Images to perturb, those that masks are learned from included.
    pub images: usize,
    /// Images that an earlier process has finished already.
    pub done: usize,
}

impl<'a> Begun<'a> {
    pub(crate) fn new(dir: Option<&'a Path>, images: usize, done: usize) -> Self {
        Self { dir, images, done }
    }
}

/// Why images are perturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// To learn how far the generator's encodings spread: some images are encoded.
    Spread,
    /// To learn the row's mask from them.
    Mask,
    /// To keep for shards and later runs what does not depend on a target.
    Prepare,
    /// To measure the row.
    Measure,
    /// To show its images to further targets and oracles.
    Transfer,
}

/// Listens to a run: a progress bar, a log, a notebook. Every method has a default that does nothing.
///
/// All calls come from the thread that called [`Runner`](crate::Runner), in the order of the work.
///
/// ```
/// use std::cell::Cell;
///
/// use fmr::core::perturb::Perturbed;
///
/// #[derive(Default)]
/// struct Count(Cell<usize>);
///
/// impl fmr::Events for Count {
///     fn batch(&self, batch: &[Perturbed]) {
///         self.0.set(self.0.get() + batch.len());
///     }
/// }
///
/// let count = Count::default();
/// let runner = fmr::Runner { events: &count, ..fmr::Runner::default() };
/// # let _ = runner;
/// ```
pub trait Events {
    /// The run begins; its folder is there.
    fn begun(&self, _: Begun<'_>) {}

    /// The images that follow belong to the row with this title.
    fn row(&self, _title: &str, _: Phase) {}

    /// A batch is finished. Where a row is measured, it is in the store already.
    fn batch(&self, _: &[Perturbed]) {}

    /// What components work on that takes long, such as the inversion of one image: told while the run waits for a
    /// batch, whenever it has changed. Nothing is under way any more where there is none.
    fn working(&self, _: &[Working]) {}

    /// Something a user should know that does not end the run, in a sentence.
    fn warning(&self, _sentence: &str) {}

    /// All rows are done. Not called for a run that ends early.
    fn finished(&self) {}
}

/// Listens to nothing.
impl Events for () {}
