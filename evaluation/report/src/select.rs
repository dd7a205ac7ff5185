//! Which samples are shown where not all can be.

use std::collections::BTreeMap;

use fmr_core::SampleRecord;

/// Positions in `records` of at most `most` samples to show: those whose prediction the perturbation changed first, then
/// other perturbed ones, then those that were never perturbed; within each group in turn over the true classes, and
/// within a class by index.
pub fn select_samples(records: &[SampleRecord], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let groups: [fn(&SampleRecord) -> bool; 3] = [changed, |r| perturbed(r) && !changed(r), |r| !perturbed(r)];
    for group in groups {
        let mut by_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            if group(record) {
                by_class.entry(record.label).or_default().push(at);
            }
        }
        let longest = by_class.values().map(Vec::len).max().unwrap_or(0);
        for turn in 0..longest {
            order.extend(by_class.values().filter_map(|of_class| of_class.get(turn)));
        }
        if order.len() >= most {
            break;
        }
    }
    order.truncate(most);
    order
}

/// At least one update stands, and the search did not fail.
pub(crate) fn perturbed(record: &SampleRecord) -> bool {
    record.accepted_updates > 0 && !record.outcome.is_failure()
}

/// The target was right and is wrong on the perturbed image.
pub(crate) fn changed(record: &SampleRecord) -> bool {
    perturbed(record) && record.clean_prediction == Some(record.label) && record.final_prediction != Some(record.label)
}
