//! SA, PA, VR and FMR from what happened to the samples, with intervals, and comparisons of models (`protocol`,
//! section 3).
//!
//! n images are evaluated; the target is right on A of the clean ones; V count as successfully produced; on Q of these
//! the target is right on the final image. SA = A/n, PA = Q/V, VR = V/n, FMR = PA/SA; [`MetricsSettings`] selects other
//! readings. All figures are fractions, not percent, and absent where undefined.

mod agreement;
mod area;
mod average;
mod bootstrap;
mod comparison;
mod counts;
mod effort;
mod endings;
mod figures;
mod fmr;
mod groups;
mod kendall;
mod mcnemar;
mod normal;
mod paired;
pub mod pooling;
mod proportion;
mod ranking;
mod raters;
mod reading;
pub mod sample_size;
mod settings;
mod summary;
#[cfg(test)]
mod tests;

pub use agreement::Agreement;
pub use area::Area;
pub use bootstrap::{Bootstrap, ExactBootstrap, resampled_fmr, resamples};
pub use comparison::{Comparison, POWER, Pair};
pub use counts::{Counts, Indicators};
pub use effort::Effort;
pub use endings::{Ending, Endings};
pub use figures::{Figures, Mean};
pub use fmr::{FmrReading, IntervalMethod, Ratio};
pub use groups::groups;
pub use kendall::{Kendall, RankMethod};
pub use mcnemar::McNemar;
pub use paired::{ComparisonError, PairedFmr, aligned, repeated};
pub use proportion::{Interval, Proportion};
pub use ranking::Stability;
pub use raters::{Votes, cohens_kappa, fleiss_kappa, gwets_ac1, pairwise_agreement};
pub use reading::Reading;
pub use settings::{Average, MetricsSettings, PaOver, Produced, SaOn, SaOver, VrOver};
pub use summary::{ClassFigures, Failure, Summary};
