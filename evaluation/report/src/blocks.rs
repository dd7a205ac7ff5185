//! The small tables under the main one, as every form of the report prints them.

use fmr_core::metrics::{Interval, Proportion, Summary};

use super::mask::{Against, MaskFigures, Work, time_saved};
use super::table::percent;
use super::{Table, TableRow};

/// Headings and values of a line.
pub(super) type Values = Vec<(&'static str, String)>;

/// One line of a block.
pub(super) struct Line<'t> {
    /// The row that it belongs to.
    pub row: &'t TableRow,
    /// What a line under that of the row holds.
    pub under: Option<Under>,
    /// The same headings in every line of a block.
    pub values: Values,
}

/// A line under that of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Under {
    /// The paper's figures.
    Paper,
    /// Figures of the mask that the settings' strength would give.
    AtStrength,
}

impl Under {
    /// What stands in place of the row's name.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::AtStrength => "at its strength",
        }
    }
}

/// One small table.
pub(super) struct Block<'t> {
    pub title: &'static str,
    /// At least one.
    pub lines: Vec<Line<'t>>,
    /// What the headings mean.
    pub legend: Option<&'static str>,
}

impl Table {
    /// The small tables that have something to say.
    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        let measured = |of: fn(&Summary) -> Values| {
            let line = |row| Some(Line { row, under: None, values: of(TableRow::measured(row)?) });
            self.rows.iter().filter_map(line).collect::<Vec<_>>()
        };
        let blocks = [
            (ENDINGS_TITLE, measured(endings), Some(ENDINGS_LEGEND)),
            (BESIDE_TITLE, measured(beside), None),
            (MASKS_TITLE, self.masks(), Some(MASKS_LEGEND)),
            (WORK_TITLE, self.work(), Some(WORK_LEGEND)),
            (AGAINST_TITLE, self.against(), Some(AGAINST_LEGEND)),
        ];
        let filled = blocks.into_iter().filter(|(_, lines, _)| !lines.is_empty());
        filled.map(|(title, lines, legend)| Block { title, lines, legend }).collect()
    }

    /// How masks were learned: Table 11.
    fn masks<'t>(&'t self) -> Vec<Line<'t>> {
        let lines = self.lines(
            |row| {
                let paper = row.mask.paper;
                (row.mask.figures.is_some() || paper.sparsity.is_some())
                    .then(|| self.mask_values(row.mask.figures.as_ref()))
            },
            |row| {
                let paper = row.mask.paper;
                let figures = [("sparsity", paper.sparsity), ("test", paper.test_score)];
                figures.iter().any(|f| f.1.is_some()).then(|| figures.map(|(k, v)| (k, decimals(v, 2))).to_vec())
            },
        );
        let with_strength = |line: Line<'t>| {
            let figures = line.row.mask.figures.as_ref().filter(|_| line.under.is_none());
            let values = figures.and_then(MaskFigures::at_strength).map(|figures| self.mask_values(Some(&figures)));
            let under = values.map(|values| Line { row: line.row, under: Some(Under::AtStrength), values });
            [Some(line), under]
        };
        lines.into_iter().flat_map(with_strength).flatten().collect()
    }

    fn mask_values(&self, figures: Option<&MaskFigures>) -> Values {
        let learning = figures.and_then(|f| f.learning.as_ref());
        let fit = learning.map(|l| &l.fit);
        let of_images = |l: &fmr_mask::Learning| match figures.and_then(|f| f.images) {
            Some(images) => format!("{}/{images}", l.pairs),
            None => l.pairs.to_string(),
        };
        let interval = figures.and_then(|f| f.test_interval(self.confidence_level()));
        vec![
            ("kept", text(figures, |f| f.kept.to_string())),
            ("of", text(figures, |f| f.values.to_string())),
            ("sparsity", decimals(figures.map(MaskFigures::sparsity), 2)),
            ("test", decimals(fit.map(|f| f.test_score()), 2)),
            ("interval", text(interval, |i| format!("{:.1}–{:.1}", 100.0 * i.lo, 100.0 * i.hi))),
            ("train", decimals(fit.map(|f| f.train_score()), 2)),
            ("pairs", text(learning, of_images)),
            ("gap", text(fit, |f| format!("{:.0e}{}", f.optimality.gap, if f.converged { "" } else { "!" }))),
        ]
    }

    /// What runs cost: Table 12.
    fn work(&self) -> Vec<Line<'_>> {
        let masked = |row: &TableRow| row.mask.figures.is_some() || row.mask.paper.seconds.is_some();
        if !self.rows.iter().any(masked) {
            return Vec::new();
        }
        self.lines(
            |row| {
                (row.mask.work.is_some() || row.mask.paper.seconds.is_some())
                    .then(|| work_values(row.mask.work.as_ref(), row.mask.figures.as_ref()))
            },
            |row| row.mask.paper.seconds.map(|s| vec![("seconds", decimals(Some(s), 1))]),
        )
    }

    /// What masks changed.
    fn against(&self) -> Vec<Line<'_>> {
        let saved = |saved: Option<(f64, f64)>| {
            [("saved %", decimals(saved.map(|s| s.0), 1)), ("faster %", decimals(saved.map(|s| s.1), 1))]
        };
        self.lines(
            |row| {
                let against = row.mask.against.filter(|a| a.fmr.is_some() || row.mask.paper.seconds.is_some())?;
                let mut values = self.against_values(&against);
                values.extend(saved(time_saved(against.seconds_without, against.seconds)));
                Some(values)
            },
            |row| {
                let without = row.mask.against?.paper_without;
                time_saved(without, row.mask.paper.seconds).map(|s| saved(Some(s)).to_vec())
            },
        )
    }

    fn against_values(&self, against: &Against) -> Values {
        let fmr = against.fmr.as_ref();
        let signed = |v: f64| format!("{v:+.*}", self.digits.saturating_sub(1));
        let points = |i: Interval| format!("{}…{}", signed(100.0 * i.lo), signed(100.0 * i.hi));
        vec![
            ("difference", text(fmr.and_then(|f| f.difference), |d| signed(100.0 * d))),
            ("interval", text(fmr.and_then(|f| f.difference_interval), points)),
            ("ratio", decimals(fmr.and_then(|f| f.log_ratio).map(f64::exp), 3)),
            ("interval", text(fmr.and_then(|f| f.ratio_interval), |i| format!("{:.3}–{:.3}", i.lo, i.hi))),
            ("p", decimals(fmr.and_then(|f| f.p), 3)),
        ]
    }

    /// A line of each row that has `values`, and under it one of the paper's where there are any. The paper's values are
    /// put under the headings of the same name.
    fn lines<'t>(
        &'t self,
        values: impl Fn(&'t TableRow) -> Option<Values>,
        paper: impl Fn(&'t TableRow) -> Option<Values>,
    ) -> Vec<Line<'t>> {
        let mut lines = Vec::new();
        for row in &self.rows {
            let Some(values) = values(row) else { continue };
            let under = paper(row).map(|paper| {
                let of = |name: &str| paper.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
                values.iter().map(|(name, _)| (*name, of(name).unwrap_or_default())).collect()
            });
            lines.push(Line { row, under: None, values });
            lines.extend(under.map(|values| Line { row, under: Some(Under::Paper), values }));
        }
        lines
    }
}

