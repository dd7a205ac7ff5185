//! Words that several forms of the report share.

use fmr_core::SampleRecord;
use fmr_core::metrics::Ending;

/// How a sample's search ended, with the update where that says more.
pub fn ending(record: &SampleRecord) -> String {
    let (ending, t) = (Ending::of(record), record.ended_at);
    match ending {
        Ending::StoppedAtFirst | Ending::ReconstructionRejected | Ending::BudgetExhausted => ending.name().to_owned(),
        Ending::StoppedLater => format!("stopped at step {t}"),
        Ending::EarlyExit | Ending::Failed => format!("{} at step {t}", ending.name()),
    }
}
