//! Agreement of judges beyond chance: Cohen's κ of two, Fleiss' κ of several, Gwet's AC1.

use std::collections::BTreeMap;

/// Cohen's κ of two judges who each put the same things into categories: 1 where they agree on everything, 0 by chance.
/// Absent without things, and where chance explains all agreement (both name one category alone).
///
/// ```
/// use fmr_core::metrics::cohens_kappa;
///
/// // Cohen's own kind of example: of 50 things both accept 20 and refuse 15; 5 and 10 are disputed.
/// let pairs = [(true, true, 20), (true, false, 5), (false, true, 10), (false, false, 15)];
/// let pairs = pairs.into_iter().flat_map(|(a, b, n)| std::iter::repeat_n((a, b), n));
/// assert!((cohens_kappa(pairs).unwrap() - 0.4).abs() < 1e-12);
/// ```
pub fn cohens_kappa<C: Ord + Copy>(pairs: impl IntoIterator<Item = (C, C)>) -> Option<f64> {
    let (mut n, mut same) = (0.0, 0.0);
    let mut margins: BTreeMap<C, [f64; 2]> = BTreeMap::new();
    for (a, b) in pairs {
        n += 1.0;
        same += f64::from(u8::from(a == b));
        margins.entry(a).or_default()[0] += 1.0;
        margins.entry(b).or_default()[1] += 1.0;
    }
    let chance: f64 = margins.values().map(|[a, b]| a * b).sum::<f64>() / (n * n);
    (n > 0.0 && chance < 1.0).then(|| (same / n - chance) / (1.0 - chance))
}

/// How often judges put one thing into each of several categories.
pub type Votes = Vec<usize>;

/// Pairwise agreement and what chance alone would give, over things that at least two judged.
struct Pairwise {
    things: f64,
    categories: usize,
    /// Mean share of agreeing pairs of judges.
    observed: f64,
    /// Share of each category among all votes on these things.
    shares: Vec<f64>,
}

fn pairwise(things: &[Votes]) -> Option<Pairwise> {
    let categories = things.iter().map(Vec::len).max()?;
    let (mut count, mut observed, mut total) = (0.0, 0.0, 0.0);
    let mut shares = vec![0.0; categories];
    for votes in things {
        let n = votes.iter().sum::<usize>() as f64;
        if n < 2.0 {
            continue;
        }
        count += 1.0;
        total += n;
        observed += votes.iter().map(|v| *v as f64 * (*v as f64 - 1.0)).sum::<f64>() / (n * (n - 1.0));
        for (share, votes) in shares.iter_mut().zip(votes) {
            *share += *votes as f64;
        }
    }
    if count == 0.0 {
        return None;
    }
    shares.iter_mut().for_each(|share| *share /= total);
    Some(Pairwise { things: count, categories, observed: observed / count, shares })
}

/// Fleiss' κ: as [`cohens_kappa`], for any number of judges, who need not be the same for each thing. Things with fewer
/// than two votes say nothing. Absent without any other, and where all votes name one category.
///
/// ```
/// use fmr_core::metrics::fleiss_kappa;
///
/// // Ten things, fourteen judges, five categories (Fleiss 1971, as often reprinted): κ = 0.210.
/// let votes = [
///     [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
///     [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
/// ];
/// let votes: Vec<Vec<usize>> = votes.iter().map(|of| of.to_vec()).collect();
/// assert!((fleiss_kappa(&votes).unwrap() - 0.210).abs() < 5e-4);
/// ```
pub fn fleiss_kappa(things: &[Votes]) -> Option<f64> {
    let Pairwise { observed, shares, .. } = pairwise(things)?;
    let chance: f64 = shares.iter().map(|share| share * share).sum();
    (chance < 1.0).then(|| (observed - chance) / (1.0 - chance))
}

/// Gwet's AC1: agreement beyond chance that does not collapse where nearly all votes name one category, as κ does.
/// Absent where no thing has two votes or there is one category.
pub fn gwets_ac1(things: &[Votes]) -> Option<f64> {
    let Pairwise { observed, shares, categories, .. } = pairwise(things)?;
    if categories < 2 {
        return None;
    }
    let chance = shares.iter().map(|share| share * (1.0 - share)).sum::<f64>() / (categories as f64 - 1.0);
    Some((observed - chance) / (1.0 - chance))
}

/// Mean share of agreeing pairs of judges, and the number of things that at least two judged.
pub fn pairwise_agreement(things: &[Votes]) -> Option<(f64, usize)> {
    pairwise(things).map(|found| (found.observed, found.things as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kappa_of_two_judges() {
        assert_eq!(cohens_kappa([(1, 1), (2, 2)]), Some(1.0));
        assert_eq!(cohens_kappa([(1, 1), (1, 2), (2, 1), (2, 2)]), Some(0.0));
        assert_eq!(cohens_kappa([(1, 1), (1, 1)]), None, "chance explains all");
        assert_eq!(cohens_kappa::<u8>([]), None);
        assert_eq!(cohens_kappa([(1, 2), (2, 1)]), Some(-1.0));
    }

    #[test]
    fn several_judges_agree_or_not() {
        let things = |votes: &[[usize; 2]]| votes.iter().map(|of| of.to_vec()).collect::<Vec<_>>();
        assert_eq!(fleiss_kappa(&things(&[[3, 0], [0, 3]])), Some(1.0));
        assert_eq!(fleiss_kappa(&things(&[[3, 0], [3, 0]])), None);
        // One vote says nothing about agreement.
        assert_eq!(pairwise_agreement(&things(&[[1, 0], [0, 1]])), None);
        assert_eq!(pairwise_agreement(&things(&[[2, 0], [1, 1], [0, 1]])), Some((0.5, 2)));
    }

    #[test]
    fn agreement_on_a_common_category_stays_high_by_gwet() {
        // 118 of 125 agree on yes, 5 and 2 are disputed (Gwet 2008): κ is about 0, AC1 about 0.94.
        let mut votes = vec![vec![2, 0]; 118];
        votes.extend(vec![vec![1, 1]; 7]);
        let (kappa, ac1) = (fleiss_kappa(&votes).unwrap_or_default(), gwets_ac1(&votes).unwrap_or_default());
        assert!(kappa < 0.0 && (ac1 - 0.9405).abs() < 1e-3, "{kappa} {ac1}");
    }
}
