//! The claims that hold and those that do not, and the closed forms beside the simulation.
#![expect(clippy::unwrap_used, reason = "tests")]

use crate::claims::{Verdict, all};
use crate::moments::Moments;
use crate::simulate::scenarios;

#[test]
fn the_claims_that_fail_are_the_known_ones() {
    let claims = all(40_000, 7);
    let failed: Vec<&str> = claims.iter().filter(|c| c.verdict == Verdict::Fails).map(|c| c.equation).collect();
    assert_eq!(
        failed,
        ["2–4", "5–7", "18, 20", "A.1, 20", "summary", "summary", "23", "25", "22, 30", "33", "conclusion"]
    );
    assert_eq!(claims.iter().filter(|c| c.verdict == Verdict::NotShown).count(), 1);
}

#[test]
fn the_simulation_meets_the_closed_forms() {
    let grid = scenarios(100_000, 3);
    for row in &grid.rows {
        let number = |column: &str| row.cells[column].number().unwrap();
        let (kappa, n) = (number("kappa"), row.n.unwrap() as f64);
        // 5 √(2/n) relative for variances of normal errors; those of exponential ones vary up to twice as much.
        let off = |column: &str, exact: f64| (number(column) / exact - 1.0).abs() / (2.0 / n).sqrt();
        assert!(off("mean-variance", kappa) < 8.0, "{:?}", row.path);
        assert!(off("covariance-variance", number("covariance-closed")) < 12.0, "{:?}", row.path);
        assert!(number("mean-bias").abs() < 5.0 / n.sqrt());
        assert!((number("covariance-mean") - 1.0).abs() < 5.0 / n.sqrt());
        assert!((number("between") - (1.0 - kappa)).abs() < 8.0 / n.sqrt());
    }
}

#[test]
fn moments_are_those_of_the_draws() {
    let mut moments = Moments::around(2.0);
    [1.0, 2.0, 4.0, 5.0].into_iter().for_each(|value| moments.add(value));
    let (mean, variance) = (moments.mean(), moments.variance());
    assert!((mean.value - 3.0).abs() < 1e-12 && (mean.error - 2.5_f64.sqrt() / 2.0).abs() < 1e-12);
    // Squared deviations 4, 1, 1, 4 have variance 2.25.
    assert!((variance.value - 2.5).abs() < 1e-12 && (variance.error - 0.75).abs() < 1e-12);
    assert!(!mean.excludes(3.5) && mean.excludes(10.0) && mean.exceeds(-5.0) && !mean.exceeds(5.0));
}
