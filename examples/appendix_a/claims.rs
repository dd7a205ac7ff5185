//! The claims of appendix A, each against a closed form and a simulation.

use fmr::core::metrics::pooling::Pooling;
use fmr::report::{Cell, CellOf, Column, Grid, Row};

use crate::errors::{Error, Factor, Random};
use crate::moments::{Estimate, Moments};
use crate::simulate::Draws;

/// Three data sets of equal size.
const SIZES: [usize; 3] = [100, 100, 100];
/// A covariance with an element above one, one below zero, and one below one.
const SIGMA: [[f64; 2]; 2] = [[4.0, -0.5], [-0.5, 0.25]];

/// How a claim fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Closed form and simulation agree with it.
    Holds,
    /// It fails in the example that is simulated.
    Fails,
    /// The figure is right, the way to it is not.
    NotShown,
}

/// One claim.
pub(crate) struct Claim {
    /// Equation of the paper.
    pub(crate) equation: &'static str,
    /// What is claimed.
    claim: String,
    /// Closed form.
    exact: f64,
    /// What the simulation gives.
    pub(crate) simulated: Estimate,
    pub(crate) verdict: Verdict,
    /// What is to be said of it.
    remark: &'static str,
}

impl Claim {
    /// That a figure is `claimed`.
    fn equals(equation: &'static str, claim: String, claimed: f64, exact: f64, simulated: Estimate) -> Self {
        let verdict = if simulated.excludes(claimed) { Verdict::Fails } else { Verdict::Holds };
        Self { equation, claim, exact, simulated, verdict, remark: "" }
    }

    /// That a figure is at most `bound`.
    fn at_most(equation: &'static str, claim: String, bound: f64, exact: f64, simulated: Estimate) -> Self {
        let verdict = if simulated.exceeds(bound) { Verdict::Fails } else { Verdict::Holds };
        Self { equation, claim, exact, simulated, verdict, remark: "" }
    }

    fn because(mut self, remark: &'static str) -> Self {
        self.remark = remark;
        self
    }

    /// A right figure that the paper's steps do not lead to.
    fn not_shown(mut self) -> Self {
        if self.verdict == Verdict::Holds {
            self.verdict = Verdict::NotShown;
        }
        self
    }
}

/// The table of claims.
pub(crate) fn claims(draws: usize, seed: u64) -> Grid {
    let columns: Vec<(Column, CellOf<'_, Claim>)> = vec![
        (
            Column::text("verdict", "verdict"),
            Box::new(|claim: &Claim| {
                let verdict = match claim.verdict {
                    Verdict::Holds => "holds",
                    Verdict::Fails => "does not hold",
                    Verdict::NotShown => "holds, not by this proof",
                };
                let cell = Cell::text(verdict);
                if claim.remark.is_empty() { cell } else { cell.remark(claim.remark) }
            }),
        ),
        (Column::number("exact", "closed form").meaning("of the left side"), Box::new(|claim| Cell::of(claim.exact))),
        (
            Column::number("simulated", "simulated").meaning("the left side, with its interval"),
            Box::new(|claim| claim.simulated.into()),
        ),
    ];
    let rows = all(draws, seed)
        .into_iter()
        .map(|claim| (Row::new([claim.equation, claim.claim.as_str()]).over(claim.simulated.draws), claim));
    let mut grid = Grid::new("claims", "The claims of the appendix").labels(["equation", "claim"]);
    grid.caption.confidence = Some(0.95);
    grid.caption.remarks = vec![
        "Three data sets of 100 samples, κ = 1/3, and Σ = [4, −0.5; −0.5, 0.25], unless the claim says otherwise. Σ² is \
         element by element."
            .to_owned(),
        "A claim does not hold where the simulation is more than four standard errors away from it; n is the number of \
         draws."
            .to_owned(),
    ];
    grid.tabulate(columns, rows)
}

/// All claims, in the order of the appendix.
pub(crate) fn all(draws: usize, seed: u64) -> Vec<Claim> {
    let mut claims = assumptions(draws / 40, seed + 100);
    claims.extend(means(draws, seed + 200));
    claims.extend(covariances(draws, seed + 300));
    claims.extend(steps(draws, seed + 400));
    claims.extend(any_distribution(draws, seed + 500));
    claims
}

