//! The solver on awkward inputs: optimality is checked here from the definition, not by the solver's own figures.

#![allow(clippy::unwrap_used, reason = "tests")]

use fmr_mask::{Fit, Form, Limits, Model, Problem, Standardize, Value};
use ndarray::{Array2, ArrayView1};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BOTH: [Model; 2] = [Model::Logistic, Model::Lasso];

fn form(model: Model, standardize: Standardize, intercept: bool) -> Form {
    Form { model, standardize, intercept }
}

fn rows<T>(x: &Array2<T>) -> Vec<ArrayView1<'_, T>> {
    x.rows().into_iter().collect()
}

/// Half the rows of each class; the first columns differ between the classes.
fn latents(n: usize, p: usize, moved: usize, seed: u64) -> (Array2<f32>, Vec<bool>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let labels: Vec<bool> = (0..n).map(|i| i >= n / 2).collect();
    let x = Array2::from_shape_fn((n, p), |(i, j)| {
        let shift = if labels[i] && j < moved { 0.5 } else { 0.0 };
        rng.random::<f32>() * 2.0 - 1.0 + shift
    });
    (x, labels)
}

/// The columns as the objective sees them, by the definition.
fn standardized<T: Value>(x: &Array2<T>, standardize: Standardize) -> Array2<f64> {
    let mut x = x.mapv(Into::into);
    for mut column in x.columns_mut() {
        let mean = if standardize == Standardize::None { 0.0 } else { column.mean().unwrap() };
        column -= mean;
        if standardize == Standardize::Scale {
            let deviation = column.mapv(|v: f64| v * v).mean().unwrap().sqrt();
            column.mapv_inplace(|v| if deviation > 0.0 { v / deviation } else { 0.0 });
        }
    }
    x
}

/// Largest violation of the optimality conditions, in units of the penalty.
fn violation<T: Value>(x: &Array2<T>, labels: &[bool], form: Form, fit: &Fit) -> f64 {
    let x = standardized(x, form.standardize);
    let mut w = vec![0.0; x.ncols()];
    fit.weights.iter().for_each(|&(j, v)| w[j] = v);
    let r: Vec<f64> = x
        .rows()
        .into_iter()
        .zip(labels)
        .map(|(row, &label)| {
            let score: f64 = row.iter().zip(&w).map(|(x, w)| x * w).sum::<f64>() + fit.intercept;
            let y = f64::from(u8::from(label));
            if form.model == Model::Lasso { y - score } else { y - 1.0 / (1.0 + (-score).exp()) }
        })
        .collect();
    let intercept = if form.intercept { r.iter().sum::<f64>().abs() / fit.penalty } else { fit.intercept.abs() };
    let columns = x.columns().into_iter().zip(&w).map(|(column, &w)| {
        let g: f64 = column.iter().zip(&r).map(|(x, r)| x * r).sum();
        if w == 0.0 { g.abs() / fit.penalty - 1.0 } else { (g - fit.penalty * w.signum()).abs() / fit.penalty }
    });
    columns.fold(intercept, f64::max)
}

fn check<T: Value>(x: &Array2<T>, labels: &[bool], form: Form, share: f64) -> Fit {
    let problem = Problem::new(&rows(x), labels, form).unwrap();
    let penalty = share * problem.penalty_max();
    let fit = problem.solve(penalty, Limits { gap: 1e-10, passes: 100 }, None).unwrap();
    assert!(fit.converged, "{form:?} at {share}: {:?} after {} passes", fit.optimality, fit.passes);
    let off = violation(x, labels, form, &fit);
    assert!(off < 1e-5, "{form:?} at {share}: off by {off}, {:?}", fit.optimality);
    fit
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn solutions_are_optimal(
        n in 3usize..20, p in 1usize..60, seed: u64, share in 0.01..1.1_f64, intercept: bool,
        standardize in prop::sample::select(vec![Standardize::Scale, Standardize::Center, Standardize::None]),
    ) {
        let (mut x, labels) = latents(2 * n, p, 3, seed);
        // Columns of every kind: far off, huge, tiny, constant, zero, equal, opposite.
        for (k, j) in (0..p).step_by(3).enumerate() {
            match k % 7 {
                0 => x.column_mut(j).mapv_inplace(|v| v + 100.0),
                1 => x.column_mut(j).mapv_inplace(|v| v * 1000.0),
                2 => x.column_mut(j).mapv_inplace(|v| v * 1e-3),
                3 => x.column_mut(j).fill(0.7),
                4 => x.column_mut(j).fill(0.0),
                5 => { let twin = x.column(0).to_owned(); x.column_mut(j).assign(&twin); }
                _ => { let twin = x.column(0).mapv(|v| -v); x.column_mut(j).assign(&twin); }
            }
        }
        for model in BOTH {
            let form = form(model, standardize, intercept);
            let problem = Problem::new(&rows(&x), &labels, form).unwrap();
            if problem.penalty_max() > 0.0 {
                let single = check(&x, &labels, form, share);
                let double = check(&x.mapv(f64::from), &labels, form, share);
                prop_assert_eq!(single.weights, double.weights, "f32 and f64 columns of the same values");
            }
        }
    }
}

