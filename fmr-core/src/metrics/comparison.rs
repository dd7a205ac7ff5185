//! Several models on the same images: which is better, and how sure is that?

use serde::{Deserialize, Serialize};

use super::sample_size::images_for_difference;
use super::{
    Agreement, ComparisonError, Counts, FmrReading, Indicators, Interval, McNemar, PairedFmr, Ratio, Stability, groups,
    resamples,
};

/// Power at which a number of images is to tell two models apart.
pub const POWER: f64 = 0.8;
/// Standard errors below this are rounding.
const LEAST_ERROR: f64 = 1e-6;

/// Two models on the same images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pair {
    /// The model of higher FMR.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// FMR of the first less that of the second, a fraction: not negative.
    pub difference: f64,
    /// Its interval, which keeps the pairing of the images. Where FMR is 0, or no image tells the models apart, it is
    /// made of the models' own intervals as if their images were different ones (Zou and Donner, 2008), which is wider.
    pub interval: Option<Interval>,
    /// Two-sided p of a difference as large where the models are equally good, by ln(FMR₁/FMR₂) where that exists.
    pub p: Option<f64>,
    /// The same, corrected for the number of pairs (Holm).
    pub adjusted_p: Option<f64>,
    /// Final images that both models' searches produced: on how many each is right.
    pub produced: McNemar,
    /// Clean images: do the models err on the same ones?
    pub clean: Agreement,
    /// Images that would tell the models apart with a power of [`POWER`] were the difference what it is here; absent where
    /// it is 0.
    pub images: Option<u64>,
}

/// Models ranked by FMR on the images that they share.
///
/// ```
/// use fmr_core::metrics::{Comparison, FmrReading, Indicators};
///
/// let right = Indicators { clean_correct: true, produced: true, final_correct: true };
/// let fooled = Indicators { final_correct: false, ..right };
/// let model = |kept: usize| (0..100).map(|i| if i * 37 % 100 < kept { right } else { fooled }).collect::<Vec<_>>();
/// let compared = Comparison::of(&[model(40), model(80), model(78)], FmrReading::default(), 0.95, 500, 1)?;
/// assert_eq!(compared.order, [1, 2, 0]);
/// // The two best cannot be told apart; both are better than the third.
/// assert_eq!(compared.groups, [vec![1, 2], vec![0]]);
/// assert_eq!(compared.letters(2), "a");
/// # Ok::<(), fmr_core::metrics::ComparisonError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// Images that all models share.
    pub images: usize,
    /// FMR of each model.
    pub ratios: Vec<Ratio>,
    /// The models that have an FMR, best first; the lower number first where two have the same.
    pub order: Vec<usize>,
    /// All pairs of these, in that order.
    pub pairs: Vec<Pair>,
    /// The largest groups of models of which no two can be told apart ([`groups`]), best first.
    pub groups: Vec<Vec<usize>>,
    /// How the ranking holds over resamples of the images; its models are those of `order`, in that order.
    pub stability: Stability,
}

impl Comparison {
    /// Compares models, whose images are in the same order. A pair is told apart where its corrected p is below
    /// 1 − `confidence`. The ranking is drawn anew for `count` resamples of the images, the same for a seed on every machine.
    ///
    /// # Errors
    /// No model, or models with different numbers of images.
    pub fn of(
        models: &[Vec<Indicators>],
        reading: FmrReading,
        confidence: f64,
        count: usize,
        seed: u64,
    ) -> Result<Self, ComparisonError> {
        let images = models.first().ok_or(ComparisonError::Empty)?.len();
        let ratios: Vec<Ratio> = models.iter().map(|m| Ratio::of(&Counts::of(m), reading, confidence)).collect();
        let mut order: Vec<usize> = (0..models.len()).filter(|i| ratios[*i].value.is_some()).collect();
        order.sort_by(|a, b| ratios[*b].value.unwrap_or_default().total_cmp(&ratios[*a].value.unwrap_or_default()));
        let mut pairs = Vec::new();
        for (at, first) in order.iter().enumerate() {
            for second in &order[at + 1..] {
                pairs.push(Pair::of(models, [*first, *second], reading, confidence)?);
            }
        }
        adjust(&mut pairs);
        let apart = |a: usize, b: usize| {
            let pair = pairs.iter().find(|pair| (pair.first, pair.second) == (order[a], order[b]));
            pair.is_some_and(|pair| pair.told_apart(confidence))
        };
        let groups = groups(order.len(), apart);
        let ranked: Vec<Vec<Indicators>> = order.iter().map(|i| models[*i].clone()).collect();
        Ok(Self {
            images,
            groups: groups.into_iter().map(|group| group.into_iter().map(|at| order[at]).collect()).collect(),
            stability: Stability::of(&ranked, resamples(images, count, seed), reading),
            ratios,
            order,
            pairs,
        })
    }