/// What independent samples of one distribution do, beside assumptions I and II.
fn assumptions(draws: usize, seed: u64) -> Vec<Claim> {
    let mut random = Random::new(seed);
    let n = SIZES[0] as f64;
    let (mut means, mut variances) = (Moments::default(), Moments::around(1.0));
    for _ in 0..draws.max(1000) {
        let samples: Vec<f64> = (0..SIZES[0]).map(|_| random.normal()).collect();
        let mean = samples.iter().sum::<f64>() / n;
        means.add(mean);
        variances.add(samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n);
    }
    vec![
        Claim::equals(
            "2–4",
            "VAR(μ̂ₖ) = 1 where all samples come from one P of variance 1".to_owned(),
            1.0,
            1.0 / n,
            means.variance(),
        )
        .because(
            "Independent samples of P give 1/n. The assumption is about biased collections, whose error does not shrink \
             with their size; then the samples do not come from P.",
        ),
        Claim::equals(
            "5–7",
            "VAR(Σ̂ₖ / Σ) = 1 where all samples come from one normal P".to_owned(),
            1.0,
            2.0 * (n - 1.0) / (n * n),
            variances.variance(),
        )
        .because("Independent samples give 2 (n − 1) / n²; see the claim before."),
    ]
}

/// The means of both estimators.
fn means(draws: usize, seed: u64) -> Vec<Claim> {
    let single = Draws::of(&SIZES[..1], Error::Normal, Factor::Exponential, draws, seed);
    let pooled = Draws::of(&SIZES, Error::Normal, Factor::Exponential, draws, seed + 1);
    let kappa = kappa(&SIZES);
    vec![
        Claim::equals("9", "E[μ̂₀ − μ] = 0".to_owned(), 0.0, 0.0, single.mean.mean()),
        Claim::equals("10", "VAR(μ̂₀) = 1".to_owned(), 1.0, 1.0, single.mean.variance()),
        Claim::equals("11", "E[μ̂_CLIP − μ] = 0".to_owned(), 0.0, 0.0, pooled.mean.mean()),
        Claim::equals("14", "VAR(μ̂_CLIP) = Σ n² / (Σ n)²".to_owned(), kappa, kappa, pooled.mean.variance()),
        Claim::at_most("15", "VAR(μ̂_CLIP) ≤ 1".to_owned(), 1.0, kappa, pooled.mean.variance())
            .because("The bound is reached by a single data set only; κ says by how much a collection is better."),
        Claim::equals("16", "E[Σ̂₀ − Σ] = 0".to_owned(), 0.0, 0.0, shifted(&single.within, 4.0)),
        Claim::equals(
            "17",
            "VAR(Σ̂₀) = Σ², first element".to_owned(),
            16.0,
            16.0,
            scaled(single.within.variance(), 16.0),
        ),
    ]
}

