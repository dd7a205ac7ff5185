//! Conclusions about models: rows that differ in their target alone.

use fmr_core::metrics::{Counts, FmrReading, Kendall, MetricsSettings};

use super::pairing::{Pairing, SMALL, table};
use super::{Finding, Outcome};
use crate::compare::{comparable, target};
use crate::{Cell, Column, Evidence, Grid, Row};

/// Clean accuracies that differ by no more than this count as equal: five points.
const EQUAL_SA: f64 = 0.05;
/// Words in the labels of transformers.
const TRANSFORMERS: [&str; 6] = ["vit", "deit", "swin", "twins", "visformer", "xcit"];
/// Words in the labels of models that were trained against something, or for grey images.
const HARDENED: [&str; 9] = ["pgd", "adversarial", "aug", "static", "consistency", "grey", "gray", "dat", "robust"];
/// Rows that an order needs to say anything: with three, no order has a p below 0.05.
const LEAST_ORDERED: usize = 4;

/// Groups of rows that differ in their target alone, of two or more.
fn heats<'e, 'r>(rows: &'e [Evidence<'r>]) -> Vec<Vec<&'e Evidence<'r>>> {
    let mut heats: Vec<Vec<&Evidence<'r>>> = Vec::new();
    for row in rows {
        let plan = &row.contender.results.plan;
        match heats.iter_mut().find(|heat| comparable(&heat[0].contender.results.plan, plan)) {
            Some(heat) => {
                // The same row of several runs counts once.
                if heat.iter().all(|other| target(&other.contender.results.plan) != target(plan)) {
                    heat.push(row);
                }
            }
            None => heats.push(vec![row]),
        }
    }
    heats.retain(|heat| heat.len() > 1);
    heats
}

fn has(row: &Evidence<'_>, words: &[&str]) -> bool {
    let label = row.contender.target.to_lowercase();
    words.iter().any(|word| label.contains(word))
}

pub(super) fn architecture(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let place = "Section 4.2, Table 1";
    let conclusion = "Transformers are more robust than a ResNet of equal clean accuracy.";
    let test = "In every setting with a ResNet and transformers whose SA is within five points of it: the interval of ΔFMR \
                (transformer less ResNet) lies above 0 for each.";
    let mut pairings = Vec::new();
    for heat in heats(rows) {
        let Some(resnet) = heat.iter().find(|row| has(row, &["resnet"]) && !has(row, &HARDENED)) else { continue };
        let transformers = heat.iter().filter(|row| has(row, &TRANSFORMERS) && !has(row, &HARDENED));
        let paired = transformers.filter_map(|row| Pairing::of(row, resnet, metrics));
        pairings.extend(paired.filter(|pair| pair.sa_difference().abs() <= EQUAL_SA));
    }
    if pairings.is_empty() {
        let reason = "No run has a ResNet and a transformer of equal clean accuracy in one setting. The paper's are ImageNet \
                      models, whose weights and images have to be fetched.";
        return Finding::untested(place, conclusion, test, reason);
    }
    let above: Vec<bool> = pairings.iter().map(|pair| pair.limits()[0] > 0.0).collect();
    let reason = counted(&above, "transformers are above their ResNet");
    Finding { place, conclusion, test, outcome: Outcome::of(&above), reason, grid: Some(table(pairings, metrics)) }
}

pub(super) fn robust_training(rows: &[Evidence<'_>]) -> Finding {
    let place = "Section 4.3, Table 2";
    let conclusion = "Models hardened against corruptions differ in FMR: DAT and DeepAug+AM lead, SIN and ANT trail.";
    let test = "The order of FMR is that of the paper's Table 2: Kendall's τ-b between both is above 0 with p < 0.05.";
    let printed = |row: &Evidence<'_>| row.paper.fmr.as_ref().and_then(|fmr| fmr.parse::<f64>().ok());
    let of_row = |row: &&Evidence<'_>| {
        let counts = Counts::of(row.contender.images.values());
        Some((row.contender.target.clone(), FmrReading::default().value(&counts)?, printed(row)?, counts.n))
    };
    let of_heat = |heat: Vec<&Evidence<'_>>| heat.iter().filter_map(of_row).collect::<Vec<(String, f64, f64, usize)>>();
    let heats = heats(rows).into_iter().filter(|heat| heat[0].experiment == "table2");
    let found = heats.map(of_heat).max_by_key(Vec::len).unwrap_or_default();
    if found.len() < LEAST_ORDERED {
        let reason = "No run of table2 has four of its models or more. They are ImageNet models, whose weights and images \
                      have to be fetched.";
        return Finding::untested(place, conclusion, test, reason);
    }
    let (ours, paper): (Vec<f64>, Vec<f64>) = found.iter().map(|(_, ours, paper, _)| (*ours, *paper)).unzip();
    let kendall = Kendall::of(&ours, &paper);
    let holds = kendall.tau_b.is_some_and(|tau| tau > 0.0) && kendall.p.is_some_and(|p| p < 0.05);
    let reason = format!(
        "τ-b is {} with p = {}, over {} models.",
        kendall.tau_b.map_or_else(|| "undefined".to_owned(), |tau| format!("{tau:.2}")),
        kendall.p.map_or_else(|| "undefined".to_owned(), |p| format!("{p:.3}")),
        found.len()
    );
    let mut grid = Grid::new("order", "").labels(["model"]);
    grid.columns = vec![Column::percent("fmr", "FMR").digits(2)];
    grid.rows = found
        .iter()
        .map(|(name, ours, paper, n)| {
            let cell = Cell::of(*ours).paper(Some(format!("{paper:.2}")));
            Row::new([name.as_str()]).over(*n).with("fmr", cell)
        })
        .collect();
    Finding { place, conclusion, test, outcome: Outcome::of(&[holds]), reason, grid: Some(grid) }
}

