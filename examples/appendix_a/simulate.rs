//! Both estimators as closed forms and as a simulation, over counts, sizes and distributions.

use fmr::core::metrics::pooling::Pooling;
use fmr::report::{Cell, CellOf, Column, Grid, Row};

use crate::errors::{Error, Factor, Random};
use crate::moments::Moments;

/// What draws of a collection of data sets give.
pub(crate) struct Draws {
    /// Error of the pooled mean, in one coordinate.
    pub(crate) mean: Moments,
    /// The pooled covariance taken within data sets, in units of Σ.
    pub(crate) within: Moments,
    /// What the covariance around the pooled mean adds on the diagonal.
    pub(crate) between: Moments,
}

impl Draws {
    /// Draws data sets of those sizes `draws` times.
    pub(crate) fn of(sizes: &[usize], error: Error, factor: Factor, draws: usize, seed: u64) -> Self {
        let total: usize = sizes.iter().sum();
        let weights: Vec<f64> = sizes.iter().map(|n| *n as f64 / total as f64).collect();
        let mut random = Random::new(seed);
        let mut found = Self { mean: Moments::default(), within: Moments::around(1.0), between: Moments::default() };
        let mut errors = vec![0.0; sizes.len()];
        for _ in 0..draws {
            errors.iter_mut().for_each(|e| *e = error.draw(&mut random));
            let pooled: f64 = weights.iter().zip(&errors).map(|(w, e)| w * e).sum();
            found.mean.add(pooled);
            found.within.add(weights.iter().map(|w| w * factor.draw(&mut random)).sum());
            found.between.add(weights.iter().zip(&errors).map(|(w, e)| w * (e - pooled).powi(2)).sum());
        }
        found
    }
}

/// A collection of data sets, its closed forms and its simulation.
struct Scenario {
    kappa: f64,
    factor: Factor,
    draws: Draws,
}

/// The table of collections.
pub(crate) fn scenarios(draws: usize, seed: u64) -> Grid {
    let equal = |m: usize| (format!("{m} of 1000"), vec![1000; m]);
    let collections = [
        equal(1),
        equal(2),
        equal(3),
        equal(10),
        equal(100),
        ("1 of 10000 and 9 of 100".to_owned(), [vec![10_000], vec![100; 9]].concat()),
        ("10, 1000, 50 and 7".to_owned(), vec![10, 1000, 50, 7]),
    ];
    let paper = (Error::Normal, Factor::Exponential);
    let mut rows = Vec::new();
    let mut add = |name: &str, sizes: &[usize], (error, factor): (Error, Factor)| {
        let Some(exact) = Pooling::of(sizes) else { return };
        // The number of errors drawn does not depend on the number of data sets.
        let draws = (draws * 4 / (sizes.len() + 3)).max(1000);
        let errors = format!("{}, {}", error.name(), factor.name());
        let found = Draws::of(sizes, error, factor, draws, seed + rows.len() as u64);
        let row = Row::new([name, errors.as_str()]).over(draws);
        rows.push((row, Scenario { kappa: exact.kappa, factor, draws: found }));
    };
    for (name, sizes) in &collections {
        add(name, sizes, paper);
    }
    let (name, sizes) = &collections[2];
    for other in [(Error::Uniform, Factor::Uniform), (Error::Skewed, Factor::Exponential)] {
        add(name, sizes, other);
    }
    let mut grid =
        Grid::new("estimators", "One data set and several, with closed forms").labels(["data sets", "errors"]);
    grid.caption.confidence = Some(0.95);
    grid.caption.remarks = vec![
        "A data set's mean is off by ε with variance 1 in each coordinate; its covariance is ε'Σ with E ε' = 1. All errors \
         are independent, and do not depend on a data set's size."
            .to_owned(),
        "One data set has a bias of 0, variance 1 of the mean and variance VAR(ε')Σ² of the covariance, element by element; \
         n is the number of draws."
            .to_owned(),
    ];
    grid.tabulate(columns(), rows)
}

fn columns() -> Vec<(Column, CellOf<'static, Scenario>)> {
    vec![
        (
            Column::number("kappa", "κ").meaning("Σ n² / (Σ n)², the pooled mean's variance as a closed form"),
            Box::new(|s: &Scenario| Cell::of(s.kappa)),
        ),
        (
            Column::number("mean-bias", "bias of mean").meaning("simulated; the closed form is 0"),
            Box::new(|s| s.draws.mean.mean().into()),
        ),
        (
            Column::number("mean-variance", "VAR of mean").meaning("simulated; the closed form is κ"),
            Box::new(|s| s.draws.mean.variance().into()),
        ),
        (
            Column::number("covariance-mean", "covariance / Σ")
                .meaning("within data sets, simulated; the closed form is 1"),
            Box::new(|s| s.draws.within.mean().into()),
        ),
        (
            Column::number("covariance-closed", "κ VAR(ε')").meaning("closed form of the next column"),
            Box::new(|s| Cell::of(s.kappa * s.factor.variance())),
        ),
        (
            Column::number("covariance-variance", "VAR / Σ²")
                .meaning("variance of the covariance within data sets, simulated"),
            Box::new(|s| s.draws.within.variance().into()),
        ),
        (
            Column::number("between", "added around pooled mean").meaning(
                "what the covariance around the pooled mean has too much on the diagonal; the closed form is 1 − κ",
            ),
            Box::new(|s| s.draws.between.mean().into()),
        ),
    ]
}
