//! Comparisons as tables.

use fmr_core::metrics::{Average, Counts, Interval, Kendall, MetricsSettings, POWER, Pair};

use super::{Compared, Heat, RESAMPLES};
use crate::grid::{CellOf, Figure};
use crate::{Cell, Column, Grid, Row};

/// Up to so many targets each rank has a column of its own.
const MOST_RANKS: usize = 5;
/// Up to so many pairs stand among the main tables.
const MOST_PAIRS: usize = 6;
/// What ranks are called.
const RANKS: [&str; MOST_RANKS] = ["1st", "2nd", "3rd", "4th", "5th"];

type Place<'h, 'r> = (&'h Heat<'r>, usize);
type OfPair<'h, 'r> = (&'h Heat<'r>, &'h Pair);

impl Compared<'_> {
    /// The ranking and the pairs; nothing where no two rows are comparable. `digits` are the decimals of FMR.
    pub fn grids(&self, metrics: &MetricsSettings, digits: usize) -> Vec<Grid> {
        if self.heats.is_empty() {
            return Vec::new();
        }
        let mut grids = vec![self.ranking(metrics, digits), self.pairs(metrics)];
        grids.retain(|grid| !grid.rows.is_empty());
        grids.iter_mut().for_each(|grid| grid.caption.confidence = Some(metrics.confidence));
        grids
    }

    fn ranking(&self, metrics: &MetricsSettings, digits: usize) -> Grid {
        let mut columns: Vec<(Column, CellOf<'_, Place<'_, '_>>)> = vec![
            (
                Column::percent("fmr", "FMR").digits(digits).meaning("PA / SA, over the images that all targets share"),
                Box::new(|(heat, model): &Place<'_, '_>| (&heat.comparison.ratios[*model]).into()),
            ),
            (
                Column::text("group", "group").meaning("targets that share a letter cannot be told apart"),
                Box::new(|(heat, model)| Cell::text(heat.comparison.letters(*model))),
            ),
        ];
        let most = self.heats.iter().map(|heat| heat.contenders.len()).max().unwrap_or_default();
        let share = |(heat, model): &Place<'_, '_>, rank: usize| {
            let at = heat.comparison.order.iter().position(|ranked| ranked == model)?;
            heat.comparison.stability.share_of_rank.get(at)?.get(rank).copied()
        };
        let shown = if most <= MOST_RANKS { most } else { 1 };
        for (rank, name) in RANKS.iter().enumerate().take(shown) {
            let column =
                Column::percent(&format!("rank-{}", rank + 1), name).group("probability of the rank").digits(0);
            columns.push((column, Box::new(move |place| Cell::of(share(place, rank)))));
        }
        if most > MOST_RANKS {
            let column = Column::text("ranks", "ranks").meaning("ranks between which it lies in most resamples");
            columns.push((column, Box::new(|(heat, model)| Cell::text(ranks(heat, *model, metrics.confidence)))));
        }
        let places = self.heats.iter().flat_map(|heat| {
            heat.comparison.order.iter().map(move |model| {
                let row = Row::new([heat.setting.as_str(), heat.labels[*model].as_str()]);
                let id = heat.contenders[*model].results.plan.id.clone();
                (Row { id, ..row.over(heat.comparison.images) }, (heat, *model))
            })
        });
        let places: Vec<_> = places.collect();
        let confidence = 100.0 * metrics.confidence;
        let mut notes = vec![format!(
            "Targets are told apart with {confidence:.0} % confidence, all pairs of a setting together (Holm's correction). \
             Probabilities are shares of {RESAMPLES} resamples of the images."
        )];
        if metrics.average == Average::Macro {
            notes.push("FMR is pooled over the classes here: means over classes are not compared.".to_owned());
        }
        for heat in &self.heats {
            notes.extend(heat.notes(metrics.confidence));
        }
        notes.extend(self.apart.iter().map(|(name, why)| format!("{name} is not compared: {why}.")));
        let grid = Grid { notes, ..Grid::new("ranking", "Which target is better") };
        grid.labels(["setting", "target"]).tabulate(columns, places)
    }

    fn pairs(&self, metrics: &MetricsSettings) -> Grid {
        let confidence = metrics.confidence;
        let columns: Vec<(Column, CellOf<'_, OfPair<'_, '_>>)> = vec![
            (
                Column::points("difference", "ΔFMR").meaning("FMR of the first target less that of the second"),
                Box::new(|(_, pair): &OfPair<'_, '_>| {
                    Figure { value: Some(pair.difference), interval: pair.interval, ..Figure::default() }.into()
                }),
            ),
            (
                Column::number("p", "p").digits(4).meaning("of a difference as large between equally good targets"),
                Box::new(|(_, pair)| Cell::of(pair.p)),
            ),
            (
                Column::number("holm", "p, all pairs").digits(4).meaning("the same, corrected for the number of pairs"),
                Box::new(|(_, pair)| Cell::of(pair.adjusted_p)),
            ),
            (
                Column::count("both-produced", "produced").meaning("images that both searches produced"),
                Box::new(|(_, pair)| {
                    let test = &pair.produced;
                    Cell::count(test.both + test.only_first + test.only_second + test.neither)
                }),
            ),
            (
                Column::count("first-alone", "1st alone").meaning("of these, images on which only the first is right"),
                Box::new(|(_, pair)| Cell::count(pair.produced.only_first)),
            ),
            (
                Column::count("second-alone", "2nd alone").meaning("images on which only the second is right"),
                Box::new(|(_, pair)| Cell::count(pair.produced.only_second)),
            ),
            (
                Column::number("mcnemar", "McNemar p").digits(4).meaning("exact two-sided p of that split"),
                Box::new(|(_, pair)| Cell::of(pair.produced.exact_p)),
            ),
            (
                Column::number("kappa", "κ").digits(2).meaning(
                    "error consistency on clean images (Cohen's κ): 1 where both err on the same, 0 by chance",
                ),
                Box::new(|(_, pair)| agreement(&pair.clean)),
            ),
            (
                Column::count("needed", "to tell apart")
                    .meaning("images that would tell them apart, were the difference as it is"),
                Box::new(|(_, pair)| Cell::count(pair.images.and_then(|images| usize::try_from(images).ok()))),
            ),
        ];
        let pairs = self.heats.iter().flat_map(|heat| {
            heat.comparison.pairs.iter().map(move |pair| {
                let names = format!("{} – {}", heat.labels[pair.first], heat.labels[pair.second]);
                (Row::new([heat.setting.clone(), names]).over(heat.comparison.images), (heat, pair))
            })
        });
        let pairs: Vec<_> = pairs.collect();
        let notes = vec![format!(
            "Differences are paired by image. An image's influences on both FMRs are subtracted before they are squared. \
             The last column holds for a power of {:.0} % and {:.0} % confidence, without correction.",
            100.0 * POWER,
            100.0 * confidence
        )];
        let grid = Grid { notes, detail: pairs.len() > MOST_PAIRS, ..Grid::new("pairs", "Targets against each other") };
        grid.labels(["setting", "targets"]).tabulate(columns, pairs)
    }
}