    /// The letters of a model's groups, `a` for that of the best: models that share a letter cannot be told apart.
    pub fn letters(&self, model: usize) -> String {
        let letter = |at: usize| {
            let last = char::from(b'a' + (at % 26) as u8);
            if at < 26 { last.to_string() } else { format!("{last}{}", at / 26) }
        };
        let of_model = self.groups.iter().enumerate().filter(|(_, group)| group.contains(&model));
        of_model.map(|(at, _)| letter(at)).collect()
    }
}

impl Pair {
    fn of(
        models: &[Vec<Indicators>],
        [first, second]: [usize; 2],
        reading: FmrReading,
        confidence: f64,
    ) -> Result<Self, ComparisonError> {
        let (one, two) = (&models[first], &models[second]);
        let paired = PairedFmr::of(one, two, reading, confidence)?;
        let difference = paired.difference.unwrap_or_default();
        let counts = [Counts::of(one), Counts::of(two)];
        let error = paired.difference_se.filter(|se| paired.log_ratio.is_some() && *se > LEAST_ERROR);
        let (interval, p) = match error {
            Some(_) => (paired.difference_interval, paired.p),
            None => {
                let p = if difference == 0.0 { Some(1.0) } else { unpaired_p(&counts, reading) };
                (unpaired(&counts, reading, confidence), p)
            }
        };
        let sd = paired.difference_se.map(|se| se * (one.len() as f64).sqrt());
        let (f1, f2) = (paired.first.value.unwrap_or_default(), paired.second.value.unwrap_or_default());
        Ok(Self {
            first,
            second,
            difference,
            interval,
            p,
            adjusted_p: p,
            produced: McNemar::on_produced(one, two),
            clean: Agreement::of_pairs(
                one.iter().zip(two).map(|(a, b)| [a.clean_correct, b.clean_correct]),
                confidence,
            ),
            images: sd.filter(|_| error.is_some()).and_then(|sd| images_for_difference(f1, f2, sd, POWER, confidence)),
        })
    }

    /// Whether the models can be told apart with that confidence, all pairs together.
    pub fn told_apart(&self, confidence: f64) -> bool {
        self.adjusted_p.is_some_and(|p| p < 1.0 - confidence)
    }
}

/// Holm's correction: with m pairs, the smallest p is multiplied by m, the next by m − 1, and so on, never falling.
fn adjust(pairs: &mut [Pair]) {
    let mut known: Vec<(f64, usize)> = pairs.iter().enumerate().filter_map(|(at, pair)| Some((pair.p?, at))).collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (all, mut least) = (known.len(), 0.0_f64);
    for (rank, (p, at)) in known.into_iter().enumerate() {
        least = least.max(p * (all - rank) as f64).min(1.0);
        pairs[at].adjusted_p = Some(least);
    }
}

/// Interval of a difference of FMRs from those of both, as if on different images (MOVER).
fn unpaired(counts: &[Counts; 2], reading: FmrReading, confidence: f64) -> Option<Interval> {
    let [one, two] = counts.each_ref().map(|c| Ratio::of(c, reading, confidence));
    let ((f1, a), (f2, b)) = (one.value.zip(one.interval)?, two.value.zip(two.interval)?);
    let lo = f1 - f2 - (f1 - a.lo).hypot(b.hi - f2);
    let hi = f1 - f2 + (a.hi - f1).hypot(f2 - b.lo);
    Some(Interval { lo, hi })
}