/// The pooled covariance: within data sets, and around the pooled mean as equation 20 writes it.
fn covariances(draws: usize, seed: u64) -> Vec<Claim> {
    let pooled = Draws::of(&SIZES, Error::Normal, Factor::Exponential, draws, seed);
    let kappa = kappa(&SIZES);
    let of = |sigma: f64| (kappa * sigma * sigma, scaled(pooled.within.variance(), sigma * sigma));
    let element = |(row, column): (usize, usize)| SIGMA[row][column];
    let [first, mixed, last] = [(0, 0), (0, 1), (1, 1)].map(element);
    // Around the pooled mean, each diagonal element gets the part between data sets.
    let mut random = Random::new(seed + 1);
    let mut around = Moments::around(last);
    for _ in 0..draws {
        let errors: [f64; 3] = std::array::from_fn(|_| random.normal());
        let mean = errors.iter().sum::<f64>() / 3.0;
        let between = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 3.0;
        let within = (0..3).map(|_| random.exponential()).sum::<f64>() / 3.0;
        around.add(within * last + between);
    }
    // With A = diag(w) − ww', the part between data sets is ε'Aε, of variance 2 tr(A²) = 2 (κ − 2κ/3 + κ²) for equal sizes.
    let between_variance = 2.0 * (kappa - 2.0 * kappa / 3.0 + kappa * kappa);
    let bound = last * last;
    let (exact, simulated) = of(first);
    let mut claims = vec![
        Claim::equals("18", "E[Σ̂_CLIP − Σ] = 0, within data sets".to_owned(), 0.0, 0.0, shifted(&pooled.within, 4.0)),
        Claim::equals(
            "18, 20",
            "E[Σ̂_CLIP − Σ] = 0, around the pooled mean as in 20".to_owned(),
            0.0,
            1.0 - kappa,
            Estimate { value: around.mean().value - last, ..around.mean() },
        )
        .because("Data sets whose means differ lie apart from the pooled mean: 1 − κ is added on the diagonal."),
        Claim::at_most(
            "A.1",
            "VAR(Σ̂_CLIP) ≤ VAR(Σ̂₀) = Σ², within data sets, first element".to_owned(),
            first * first,
            exact,
            simulated,
        )
        .because("The proposition is right for this estimator: the variance is κΣ²."),
        Claim::at_most(
            "A.1, 20",
            "VAR(Σ̂_CLIP) ≤ VAR(Σ̂₀) = Σ², around the pooled mean, last element".to_owned(),
            bound,
            kappa * bound + between_variance,
            around.variance(),
        )
        .because("Where Σ is small, the means of the data sets add more variance than pooling takes away."),
    ];
    for (name, sigma) in [("first", first), ("mixed", mixed), ("last", last)] {
        let (exact, simulated) = of(sigma);
        let claim = format!("VAR(Σ̂_CLIP) ≤ Σ, {name} element ({sigma})");
        let remark = "The variance is κΣ². Σ is no bound where κΣ > 1, or where an element is negative: VAR(Σ̂₀) = Σ² is \
                      compared with Σ, a different power.";
        let claim = Claim::at_most("summary", claim, sigma, exact, simulated);
        claims.push(if claim.verdict == Verdict::Holds { claim } else { claim.because(remark) });
    }
    claims
}

/// The steps of the proof for the covariance.
fn steps(draws: usize, seed: u64) -> Vec<Claim> {
    let kappa = kappa(&SIZES);
    let (m, total) = (SIZES.len() as f64, SIZES.iter().sum::<usize>() as f64);
    let mut random = Random::new(seed);
    let (mut sums, mut factors) = (Moments::default(), Moments::default());
    for _ in 0..draws {
        let drawn: [f64; 3] = std::array::from_fn(|_| random.exponential());
        sums.add(drawn.iter().sum());
        factors.add(drawn.iter().sum::<f64>() / m);
    }
    let (own, squares) = deviations(draws / 100, seed + 1);
    let bound = (m + m * m) / (total * total);
    let second = factors.second_moment();
    let first = SIGMA[0][0];
    vec![
        Claim::equals("23", "VAR(ε_CLIP) = κ, ε_CLIP as in 23".to_owned(), kappa, 0.0, own)
            .because(
                "Deviations from a data set's own mean sum to zero, so that ε_CLIP of 23 is 0 identically, and not the \
                 ε_CLIP of 11.",
            ),
        Claim::at_most("25", "share of draws with (Σ a)² > Σ a² is 0, a = x − μ".to_owned(), 0.0, 0.317_310_5, squares)
            .because(
                "A sum of independent deviations is larger than its squares allow in a third of the draws. With deviations \
                 from own means, as printed, the left side is 0, and the bound says nothing.",
            ),
        Claim::equals("29", "E[(Σ ε')²] = m + m²".to_owned(), m + m * m, m + m * m, sums.second_moment()),
        Claim::at_most("22, 30", format!("E[ε'_CLIP²] ≤ (m + m²) / (Σ n)² = {bound:.5}"), bound, 1.0 + kappa, second)
            .because("The second moment is 1 + κ; a bound below 1 contradicts E[ε'_CLIP] = 1."),
        Claim::at_most("32", "E[ε'_CLIP²] ≤ 2".to_owned(), 2.0, 1.0 + kappa, second)
            .not_shown()
            .because("1 + κ ≤ 2 follows from ε'_CLIP = Σ n ε' / Σ n, and not from the steps 21 to 31."),
        Claim::equals(
            "33",
            "2Σ² − Σ² = Σ, first element".to_owned(),
            first,
            first * first,
            scaled(factors_of_one(draws, seed + 2), first * first),
        )
        .because("2Σ² − Σ² is Σ². They are equal where all elements are 0 or 1."),
    ]
}