/// κ with its interval and its number of images.
pub(crate) fn agreement(agreement: &fmr_core::metrics::Agreement) -> Cell {
    // As many digits as JSON reads back exactly.
    let rounded = |value: f64| (1e9 * value).round() / 1e9;
    let interval = agreement.interval.map(|Interval { lo, hi }| Interval { lo: rounded(lo), hi: rounded(hi) });
    let n = agreement.kappa.map(|_| agreement.images());
    Figure { value: agreement.kappa.map(rounded), interval, n, hits: None }.into()
}

fn ranks(heat: &Heat<'_>, model: usize, confidence: f64) -> String {
    let at = heat.comparison.order.iter().position(|ranked| *ranked == model);
    match at.and_then(|at| heat.comparison.stability.ranks(at, confidence)) {
        Some([best, worst]) if best == worst => best.to_string(),
        Some([best, worst]) => format!("{best}–{worst}"),
        None => "–".to_owned(),
    }
}

impl Heat<'_> {
    /// How stable the ranking is, whether SA ranks alike, and what was left out.
    fn notes(&self, confidence: f64) -> Vec<String> {
        let mut notes = Vec::new();
        let (setting, stability) = (&self.setting, &self.comparison.stability);
        let mut taus: Vec<f64> = stability.tau_b.iter().flatten().copied().collect();
        taus.sort_by(f64::total_cmp);
        // Of two models a ranking holds or does not: the probabilities say it.
        let several = self.comparison.order.len() > 2;
        if let Some(mean) = stability.mean_tau_b.filter(|_| several && !taus.is_empty()) {
            let tail = (1.0 - confidence) / 2.0;
            let at = |q: f64| taus[((taus.len() - 1) as f64 * q).round() as usize];
            notes.push(format!(
                "{setting}: Kendall's τ between the ranking and that of a resample is {mean:.2} on average, {:.2} to {:.2} in \
                 {:.0} % of {} resamples.",
                at(tail),
                at(1.0 - tail),
                100.0 * confidence,
                taus.len()
            ));
        }
        if stability.undefined > 0 {
            notes.push(format!(
                "{setting}: in {} resamples a target has no FMR; they are left out.",
                stability.undefined
            ));
        }
        if several {
            let (mut sa, mut fmr) = (Vec::new(), Vec::new());
            for model in &self.comparison.order {
                let counts = Counts::of(&self.images[*model]);
                sa.push(counts.clean_correct as f64);
                fmr.push(self.comparison.ratios[*model].value.unwrap_or_default());
            }
            let kendall = Kendall::of(&sa, &fmr);
            if let (Some(tau), Some(p)) = (kendall.tau_b, kendall.p) {
                let n = fmr.len();
                notes.push(format!(
                    "{setting}: Kendall's τ between SA and FMR of {n} targets is {tau:.2} (p = {p:.2})."
                ));
            }
        }
        let unranked: Vec<&str> = (0..self.labels.len())
            .filter(|model| !self.comparison.order.contains(model))
            .map(|model| self.labels[model].as_str())
            .collect();
        if !unranked.is_empty() {
            notes.push(format!("{setting}: {} has no FMR and is not ranked.", unranked.join(", ")));
        }
        if self.left_out > 0 {
            notes.push(format!("{setting}: {} images that not all targets have are left out.", self.left_out));
        }
        notes
    }
}
