//! The whole numbers behind the metrics (`protocol`, section 3).

use serde::{Deserialize, Serialize};

/// What the metrics see of one image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Indicators {
    /// The target was right on the image that SA is measured on.
    pub clean_correct: bool,
    /// The image counts as successfully produced.
    pub produced: bool,
    /// The target was right on the final image. Looked at only where `produced`.
    pub final_correct: bool,
}

impl Indicators {
    /// Produced, and the target right on the final image.
    pub(super) fn survives(&self) -> bool {
        self.produced && self.final_correct
    }
}

/// Counts of a set of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// n: images evaluated.
    pub n: usize,
    /// A: the target was right on the clean image.
    pub clean_correct: usize,
    /// V: counted as produced.
    pub produced: usize,
    /// Q: produced, and right on the final image.
    pub produced_correct: usize,
    /// QC: produced, right on the final image and on the clean one.
    pub produced_correct_and_clean_correct: usize,
    /// VC: produced, and right on the clean image.
    pub produced_and_clean_correct: usize,
}

impl Counts {
    /// Counts of the images.
    pub fn of<'a>(images: impl IntoIterator<Item = &'a Indicators>) -> Self {
        let mut counts = Self::default();
        for image in images {
            let (clean, produced, survives) = (image.clean_correct, image.produced, image.survives());
            counts.n += 1;
            counts.clean_correct += usize::from(clean);
            counts.produced += usize::from(produced);
            counts.produced_correct += usize::from(survives);
            counts.produced_correct_and_clean_correct += usize::from(survives && clean);
            counts.produced_and_clean_correct += usize::from(produced && clean);
        }
        counts
    }

    /// The six kinds of images that can be told apart, with how many there are of each; absent where the counts
    /// contradict each other.
    pub(super) fn cells(&self) -> Option<[(Indicators, usize); 6]> {
        let Self { n, clean_correct: a, produced: v, produced_correct: q, .. } = *self;
        let (qc, vc) = (self.produced_correct_and_clean_correct, self.produced_and_clean_correct);
        let cell = |clean_correct, produced, final_correct| Indicators { clean_correct, produced, final_correct };
        Some([
            (cell(true, true, true), qc),
            (cell(false, true, true), q.checked_sub(qc)?),
            (cell(true, true, false), vc.checked_sub(qc)?),
            (cell(false, true, false), (v + qc).checked_sub(vc + q)?),
            (cell(true, false, false), a.checked_sub(vc)?),
            (cell(false, false, false), (n + vc).checked_sub(v + a)?),
        ])
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cells_are_the_images(images in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 0..40)) {
            let images: Vec<Indicators> = images
                .into_iter()
                .map(|(clean_correct, produced, right)| Indicators { clean_correct, produced, final_correct: produced && right })
                .collect();
            for (cell, count) in Counts::of(&images).cells().unwrap() {
                prop_assert_eq!(images.iter().filter(|i| **i == cell).count(), count);
            }
        }
    }

    #[test]
    fn counts_that_contradict_each_other_have_no_cells() {
        assert!(Counts { n: 3, produced: 4, ..Counts::default() }.cells().is_none());
    }
}