/// Models that were trained in a different way, each against the plain one in its setting: of the same experiment where it
/// has one, and first the one whose label is part of the variant's.
fn variants(rows: &[Evidence<'_>], words: &[&str], metrics: &MetricsSettings) -> Vec<Pairing> {
    let mut pairings = Vec::new();
    for variant in rows.iter().filter(|row| has(row, words)) {
        let plan = &variant.contender.results.plan;
        let fits = |row: &&Evidence<'_>| {
            let other = &row.contender.results.plan;
            !has(row, &HARDENED) && comparable(plan, other) && target(plan) != target(other)
        };
        let label = variant.contender.target.to_lowercase();
        let nearness = |row: &&Evidence<'_>| {
            let named = label.contains(&row.contender.target.to_lowercase());
            (row.experiment != variant.experiment, !named)
        };
        let plain = rows.iter().filter(fits).min_by_key(nearness);
        pairings.extend(plain.and_then(|plain| Pairing::of(variant, plain, metrics)));
    }
    pairings
}

pub(super) fn pgd(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let place = "Appendix F, Table 8";
    let conclusion = "A PGD-trained model has its weaknesses exposed to a similar degree as the vanilla model.";
    let test = "The interval of ΔFMR (PGD-trained less vanilla, each on images that were made for it) lies within five points.";
    let pairings = variants(rows, &["pgd", "adversarial"], metrics);
    if pairings.is_empty() {
        let reason = "No run has a PGD-trained and a vanilla model in one setting.";
        return Finding::untested(place, conclusion, test, reason);
    }
    let similar: Vec<bool> = pairings.iter().map(Pairing::is_small).collect();
    let reason = counted(&similar, "pairs differ by less than five points");
    Finding { place, conclusion, test, outcome: Outcome::of(&similar), reason, grid: Some(table(pairings, metrics)) }
}

pub(super) fn augmentation(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let conclusion = "Training on one static set of perturbed images does not make a model robust against the search.";
    let words = ["static", "consistency"];
    gains_little(rows, "Appendix G, Table 9", conclusion, &words, "trained on static perturbed images", metrics)
}

pub(super) fn grey(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let conclusion = "Removing colour does not make a model more robust.";
    gains_little(rows, "Appendix H, Table 10", conclusion, &["grey", "gray"], "for grey images", metrics)
}

/// A variant that the paper finds no better than the plain model.
fn gains_little(
    rows: &[Evidence<'_>],
    place: &'static str,
    conclusion: &'static str,
    words: &[&str],
    what: &str,
    metrics: &MetricsSettings,
) -> Finding {
    let test = "The upper limit of ΔFMR (the variant less the vanilla model, each on images that were made for it) is below \
                five points.";
    let pairings = variants(rows, words, metrics);
    if pairings.is_empty() {
        let reason = format!("No run has a model {what} and a vanilla model in one setting.");
        return Finding::untested(place, conclusion, test, &reason);
    }
    let little: Vec<bool> = pairings.iter().map(|pair| pair.limits()[1] < SMALL).collect();
    let reason = counted(&little, "variants gain less than five points");
    Finding { place, conclusion, test, outcome: Outcome::of(&little), reason, grid: Some(table(pairings, metrics)) }
}

/// `3 of 4 transformers are above their ResNet.`
pub(super) fn counted(holds: &[bool], what: &str) -> String {
    format!("{} of {} {what}.", holds.iter().filter(|holds| **holds).count(), holds.len())
}
