//! Fits, masks and masked updates against scikit-learn's solutions.
//!
//! The fixtures lie in the folder that `FMR_GOLDEN` names, or in `shared/golden` beside the repository; a small one is
//! part of the repository.

#![allow(clippy::unwrap_used, reason = "tests")]

mod case;
mod recipe;

use std::collections::BTreeMap;
use std::path::Path;

use case::Case;
use fmr_core::LatentBlock;
use fmr_mask::{Fit, Form, Limits, Mask, Model, Problem, Standardize, Unit};
use serde_json::Value;

/// What was compared.
#[derive(Default)]
struct Counts {
    fits: usize,
    masks: usize,
    values: usize,
}

impl Counts {
    fn close(&mut self, what: &str, got: f64, wanted: f64, tolerance: f64) {
        self.values += 1;
        assert!((got - wanted).abs() <= tolerance, "{what}: {got}, must be {wanted} ± {tolerance:e}");
    }
}

#[test]
fn golden_sparse_mask() {
    let (folder, named) = case::golden();
    if !folder.is_dir() {
        fmr_golden::skip("golden", format_args!("there is no folder {}", folder.display()));
        return;
    }
    let cases = compare(&folder);
    assert!(cases > 0 || !named, "{} holds no case", folder.display());
}

#[test]
fn the_fixture_in_the_repository() {
    assert!(compare(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sparse_mask"))) > 0);
}

/// Compares every case of a folder; their number.
fn compare(folder: &Path) -> usize {
    let cases = case::cases(folder);
    let mut counts = Counts::default();
    for case in &cases {
        let mut fits = BTreeMap::new();
        for (list, runs) in case.runs() {
            let mut before: Option<Fit> = None;
            for run in runs {
                // A list other than `runs` is a path: each fit starts at the one before.
                let start = before.as_ref().filter(|_| list != "runs");
                let fit = compare_fit(case, run, start, &mut counts);
                fits.insert(run["id"].as_str().unwrap().to_owned(), fit.clone());
                before = Some(fit);
            }
        }
        check_recipe(case, &mut counts);
        compare_masks(case, &fits, &mut counts);
    }
    let Counts { fits, masks, values } = counts;
    println!("sparse mask: {} cases, {fits} fits, {masks} masks, {values} values compared", cases.len());
    assert!(cases.is_empty() || counts.fits > 0, "{} holds no fit", folder.display());
    cases.len()
}

fn compare_fit(case: &Case, run: &Value, start: Option<&Fit>, counts: &mut Counts) -> Fit {
    let number = |key: &str| run[key].as_f64().unwrap_or_else(|| panic!("{}: no {key}", case.name));
    let text = |key: &str| run[key].as_str().unwrap();
    let id = text("id");
    let what = |part: &str| format!("{}, {id}, {part}", case.name);
    let model: Model = serde_json::from_value(run["model"].clone()).unwrap();
    let standardize: Standardize = serde_json::from_value(run["standardize"].clone()).unwrap();
    let form = Form { model, standardize, intercept: run["fit_intercept"].as_bool().unwrap() };
    let (rows, labels) = (case.rows(&case.train), case.labels(&case.train));
    let problem = Problem::new(&rows, &labels, form).unwrap();
    counts.close(&what("train rows"), problem.rows() as f64, number("n_train"), 0.0);

    // The fixtures' λ_max is that of residuals less their mean, whether or not an intercept is fitted.
    let centred = Problem::new(&rows, &labels, Form { intercept: true, ..form }).unwrap();
    let wanted = number("penalty_max");
    counts.close(&what("λ_max"), centred.penalty_max(), wanted, case.tolerance("penalty_max_rtol") * wanted);

    let limits = Limits { gap: case.gap(text("model")), ..Limits::default() };
    let fit = problem.solve(number("penalty"), limits, start).unwrap();
    let o = fit.optimality;
    println!("{id}: {} kept, gap {:.1e}, {} passes", fit.weights.len(), o.gap, fit.passes);
    assert!(fit.converged, "{}: {o:?} after {} passes", what("gap"), fit.passes);
    assert!(o.excluded <= 1.0 + 1e-6 && o.included <= 1e-4, "{}: {o:?}", what("optimality"));

    let per_row = if model == Model::Lasso { problem.rows() as f64 } else { 1.0 };
    let wanted = number("objective");
    counts.close(&what("objective"), fit.objective / per_row, wanted, case.tolerance("objective_rtol") * wanted.abs());
    let wanted = number("intercept");
    let tolerance = case.tolerance("intercept_atol_times_one_plus_abs") * (1.0 + wanted.abs());
    counts.close(&what("intercept"), fit.intercept, wanted, tolerance);

    compare_weights(case, run, &fit, counts);
    compare_scores(case, run, &problem, &fit, counts);
    counts.fits += 1;
    fit
}

/// Weights, supports and sparsity; of equal columns the sum, which alone is determined.
fn compare_weights(case: &Case, run: &Value, fit: &Fit, counts: &mut Counts) {
    let id = run["id"].as_str().unwrap();
    let (ours, theirs) = (fit.weights.iter().copied().collect::<BTreeMap<_, _>>(), case.weights(id));
    let mut columns: Vec<usize> = ours.keys().chain(theirs.keys()).copied().collect();
    columns.sort_unstable();
    columns.dedup();
    let first = |j: usize| {
        let equal = |i: &&usize| case.train.iter().all(|&r| case.latents[[r, **i]] == case.latents[[r, j]]);
        *columns.iter().find(equal).unwrap()
    };
    let grouped = |weights: &BTreeMap<usize, f64>| {
        let mut sums = BTreeMap::new();
        weights.iter().for_each(|(&j, w)| *sums.entry(first(j)).or_insert(0.0) += w);
        sums
    };
    let (ours, theirs) = (grouped(&ours), grouped(&theirs));
    let largest = theirs.values().fold(0.0_f64, |m, w| m.max(w.abs()));
    assert!(
        ours.keys().eq(theirs.keys()),
        "{}, {id}: support {:?}, must be {:?}",
        case.name,
        ours.keys(),
        theirs.keys()
    );
    for (j, wanted) in &theirs {
        let tolerance = case.tolerance("coef_atol_times_max_coef") * largest;
        counts.close(&format!("{}, {id}, weight of column {j}", case.name), ours[j], *wanted, tolerance);
    }
    let groups = case.weights(id).len() - theirs.len();
    let kept = run["nonzero"].as_u64().unwrap() as usize - groups;
    counts.close(&format!("{}, {id}, kept columns", case.name), ours.len() as f64, kept as f64, 0.0);
    let p = case.latents.ncols() as f64;
    let sparsity = 100.0 * (1.0 - (ours.len() + groups) as f64 / p);
    counts.close(&format!("{}, {id}, sparsity", case.name), sparsity, run["sparsity_percent"].as_f64().unwrap(), 1e-9);
}

fn compare_scores(case: &Case, run: &Value, problem: &Problem<f32>, fit: &Fit, counts: &mut Counts) {
    let id = run["id"].as_str().unwrap();
    let threshold = problem.form().model.threshold();
    let accuracy = |which: &[usize]| {
        let scores = problem.scores(fit, &case.rows(which));
        let right = scores.iter().zip(case.labels(which)).filter(|(s, l)| (**s > threshold) == *l).count();
        (scores, right as f64 / which.len() as f64)
    };
    let (scores, test) = accuracy(&case.test);
    let wanted = &case.tensor(&format!("output.{id}.test_score")).values;
    assert_eq!(scores.len(), wanted.len(), "{}, {id}", case.name);
    let relative = case.tolerance("test_score_atol_times_one_plus_abs");
    for (i, (got, wanted)) in scores.iter().zip(wanted).enumerate() {
        let what = format!("{}, {id}, score of test row {i}", case.name);
        counts.close(&what, *got, *wanted, relative * (1.0 + wanted.abs()));
    }
    counts.close(&format!("{}, {id}, test accuracy", case.name), test, run["test_accuracy"].as_f64().unwrap(), 1e-9);
    let (_, train) = accuracy(&case.train);
    counts.close(&format!("{}, {id}, train accuracy", case.name), train, run["train_accuracy"].as_f64().unwrap(), 1e-9);
}

/// The masks per dimension, channel and site that a fit gives, and what they leave of an update.
fn compare_masks(case: &Case, fits: &BTreeMap<String, Fit>, counts: &mut Counts) {
    let Some(expected) = case.expected.get("mask") else { return };
    let shape = expected["layout"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
    let layout = vec![LatentBlock { name: "z".into(), shape, offset: 0 }];
    let fit = &fits[expected["from_run"].as_str().unwrap()];
    let mask = Mask::of_units(layout, Unit::Dimension, fit.weights.iter().map(|w| w.0)).unwrap();
    for unit in [Unit::Dimension, Unit::Channel, Unit::Site] {
        let what = |part: &str| format!("{}, mask per {unit}, {part}", case.name);
        let kept = mask.units(unit);
        let wanted = &case.tensor(&format!("output.mask.{unit}")).values;
        assert_eq!(kept.len(), wanted.len(), "{}", what("units"));
        for (i, (kept, wanted)) in kept.iter().zip(wanted).enumerate() {
            counts.close(&what(&format!("unit {i}")), f64::from(u8::from(*kept)), *wanted, 0.0);
        }
        let count = kept.iter().filter(|k| **k).count() as f64;
        counts.close(&what("kept"), count, expected[format!("kept_{unit}s")].as_f64().unwrap(), 0.0);
        let sparsity = expected["sparsity_percent"][unit.to_string()].as_f64().unwrap();
        counts.close(&what("sparsity"), mask.sparsity(unit), sparsity, 1e-9);

        let factors = mask.clone().spread(unit).factors();
        let update = &case.tensor("input.update").values;
        let masked = &case.tensor(&format!("output.update.{unit}")).values;
        assert!(factors.len() == update.len() && update.len() == masked.len(), "{}", what("update"));
        for (i, (factor, (update, wanted))) in factors.iter().zip(update.iter().zip(masked)).enumerate() {
            counts.close(&what(&format!("update of value {i}")), update * f64::from(*factor), *wanted, 0.0);
        }
        counts.masks += 1;
    }
}

/// A recipe's own sums and probes.
fn check_recipe(case: &Case, counts: &mut Counts) {
    let Some(check) = case.expected.get("recipe_check") else { return };
    let x = &case.latents;
    let sums = [("sum", 1), ("sum_of_squares", 2)];
    for (key, power) in sums {
        let wanted = check[key].as_f64().unwrap();
        let got: f64 = x.iter().map(|&v| f64::from(v).powi(power)).sum();
        counts.close(&format!("{}, {key}", case.name), got, wanted, 1e-9 * wanted.abs());
    }
    for probe in check["probe"].as_array().unwrap() {
        let at = |k: usize| probe[k].as_u64().unwrap() as usize;
        let what = format!("{}, row {} column {}", case.name, at(0), at(1));
        counts.close(&what, f64::from(x[[at(0), at(1)]]), probe[2].as_f64().unwrap(), 0.0);
    }
}
