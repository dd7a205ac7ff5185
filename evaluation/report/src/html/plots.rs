//! What the charts of a cell show, from its records.

use fmr_core::{Outcome, SampleRecord};
use fmr_store::RowPlan;

use super::super::sheet::perturbed;
use super::escape;
use super::svg::{Chart, confusion};

/// Confusion is drawn for up to this many classes, listed for more.
const MOST_CLASSES: usize = 16;

/// Share of samples, in percent, that the oracle had not refused and that had not failed, after 0, 1, 2 … updates.
pub(super) fn accepted(records: &[SampleRecord]) -> Vec<f64> {
    let last = records.iter().map(|r| r.ended_at).max().unwrap_or(0);
    let stands = |r: &SampleRecord, t: usize| match r.outcome {
        Outcome::ReconstructionRejected => false,
        Outcome::StoppedByOracle | Outcome::Failed | Outcome::ComponentFailed => t < r.ended_at,
        Outcome::BudgetReached | Outcome::EarlyExit => true,
    };
    let share = |t: usize| {
        let standing = records.iter().filter(|r| stands(r, t)).count();
        100.0 * standing as f64 / records.len().max(1) as f64
    };
    (0..=last).map(share).collect()
}

/// Rise of the score above that of the reconstruction after 0, 1, 2 … updates: median and middle half of the samples
/// that were still going.
pub(super) fn rise(records: &[SampleRecord]) -> (Vec<f64>, Vec<(f64, f64)>) {
    let last = records.iter().map(|r| r.steps.len()).max().unwrap_or(0);
    let mut median = Vec::new();
    let mut middle = Vec::new();
    for t in 0..last {
        let rises = records.iter().filter_map(|r| r.steps.get(t).map(|s| s.score - r.score0));
        let mut rises: Vec<f64> = rises.filter(|v| v.is_finite()).collect();
        if rises.is_empty() {
            break;
        }
        rises.sort_by(f64::total_cmp);
        median.push(quantile(&rises, 0.5));
        middle.push((quantile(&rises, 0.25), quantile(&rises, 0.75)));
    }
    (median, middle)
}

/// Quantile of sorted values, between neighbours in proportion.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (at - at.floor())
}

pub(super) fn charts(records: &[SampleRecord]) -> String {
    let accepted = accepted(records);
    let (median, middle) = rise(records);
    let share = Chart {
        title: "Images that stand after each update, %",
        x: "updates (0: the reconstruction)",
        line: &accepted,
        band: None,
        range: Some((0.0, 100.0)),
        stairs: true,
    };
    let score = Chart {
        title: "Rise of the score: median and middle half",
        x: "updates, over images still going",
        line: &median,
        band: Some(&middle),
        range: None,
        stairs: false,
    };
    let score = if median.len() > 1 { score.draw() } else { String::new() };
    format!("<div class=\"charts\">{}{score}</div>", share.draw())
}

/// What the target sees in perturbed images.
pub(super) fn confusions(cell: &RowPlan, records: &[SampleRecord]) -> String {
    let perturbed = || records.iter().filter(|r| perturbed(r));
    let classes = cell.classes.len();
    let pairs = || {
        perturbed().filter_map(|r| Some((r.label, r.final_prediction?))).filter(|(a, b)| *a < classes && *b < classes)
    };
    if pairs().next().is_none() {
        return String::new();
    }
    if classes <= MOST_CLASSES {
        let mut counts = vec![vec![0; classes]; classes];
        pairs().for_each(|(label, seen)| counts[label][seen] += 1);
        return confusion(
            "Perturbed images: true class (rows) and what the target sees (columns)",
            &cell.classes,
            &counts,
        );
    }
    let mut counts = std::collections::BTreeMap::new();
    pairs().filter(|(label, seen)| label != seen).for_each(|pair| *counts.entry(pair).or_insert(0usize) += 1);
    let mut most: Vec<_> = counts.into_iter().collect();
    most.sort_by_key(|(pair, count)| (std::cmp::Reverse(*count), *pair));
    let line = |((label, seen), count): &((usize, usize), usize)| {
        format!("<tr><td>{}<td>{}<td class=\"num\">{count}", escape(&cell.class(*label)), escape(&cell.class(*seen)))
    };
    let lines: String = most.iter().take(12).map(line).collect();
    format!(
        "<table><caption>Most frequent confusions in perturbed images</caption><tr><th>class<th>target sees<th class=\"num\">images{lines}</table>"
    )
}