fn text<T>(value: Option<T>, write: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), write)
}

fn decimals(value: Option<f64>, digits: usize) -> String {
    text(value.filter(|v| v.is_finite()), |v| format!("{v:.digits$}"))
}

const ENDINGS_TITLE: &str = "How the searches ended, in images";

/// Counts and rates beside the figures of a row.
fn endings(summary: &Summary) -> Values {
    let endings = &summary.overall.endings;
    let mean = summary.overall.accepted_updates.value;
    vec![
        ("rejected", endings.reconstruction_rejected.to_string()),
        ("step 1", endings.stopped_at_first.to_string()),
        ("later", endings.stopped_later.to_string()),
        ("budget", endings.budget_reached.to_string()),
        ("early exit", endings.early_exit.to_string()),
        ("failed", endings.failed.to_string()),
        ("mean updates", decimals(mean, 1)),
    ]
}

const ENDINGS_LEGEND: &str = "rejected: the oracle refused the reconstruction. step 1, later: it refused the \
     first or a later update, which was undone. budget: all updates were accepted. mean updates: accepted ones, over \
     images whose reconstruction was accepted.";

const BESIDE_TITLE: &str = "Originals and reconstructions (rec.), in percent of all images";

/// Accuracies beside those of the table, in percent.
fn beside(summary: &Summary) -> Values {
    let figures = &summary.overall;
    let share = |p: &Proportion| percent(p.value, 1);
    vec![
        ("rec. accepted", share(&figures.reconstructed)),
        ("target right on rec.", share(&figures.reconstruction_accuracy)),
        ("oracle right on orig.", share(&figures.oracle_clean)),
        ("oracle right on rec.", share(&figures.oracle_reconstruction)),
    ]
}

const MASKS_TITLE: &str = "Masks: which latent values may move";

const MASKS_LEGEND: &str = "kept, of: latent values that may move, of all. sparsity: percent of the classifier's weights \
     that are exactly zero. test, train: percent of held-out and of fitted latents that the classifier puts on their \
     side; interval: of test. pairs: latents of images and of their perturbed versions, of the images that were \
     perturbed for it. gap: relative duality gap of the fit; with \"!\" larger than asked for, and then more may be kept \
     than at the optimum. at its strength: what the same latents give at the mask's `strength`, as its `penalty` reads it, \
     where the penalty was chosen otherwise.";

const WORK_TITLE: &str = "What the searches cost";

fn work_values(work: Option<&Work>, mask: Option<&MaskFigures>) -> Values {
    let effort = work.map(|w| w.effort);
    let each = work.and_then(|w| Some(1000.0 * w.seconds? / w.effort.updates as f64));
    vec![
        ("updates", text(effort, |e| e.updates.to_string())),
        ("refused", text(effort, |e| e.refused.to_string())),
        ("unchanged", text(effort, |e| e.unchanged.to_string())),
        ("seconds", decimals(work.and_then(|w| w.seconds), 1)),
        ("ms each", decimals(each, 2)),
        ("learning s", decimals(mask.and_then(|m| m.seconds), 1)),
    ]
}

const WORK_LEGEND: &str = "updates: all that were tried; refused: by the oracle; unchanged: accepted, and the score is to \
     the last digit what it was. seconds: wall time of the row on this machine, everything included but the learning of \
     its mask, which stands apart.";

const AGAINST_TITLE: &str = "With the mask against without it, on the same images";

const AGAINST_LEGEND: &str = "difference: FMR with the mask less FMR without, in points; ratio: of the two. Intervals by the \
     delta method on each image's influences, paired by image; p: two-sided, of the logarithm of the ratio. saved: \
     (old − new) / old of the seconds; faster: old / new − 1.";