#[test]
fn constant_columns_are_never_kept_and_equal_ones_share_a_weight() {
    let (mut x, labels) = latents(60, 40, 2, 1);
    x.column_mut(5).fill(3.25);
    for j in [7, 20] {
        let twin = x.column(0).to_owned();
        x.column_mut(j).assign(&twin);
    }
    for model in BOTH {
        let fit = check(&x, &labels, form(model, Standardize::Scale, true), 0.05);
        let kept: Vec<usize> = fit.weights.iter().map(|w| w.0).collect();
        assert!(!kept.contains(&5));
        assert_eq!(kept.iter().filter(|j| [0, 7, 20].contains(j)).count(), 1, "{kept:?}");
        // A column constant in train counts for nothing in test either.
        let problem = Problem::new(&rows(&x), &labels, form(model, Standardize::Scale, true)).unwrap();
        let before = problem.scores(&fit, &rows(&x));
        let mut other = x.clone();
        other.column_mut(5).fill(-8.0);
        assert_eq!(problem.scores(&fit, &rows(&other)), before);
    }
}

#[test]
fn far_more_columns_than_rows_and_nearly_no_penalty() {
    let (x, labels) = latents(60, 5000, 20, 2);
    for model in BOTH {
        let fit = check(&x, &labels, form(model, Standardize::Scale, true), 1e-3);
        assert!(fit.weights.len() <= 60 && fit.weights.len() > 20, "{}", fit.weights.len());
    }
}

#[test]
fn a_path_meets_the_single_fits() {
    let (x, labels) = latents(80, 300, 10, 3);
    for model in BOTH {
        let problem = Problem::new(&rows(&x), &labels, form(model, Standardize::Scale, true)).unwrap();
        let limits = Limits { gap: 1e-11, passes: 100 };
        let penalties: Vec<f64> = fmr_mask::shares(8, 0.02).iter().map(|s| s * problem.penalty_max()).collect();
        let fits = problem.path(&penalties, limits).unwrap();
        assert!(fits[0].weights.is_empty() && fits[7].weights.len() > 20);
        for fit in &fits {
            let alone = problem.solve(fit.penalty, limits, None).unwrap();
            let close = |a: &(usize, f64), b: &(usize, f64)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-6;
            assert!(fit.weights.len() == alone.weights.len());
            assert!(fit.weights.iter().zip(&alone.weights).all(|(a, b)| close(a, b)));
        }
        for wanted in [0, 5, 17] {
            assert_eq!(problem.with_kept(wanted, limits).unwrap().weights.len(), wanted);
        }
    }
}

#[test]
fn bad_input_is_named() {
    let (mut x, labels) = latents(8, 5, 1, 4);
    let form = form(Model::Logistic, Standardize::Scale, true);
    let error = |x: &Array2<f32>, labels: &[bool]| Problem::new(&rows(x), labels, form).err().unwrap().to_string();
    insta::assert_snapshot!(error(&x, &[true; 8]), @"the mask cannot be learned: all 8 train rows are of class 1; a classifier needs rows of both classes");
    insta::assert_snapshot!(error(&x, &labels[1..]), @"the mask cannot be learned: 7 labels for 8 rows");
    insta::assert_snapshot!(error(&Array2::zeros((8, 0)), &labels), @"the mask cannot be learned: there are no rows, or rows without columns");
    x[[3, 2]] = f32::NAN;
    insta::assert_snapshot!(error(&x, &labels), @"the mask cannot be learned: row 3, column 2 is NaN; every value must be finite");
    let (x, _) = latents(8, 5, 1, 4);
    let problem = Problem::new(&rows(&x), &labels, form).unwrap();
    for penalty in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(problem.solve(penalty, Limits::default(), None).is_err());
    }
    let same = Array2::<f32>::ones((8, 3));
    let constant = Problem::new(&rows(&same), &labels, form).unwrap();
    assert_eq!(constant.penalty_max(), 0.0);
    assert!(constant.solve(1.0, Limits::default(), None).unwrap().weights.is_empty());
    assert!(constant.with_kept(1, Limits::default()).is_err());
}

#[test]
fn running_out_of_passes_is_said() {
    let (x, labels) = latents(60, 500, 10, 5);
    let problem = Problem::new(&rows(&x), &labels, form(Model::Logistic, Standardize::Scale, true)).unwrap();
    let fit = problem.solve(0.05 * problem.penalty_max(), Limits { gap: 1e-12, passes: 2 }, None).unwrap();
    assert!(!fit.converged && fit.passes == 2 && fit.optimality.gap > 1e-12, "{fit:?}");
}
