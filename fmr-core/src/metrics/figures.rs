//! All figures of one set of samples.

use serde::{Deserialize, Serialize};

use super::{Counts, Endings, Indicators, MetricsSettings, Proportion, Ratio, Reading, VrOver};
use crate::SampleRecord;

/// A mean of whole numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mean {
    /// Their sum.
    pub sum: usize,
    /// How many.
    pub of: usize,
    /// `sum / of`, or the mean over classes in macro figures; absent where undefined.
    pub value: Option<f64>,
}

impl Mean {
    /// `sum` over `of`.
    pub fn of(sum: usize, of: usize) -> Self {
        Self { sum, of, value: (of > 0).then(|| sum as f64 / of as f64) }
    }
}

/// SA, PA, VR, FMR and what stands beside them, of a set of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Figures {
    /// Samples evaluated.
    pub n: usize,
    /// The whole numbers.
    pub counts: Counts,
    /// Standard accuracy, over the images that `metrics.sa-over` names.
    pub sa: Proportion,
    /// Perturbed accuracy, over the images that `metrics.pa-over` names.
    pub pa: Proportion,
    /// Foundation Model-oriented Robustness.
    pub fmr: Ratio,
    /// Validation rate, over the images that `metrics.vr-over` names.
    pub vr: Proportion,
    /// Samples whose reconstruction the oracle accepted.
    pub reconstructed: Proportion,
    /// Target's accuracy on reconstructions.
    pub reconstruction_accuracy: Proportion,
    /// Oracle's accuracy on originals.
    pub oracle_clean: Proportion,
    /// Oracle's accuracy on reconstructions.
    pub oracle_reconstruction: Proportion,
    /// Accepted updates of a sample, over those whose reconstruction was accepted.
    pub accepted_updates: Mean,
    /// How the samples ended.
    pub endings: Endings,
}

impl Figures {
    /// PA / SA of these figures as they are printed. Equals [`Figures::fmr`] for pooled figures; for macro ones it is
    /// the ratio of the means, where `fmr` is the mean of the ratios.
    pub fn fmr_of_means(&self) -> Option<f64> {
        self.pa.value.zip(self.sa.value.filter(|sa| *sa > 0.0)).map(|(pa, sa)| pa / sa)
    }

    /// Figures of `records`, one set of samples of the run that `reading` reads. `names` are those of the classes:
    /// to the oracle, classes of one name are one.
    pub(super) fn of(
        records: &[&SampleRecord],
        reading: &Reading<'_>,
        names: &[String],
        settings: &MetricsSettings,
    ) -> Self {
        let n = records.len();
        let endings = Endings::of(records.iter().copied());
        // Of samples that all failed nothing is known.
        let known = endings.failed < n;
        let share = |hits, of| match known {
            true => Proportion::of(hits, of, settings.confidence),
            false => Proportion { hits, of, value: None, interval: None },
        };
        let count = |holds: &dyn Fn(&SampleRecord) -> bool| records.iter().filter(|r| holds(r)).count();
        let same_name = |a: usize, b: usize| a == b || names.get(a).zip(names.get(b)).is_some_and(|(a, b)| a == b);
        let right = |seen: Option<usize>, label| seen.is_some_and(|class| same_name(class, label));

        let images: Vec<Indicators> = records.iter().map(|r| reading.indicators(r)).collect();
        let counts = Counts::of(&images);
        let fmr_reading = settings.fmr_reading();
        let (sa, pa) = (fmr_reading.sa(&counts), fmr_reading.pa(&counts));
        let reconstructed = count(&|r| r.reconstruction_accepted);
        let vr_over = match settings.vr_over {
            VrOver::All => n,
            VrOver::Reconstructed => reconstructed,
        };
        let accepted = records.iter().filter(|r| r.reconstruction_accepted).map(|r| r.accepted_updates).sum();
        Self {
            n,
            counts,
            sa: share(sa.0, sa.1),
            pa: share(pa.0, pa.1),
            fmr: if known { Ratio::of(&counts, fmr_reading, settings.confidence) } else { Ratio::UNDEFINED },
            vr: share(counts.produced, vr_over),
            reconstructed: share(reconstructed, n),
            reconstruction_accuracy: share(count(&|r| r.reconstruction_prediction == Some(r.label)), n),
            oracle_clean: share(count(&|r| right(r.clean_oracle, r.label)), n),
            oracle_reconstruction: share(count(&|r| right(r.reconstruction_oracle, r.label)), n),
            accepted_updates: Mean::of(accepted, reconstructed),
            endings,
        }
    }
}
