//! Conclusions about settings of the search: rows of one target that differ in one thing.

use std::collections::BTreeMap;

use fmr_core::metrics::{Indicators, Interval, MetricsSettings, Summary};

use super::models::counted;
use super::pairing::{Pairing, differ_in, field, pairs, shared, table};
use super::{Finding, Outcome};
use crate::compare::{Orders, STEP_SIZE, comparable, under};
use crate::grid::{CellOf, Figure};
use crate::{Cell, Column, Evidence, Grid, Row};

/// Resamples of the images behind the interval of a rank correlation.
const RESAMPLES: usize = 1000;
/// Factor between step sizes that are compared: the paper's are 0.001 and 0.1, less a rounding.
const APART: f64 = 99.0;
/// Two-sided quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// A rank correlation between the FMRs under two generators.
struct Agreement {
    names: [String; 2],
    targets: usize,
    images: usize,
    tau: Option<f64>,
    interval: Option<Interval>,
}

pub(super) fn generators(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let place = "Section 4.4, Table 3";
    let conclusion = "The ranking of models does not depend on the generator.";
    let test = "For every two generators with three targets or more in common: the interval of Kendall's τ-b between the \
                FMRs, over resamples of the images, lies above 0.";
    let free = ["generator", "mask", STEP_SIZE, "search.step-unit"];
    let mut agreements: Vec<Agreement> = Vec::new();
    let mut seen: Vec<[&str; 2]> = Vec::new();
    for (at, one) in rows.iter().enumerate() {
        for two in rows.iter().skip(at + 1).filter(|two| differ_in(one, two, &free)) {
            let known = |pair: &[&str; 2]| *pair == [one, two].map(|row| row.contender.results.plan.id.as_str());
            if same_generator(one, two) || seen.iter().any(known) {
                continue;
            }
            // All targets that both generators have in these settings.
            let mut both: Vec<[&Evidence<'_>; 2]> = Vec::new();
            for first in rows.iter().filter(|row| same_setting(row, one)) {
                let second = rows.iter().find(|row| same_setting(row, two) && differ_in(first, row, &free));
                both.extend(second.map(|second| [first, second]));
            }
            for pair in &both {
                seen.push(pair.map(|row| row.contender.results.plan.id.as_str()));
            }
            if both.len() >= 3 {
                let found = agreement(&both, metrics);
                agreements.extend(found.tau.is_some().then_some(found));
            }
        }
    }
    if agreements.is_empty() {
        let reason = "No two generators have three targets of different FMR in common in one setting.";
        return Finding::untested(place, conclusion, test, reason);
    }
    let holds: Vec<bool> =
        agreements.iter().map(|one| one.interval.is_some_and(|interval| interval.lo > 0.0)).collect();
    let columns: Vec<(Column, CellOf<'_, Agreement>)> = vec![
        (Column::count("targets", "targets"), Box::new(|one: &Agreement| Cell::count(one.targets))),
        (
            Column::number("tau", "τ-b").digits(2),
            Box::new(|one| Figure { value: one.tau, interval: one.interval, ..Figure::default() }.into()),
        ),
    ];
    let reason = counted(&holds, "pairs of generators have a τ-b above 0");
    let lines = agreements.into_iter().map(|one| (Row::new(one.names.clone()).over(one.images), one));
    let mut grid = Grid::new("generators", "").labels(["generator", "other"]).tabulate(columns, lines);
    grid.caption.confidence = Some(metrics.confidence);
    Finding { place, conclusion, test, outcome: Outcome::of(&holds), reason, grid: Some(grid) }
}

/// Whether two rows have one generator, by its settings and files.
fn same_generator(a: &Evidence<'_>, b: &Evidence<'_>) -> bool {
    let fields = |row: &Evidence<'_>| {
        let own = row.contender.results.plan.fingerprint.iter().filter(|(field, _)| under(field, "generator"));
        own.map(|(field, value)| (field.clone(), value.clone())).collect::<Vec<_>>()
    };
    fields(a) == fields(b)
}

fn generator(row: &Evidence<'_>) -> String {
    row.contender.results.facts.components.as_ref().map(|names| names.generator.clone()).unwrap_or_default()
}

fn same_setting(a: &Evidence<'_>, b: &Evidence<'_>) -> bool {
    comparable(&a.contender.results.plan, &b.contender.results.plan)
}