/// The variance of ε_CLIP as equation 23 has it, and the share of draws in which equation 25 fails.
fn deviations(draws: usize, seed: u64) -> (Estimate, Estimate) {
    let mut random = Random::new(seed);
    let (mut own, mut fails) = (Moments::default(), Moments::default());
    for _ in 0..draws.max(1000) {
        let (mut sum_own, mut sum, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0);
        for n in SIZES {
            let error = random.normal();
            let samples: Vec<f64> = (0..n).map(|_| error + random.normal()).collect();
            let mean = samples.iter().sum::<f64>() / n as f64;
            sum_own += samples.iter().map(|x| x - mean).sum::<f64>();
            // Without the error, samples are independent and x − μ is normal.
            sum += samples.iter().map(|x| x - error).sum::<f64>();
            squares += samples.iter().map(|x| (x - error).powi(2)).sum::<f64>();
            count += n as f64;
        }
        own.add(sum_own / count);
        fails.add(f64::from(u8::from(sum * sum > squares)));
    }
    (own.variance(), fails.mean())
}

/// The variance of one data set's factor.
fn factors_of_one(draws: usize, seed: u64) -> Estimate {
    let mut random = Random::new(seed);
    let mut factor = Moments::around(1.0);
    (0..draws).for_each(|_| factor.add(random.exponential()));
    factor.variance()
}

/// "This conclusion holds for any distributions."
fn any_distribution(draws: usize, seed: u64) -> Vec<Claim> {
    let mut random = Random::new(seed);
    let third = kappa(&SIZES);
    let skewed = Draws::of(&SIZES, Error::Skewed, Factor::Exponential, draws, seed + 1);
    let (mut shared, mut unequal) = (Moments::default(), Moments::default());
    for _ in 0..draws {
        // Half of the variance is common to all data sets, as where all are of one source.
        let common = random.normal();
        let errors: [f64; 3] = std::array::from_fn(|_| (common + random.normal()) / 2.0_f64.sqrt());
        shared.add(errors.iter().sum::<f64>() / 3.0);
        // The first data set has variance 1, a second one of equal size variance 4.
        unequal.add((random.normal() + 2.0 * random.normal()) / 2.0);
    }
    vec![
        Claim::at_most("conclusion", "lower variance, skewed errors".to_owned(), 1.0, third, skewed.mean.variance()),
        Claim::at_most(
            "conclusion",
            "lower variance, errors correlated by 0.5".to_owned(),
            1.0,
            third + (1.0 - third) * 0.5,
            shared.variance(),
        )
        .because("The variance is κ + (1 − κ)ρ: what data sets have in common does not average out."),
        Claim::at_most(
            "conclusion",
            "lower variance, a second data set of four times the variance".to_owned(),
            1.0,
            1.25,
            unequal.variance(),
        )
        .because("Pooling by size helps the better data set only if the others are not much worse."),
    ]
}

fn kappa(sizes: &[usize]) -> f64 {
    Pooling::of(sizes).map_or(f64::NAN, |exact| exact.kappa)
}

fn scaled(estimate: Estimate, by: f64) -> Estimate {
    Estimate { value: estimate.value * by, error: estimate.error * by.abs(), ..estimate }
}

/// Bias of an element of a covariance whose factor was drawn.
fn shifted(factors: &Moments, element: f64) -> Estimate {
    let mean = factors.mean();
    scaled(Estimate { value: mean.value - 1.0, ..mean }, element)
}
