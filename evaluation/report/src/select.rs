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
        let members = records.iter().enumerate().filter(|(_, record)| group(record));
        order.extend(in_turn(members.map(|(at, record)| (record.label, at))));
        if order.len() >= most {
            break;
        }
    }
    order.truncate(most);
    order
}

/// Positions of samples, each given with its class, in turn over the classes.
pub(crate) fn in_turn(samples: impl IntoIterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut by_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (class, at) in samples {
        by_class.entry(class).or_default().push(at);
    }
    let longest = by_class.values().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|turn| by_class.values().filter_map(move |of_class| of_class.get(turn)).copied()).collect()
}

/// At least one update stands, and the search did not fail.
pub(crate) fn perturbed(record: &SampleRecord) -> bool {
    record.accepted_updates > 0 && !record.outcome.is_failure()
}

/// The target was right and is wrong on the perturbed image.
pub(crate) fn changed(record: &SampleRecord) -> bool {
    perturbed(record) && record.clean_prediction == Some(record.label) && record.final_prediction != Some(record.label)
}