fn agreement(both: &[[&Evidence<'_>; 2]], metrics: &MetricsSettings) -> Agreement {
    let first = &both[0][0].contender.images;
    let in_all = |key: &&&str| both.iter().flatten().all(|row| row.contender.images.contains_key(**key));
    let keys: Vec<&str> = first.keys().filter(in_all).copied().collect();
    let side = |at: usize| -> Vec<Vec<Indicators>> {
        both.iter().map(|pair| keys.iter().map(|key| pair[at].contender.images[key]).collect()).collect()
    };
    let [one, two] = [0, 1].map(|at| Orders::of(&side(at), metrics.fmr_reading(), RESAMPLES));
    let agreement = one.agreement(&two, metrics.confidence);
    Agreement {
        names: both[0].map(generator),
        targets: both.len(),
        images: keys.len(),
        tau: agreement.and_then(|(kendall, _)| kendall.tau_b),
        interval: agreement.and_then(|(_, interval)| interval),
    }
}

pub(super) fn fgsm(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let place = "Appendix E, Table 7";
    let conclusion = "Starting from FGSM examples barely affects FMR.";
    let test = "The interval of ΔFMR (FGSM start less regular start) lies within five points. The paper's own difference is 8 \
                points (57.80 and 65.79).";
    let started = |row: &Evidence<'_>| field(row, "search.start.kind") == Some("fgsm");
    let pairings: Vec<Pairing> = pairs(rows, &["search.start"], &started)
        .into_iter()
        .filter_map(|[first, second]| Pairing::of(first, second, metrics))
        .map(|pair| {
            let names = [format!("{}, FGSM start", pair.names[0]), format!("{}, regular", pair.names[1])];
            pair.named([&names[0], &names[1]])
        })
        .collect();
    if pairings.is_empty() {
        let reason = "No run has a row with an FGSM start and the same row without.";
        return Finding::untested(place, conclusion, test, reason);
    }
    let small: Vec<bool> = pairings.iter().map(Pairing::is_small).collect();
    let reason = counted(&small, "pairs differ by less than five points");
    Finding { place, conclusion, test, outcome: Outcome::of(&small), reason, grid: Some(table(pairings, metrics)) }
}

pub(super) fn mask_time(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let place = "Section 4.5, Appendix I, Table 12";
    let conclusion = "A sparse mask makes the search faster (by 12.7 % and 22.2 %) and leaves FMR as it is.";
    let test = "With the mask an image takes less time than without, in one run each, and the interval of ΔFMR (with less \
                without) lies within five points.";
    let masked = |row: &Evidence<'_>| row.contender.results.facts.mask.is_some();
    let both = pairs(rows, &["mask"], &masked);
    let timed: Vec<([f64; 2], Pairing)> = both
        .into_iter()
        .filter_map(|[first, second]| {
            let seconds = |row: &Evidence<'_>| {
                let (facts, n) = (&row.contender.results.facts, row.contender.results.records.len());
                facts.seconds.filter(|_| n > 0).map(|seconds| seconds / n as f64)
            };
            Some(([seconds(first)?, seconds(second)?], Pairing::of(first, second, metrics)?))
        })
        .collect();
    if timed.is_empty() {
        let reason = "No run has a row with a mask and the same row without.";
        return Finding::untested(place, conclusion, test, reason);
    }
    let holds: Vec<bool> = timed.iter().map(|([with, without], pair)| with < without && pair.is_small()).collect();
    let faster = timed.iter().filter(|([with, without], _)| with < without).count();
    let reason = format!(
        "{} {faster} of {} are faster. Times are of one run each on one machine, and have no interval.",
        counted(&holds, "pairs are faster and differ by less than five points"),
        timed.len()
    );
    let times: Vec<[f64; 2]> = timed.iter().map(|(times, _)| *times).collect();
    let mut grid = table(timed.into_iter().map(|(_, pair)| pair).collect(), metrics);
    for (row, [with, without]) in grid.rows.iter_mut().zip(times) {
        row.cells.insert("with".to_owned(), Cell::of(with));
        row.cells.insert("without".to_owned(), Cell::of(without));
        row.cells.insert("saved".to_owned(), Cell::of(1.0 - with / without));
    }
    grid.columns.extend([
        Column::seconds("with", "with mask").digits(2).group("time of an image"),
        Column::seconds("without", "without").digits(2).group("time of an image"),
        Column::percent("saved", "saved").group("time of an image"),
    ]);
    Finding { place, conclusion, test, outcome: Outcome::of(&holds), reason, grid: Some(grid) }
}

pub(super) fn mask_sparsity(rows: &[Evidence<'_>]) -> Finding {
    let place = "Section 4.5, Appendix I, Table 11";
    let conclusion = "Few dimensions of the latent carry what the search moves: masks set 98 to 99.3 % of them aside.";
    let test = "Every learned mask sets 95 % of the latent values aside or more.";
    let mut masks: BTreeMap<String, (String, f64, usize)> = BTreeMap::new();
    for row in rows {
        let facts = &row.contender.results.facts;
        if let Some(mask) = facts.mask.as_ref().filter(|mask| mask.learning.is_some()) {
            masks.insert(mask.hash.clone(), (row.contender.data.clone(), mask.sparsity() / 100.0, mask.values));
        }
    }
    if masks.is_empty() {
        return Finding::untested(place, conclusion, test, "No run has learned a mask.");
    }
    let holds: Vec<bool> = masks.values().map(|(_, sparsity, _)| *sparsity >= 0.95).collect();
    let mut grid = Grid::new("masks", "").labels(["mask learned for"]);
    grid.columns = vec![
        Column::percent("sparsity", "set aside").digits(2).meaning("share of the latent values that do not move"),
        Column::count("values", "latent values"),
    ];
    grid.rows = masks
        .values()
        .map(|(data, sparsity, values)| {
            Row::new([data.as_str()]).with("sparsity", Cell::of(*sparsity)).with("values", Cell::count(*values))
        })
        .collect();
    let reason = format!(
        "{} A mask is one deterministic fit, so that its sparsity has no interval.",
        counted(&holds, "masks are that sparse")
    );
    Finding { place, conclusion, test, outcome: Outcome::of(&holds), reason, grid: Some(grid) }
}

/// The rows of one target at the smallest and the largest step size, where these are as far apart as the paper's.
fn extremes<'e, 'r>(rows: &'e [Evidence<'r>]) -> Vec<[&'e Evidence<'r>; 2]> {
    let step = |row: &Evidence<'_>| field(row, STEP_SIZE).and_then(|step| step.parse::<f64>().ok());
    let mut families: Vec<Vec<&Evidence<'r>>> = Vec::new();
    for row in rows.iter().filter(|row| step(row).is_some()) {
        let of_family = |family: &&mut Vec<&Evidence<'r>>| differ_in(family[0], row, &[STEP_SIZE]);
        match families.iter_mut().find(of_family) {
            Some(family) => family.push(row),
            None => families.push(vec![row]),
        }
    }
    let by_step =
        |a: &&&Evidence<'_>, b: &&&Evidence<'_>| step(a).unwrap_or_default().total_cmp(&step(b).unwrap_or_default());
    let ends = families.iter().filter(|family| family.len() > 1).filter_map(|family| {
        let (small, large) = (family.iter().min_by(by_step)?, family.iter().max_by(by_step)?);
        step(small).zip(step(large)).filter(|(small, large)| *large >= APART * small).map(|_| [*small, *large])
    });
    ends.collect()
}

/// VR at two step sizes, on the same images.
struct Ends {
    setting: String,
    names: [String; 2],
    images: usize,
    rates: [(usize, usize); 2],
    /// VR at the smaller step less that at the larger one, with its interval.
    difference: (f64, Interval),
}

pub(super) fn step_size(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let place = "Section 4.5, Appendix J, Tables 13 and 14";
    let conclusion = "With a small step the oracle keeps more images: VR falls as the step grows.";
    let test = "At steps a factor of 100 apart, as the paper's 0.001 and 0.1: the interval of VR at the smaller less VR at \
                the larger, paired by image, lies above 0 for every target.";
    let ends: Vec<Ends> = extremes(rows)
        .into_iter()
        .filter_map(|[small, large]| {
            let [one, two] = shared(small, large);
            let n = one.len();
            let count = |images: &[Indicators]| images.iter().filter(|image| image.produced).count();
            let only = |a: &[Indicators], b: &[Indicators]| {
                a.iter().zip(b).filter(|(a, b)| a.produced && !b.produced).count() as f64
            };
            let (lost, won) = (only(&one, &two), only(&two, &one));
            let value = (lost - won) / n as f64;
            // The variance of a difference of paired shares; a half keeps it above 0 where all pairs agree.
            let variance = (lost + won + 0.5 - (lost - won).powi(2) / n as f64) / (n as f64).powi(2);
            let half = Z * variance.max(0.0).sqrt();
            (n > 0).then(|| Ends {
                setting: format!("{}, {}", small.contender.data, small.experiment),
                names: [small, large]
                    .map(|row| format!("{}, step {}", row.contender.target, field(row, STEP_SIZE).unwrap_or_default())),
                images: n,
                rates: [count(&one), count(&two)].map(|hits| (hits, n)),
                difference: (value, Interval { lo: value - half, hi: value + half }),
            })
        })
        .collect();
    if ends.is_empty() {
        let reason = "No run has one target at step sizes a factor of 100 apart.";
        return Finding::untested(place, conclusion, test, reason);
    }
    let falls: Vec<bool> = ends.iter().map(|ends| ends.difference.1.lo > 0.0).collect();
    let reason = counted(&falls, "targets have a lower VR at the larger step");
    let confidence = metrics.confidence;
    let rate = move |ends: &Ends, at: usize| Cell::share(ends.rates[at].0, ends.rates[at].1, confidence);
    let columns: Vec<(Column, CellOf<'_, Ends>)> = vec![
        (Column::percent("small", "VR, smallest step"), Box::new(move |ends: &Ends| rate(ends, 0))),
        (Column::percent("large", "VR, largest step"), Box::new(move |ends| rate(ends, 1))),
        (
            Column::points("difference", "ΔVR"),
            Box::new(|ends| {
                let (value, interval) = ends.difference;
                Figure { value: Some(value), interval: Some(interval), ..Figure::default() }.into()
            }),
        ),
    ];
    let lines = ends.into_iter().map(|ends| {
        let names = ends.names.join(" – ");
        (Row::new([ends.setting.clone(), names]).over(ends.images), ends)
    });
    let mut grid = Grid::new("steps", "").labels(["setting", "smallest – largest step"]).tabulate(columns, lines);
    grid.caption.confidence = Some(0.95);
    Finding { place, conclusion, test, outcome: Outcome::of(&falls), reason, grid: Some(grid) }
}

pub(super) fn classes(rows: &[Evidence<'_>], metrics: &MetricsSettings) -> Finding {
    let place = "Appendix J, Tables 13 and 14";
    let conclusion = "A large step exposes the oracle's imbalance between classes, and a small one alleviates it.";
    let test = "At steps a factor of 100 apart: at the larger the class of the lowest VR lies below the class of the highest, \
                by their intervals, and at the smaller no two classes are apart.";
    let ends = extremes(rows);
    if ends.is_empty() {
        return Finding::untested(
            place,
            conclusion,
            test,
            "No run has one target at step sizes a factor of 100 apart.",
        );
    }
    let mut holds = Vec::new();
    let mut grid = Grid::new("classes", "").labels(["setting", "row"]);
    grid.columns = vec![
        Column::text("lowest", "class").group("lowest VR"),
        Column::percent("lowest-vr", "VR").group("lowest VR"),
        Column::text("highest", "class").group("highest VR"),
        Column::percent("highest-vr", "VR").group("highest VR"),
        Column::text("apart", "apart"),
    ];
    grid.caption.confidence = Some(metrics.confidence);
    for pair in ends {
        let apart = pair.map(|row| {
            let results = row.contender.results;
            let summary = Summary::of(&results.records, &results.plan.classes, metrics);
            let rate = |class: &fmr_core::metrics::ClassFigures| class.figures.vr.value.unwrap_or_default();
            let by_rate = |a: &&fmr_core::metrics::ClassFigures, b: &&fmr_core::metrics::ClassFigures| {
                rate(a).total_cmp(&rate(b))
            };
            let (lowest, highest) = (summary.classes.iter().min_by(by_rate), summary.classes.iter().max_by(by_rate));
            let Some((lowest, highest)) = lowest.zip(highest) else { return false };
            let limits = lowest.figures.vr.interval.zip(highest.figures.vr.interval);
            let apart = limits.is_some_and(|(low, high)| low.hi < high.lo);
            let name = format!("{}, step {}", row.contender.target, field(row, STEP_SIZE).unwrap_or_default());
            let line = Row::new([format!("{}, {}", row.contender.data, row.experiment), name])
                .over(results.records.len())
                .with("lowest", Cell::text(lowest.name.clone()))
                .with("lowest-vr", Cell::from(&lowest.figures.vr))
                .with("highest", Cell::text(highest.name.clone()))
                .with("highest-vr", Cell::from(&highest.figures.vr))
                .with("apart", Cell::text(if apart { "yes" } else { "no" }));
            grid.rows.push(line);
            apart
        });
        holds.push(apart == [false, true]);
    }
    let reason = counted(&holds, "targets show it at both ends");
    Finding { place, conclusion, test, outcome: Outcome::of(&holds), reason, grid: Some(grid) }
}
