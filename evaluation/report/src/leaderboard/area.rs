//! The area under a target's curve, from rows at several step sizes.

use std::collections::BTreeMap;

use fmr_core::metrics::{Area, Indicators, MetricsSettings};

use crate::compare::{Contender, STEP_SIZE, setting, target};

/// The area of a row's target: over all rows that differ from this one in their step size alone. `None` where there are no
/// others, or they have no image in common.
pub(super) fn of(row: &Contender<'_>, all: &[Contender<'_>], metrics: &MetricsSettings) -> Option<Area> {
    let family: BTreeMap<String, &Contender<'_>> = all
        .iter()
        .filter(|other| shared(other) == shared(row) && target(&other.results.plan) == target(&row.results.plan))
        .filter_map(|other| Some((setting(&other.results.plan).get(STEP_SIZE).map(|step| (*step).to_owned())?, other)))
        .collect();
    let in_all = |key: &&&str| family.values().all(|other| other.images.contains_key(**key));
    let keys: Vec<&str> = row.images.keys().filter(in_all).copied().collect();
    let mut points: Vec<(f64, Vec<Indicators>)> = Vec::new();
    for (step, other) in &family {
        points.push((step.parse().ok()?, keys.iter().map(|key| other.images[key]).collect()));
    }
    Area::of(&points, metrics.fmr_reading(), metrics.confidence).ok().flatten().filter(|area| area.images > 0)
}

/// What rows of one curve share.
fn shared<'r>(row: &Contender<'r>) -> (BTreeMap<&'r str, &'r str>, &'r [String]) {
    let mut fields = setting(&row.results.plan);
    fields.remove(STEP_SIZE);
    (fields, &row.results.plan.classes)
}