/// The p at which that interval ends at 0.
fn unpaired_p(counts: &[Counts; 2], reading: FmrReading) -> Option<f64> {
    let excludes = |p: f64| unpaired(counts, reading, 1.0 - p).is_some_and(|interval| interval.lo > 0.0);
    unpaired(counts, reading, 0.95)?;
    // An interval shrinks as p grows.
    let (mut lo, mut hi) = (1e-12, 1.0 - 1e-12);
    if excludes(lo) {
        return Some(lo);
    }
    for _ in 0..60 {
        let middle = (lo + hi) / 2.0;
        if excludes(middle) { hi = middle } else { lo = middle }
    }
    Some(hi)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn model(n: usize, right: impl Fn(usize) -> bool) -> Vec<Indicators> {
        (0..n).map(|i| Indicators { clean_correct: true, produced: true, final_correct: right(i) }).collect()
    }

    fn compare(models: &[Vec<Indicators>]) -> Comparison {
        Comparison::of(models, FmrReading::default(), 0.95, 200, 1).unwrap()
    }

    #[test]
    fn a_pair_is_that_of_the_paired_test() {
        let (one, two) = (model(90, |i| i % 3 != 0), model(90, |i| i % 2 != 0));
        let compared = compare(&[two.clone(), one.clone()]);
        let pair = compared.pairs[0];
        assert_eq!((pair.first, pair.second), (1, 0));
        let paired = PairedFmr::of(&one, &two, FmrReading::default(), 0.95).unwrap();
        assert_eq!(
            (Some(pair.difference), pair.interval, pair.p),
            (paired.difference, paired.difference_interval, paired.p)
        );
        assert_eq!((pair.produced.only_first, pair.produced.only_second), (30, 15));
        assert_eq!(compared.images, 90);
        // As many images as it says tell a difference as large apart in four of five cases: the interval's lower limit
        // then lies about 0.84 standard errors above 0.
        let (images, se) = (pair.images.unwrap() as f64, paired.difference_se.unwrap() * (90.0_f64).sqrt());
        let z = pair.difference / (se / images.sqrt());
        assert!((z - (1.959_963_985 + 0.841_621_234)).abs() < 0.02, "{z}");
    }

    #[test]
    fn an_fmr_of_nothing_has_an_interval_and_a_p() {
        let compared = compare(&[model(50, |i| i < 25), model(50, |_| false), model(50, |_| false)]);
        assert_eq!(compared.groups, [vec![0], vec![1, 2]]);
        let [first, .., same] = &compared.pairs[..] else { panic!() };
        let interval = first.interval.unwrap();
        assert!(interval.lo > 0.2 && interval.hi < 0.7 && first.adjusted_p.unwrap() < 1e-3, "{first:?}");
        // Two models that keep nothing do not differ, and that is not known exactly.
        assert_eq!((same.difference, same.p, same.images), (0.0, Some(1.0), None));
        assert!(same.interval.unwrap().hi > 0.01);
        assert!(first.images.is_none());
    }

    #[test]
    fn models_without_an_fmr_are_not_ranked() {
        let compared = compare(&[vec![Indicators::default(); 20], model(20, |i| i < 9)]);
        assert_eq!((compared.order.as_slice(), compared.pairs.len()), (&[1][..], 0));
        assert_eq!((compared.letters(0), compared.letters(1)), (String::new(), "a".to_owned()));
        assert_eq!(Comparison::of(&[], FmrReading::default(), 0.95, 1, 1), Err(ComparisonError::Empty));
    }

    #[test]
    fn holm_corrects_the_smallest_most() {
        let mut pairs = compare(&[model(40, |i| i < 9), model(40, |i| i < 19), model(40, |i| i < 30)]).pairs;
        for (pair, p) in pairs.iter_mut().zip([0.03, 0.01, 0.02]) {
            pair.p = Some(p);
        }
        adjust(&mut pairs);
        let adjusted: Vec<f64> = pairs.iter().map(|pair| pair.adjusted_p.unwrap()).collect();
        assert_eq!(adjusted, [0.04, 0.03, 0.04]);
    }
}
