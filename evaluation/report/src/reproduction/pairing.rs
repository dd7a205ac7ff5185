//! Two rows on the images that they share.

use std::collections::BTreeMap;

use fmr_core::metrics::{Counts, Indicators, MetricsSettings, PairedFmr, Proportion};

use crate::compare::{setting, target, under};
use crate::grid::{CellOf, Figure};
use crate::{Cell, Column, Evidence, Grid, Row};

/// Differences of FMR up to this are small: five points.
pub(super) const SMALL: f64 = 0.05;

/// Two rows, image by image.
pub(super) struct Pairing {
    /// Data set and run.
    pub(super) setting: String,
    /// What the two rows are called.
    pub(super) names: [String; 2],
    pub(super) fmr: PairedFmr,
    pub(super) sa: [Proportion; 2],
    pub(super) images: usize,
}

impl Pairing {
    /// `first` less `second`; `None` where they share no image, or an FMR is undefined.
    pub(super) fn of(first: &Evidence<'_>, second: &Evidence<'_>, metrics: &MetricsSettings) -> Option<Self> {
        let [one, two] = shared(first, second);
        let fmr = PairedFmr::of(&one, &two, metrics.fmr_reading(), metrics.confidence).ok()?;
        fmr.difference?;
        let sa = [&one, &two].map(|images| {
            let counts = Counts::of(images.iter());
            Proportion::of(counts.clean_correct, counts.n, metrics.confidence)
        });
        let names = first.contender.results.facts.components.as_ref();
        let generator = names.map(|names| format!(", {}", names.generator)).unwrap_or_default();
        let setting = format!("{}, {}{generator}", first.contender.data, first.experiment);
        let names = [first, second].map(|row| row.contender.model.clone());
        Some(Self { setting, names, fmr, sa, images: one.len() })
    }

    /// The same under other names.
    pub(super) fn named(self, names: [&str; 2]) -> Self {
        Self { names: names.map(str::to_owned), ..self }
    }

    /// Limits of the difference of FMR.
    pub(super) fn limits(&self) -> [f64; 2] {
        let interval = self.fmr.difference_interval;
        interval.map_or([f64::NEG_INFINITY, f64::INFINITY], |interval| [interval.lo, interval.hi])
    }

    /// Whether the whole interval lies within five points.
    pub(super) fn is_small(&self) -> bool {
        let [lo, hi] = self.limits();
        lo > -SMALL && hi < SMALL
    }

    /// SA of the first less that of the second.
    pub(super) fn sa_difference(&self) -> f64 {
        let [one, two] = self.sa.map(|sa| sa.value.unwrap_or(f64::NAN));
        one - two
    }
}

/// What the metrics count of the images that both rows have, in one order.
pub(super) fn shared(first: &Evidence<'_>, second: &Evidence<'_>) -> [Vec<Indicators>; 2] {
    let (one, two) = (&first.contender.images, &second.contender.images);
    let pairs = one.iter().filter_map(|(key, image)| Some((*image, *two.get(key)?)));
    let (one, two) = pairs.unzip();
    [one, two]
}

/// Whether rows of one target on the same data differ in fields below these heads, and in nothing else.
pub(super) fn differ_in(a: &Evidence<'_>, b: &Evidence<'_>, heads: &[&str]) -> bool {
    let (one, two) = (&a.contender.results.plan, &b.contender.results.plan);
    let free = |field: &str| heads.iter().any(|head| under(field, head));
    let rest = |row: &'_ Evidence<'_>| {
        let fields = setting(&row.contender.results.plan).into_iter().filter(|(field, _)| !free(field));
        fields.map(|(field, value)| (field.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>()
    };
    let differ = setting(one) != setting(two);
    one.classes == two.classes && target(one) == target(two) && differ && rest(a) == rest(b)
}

/// All pairs of rows that differ in fields below these heads alone, the first of which `is_first`.
pub(super) fn pairs<'e, 'r>(
    rows: &'e [Evidence<'r>],
    heads: &[&str],
    is_first: &dyn Fn(&Evidence<'_>) -> bool,
) -> Vec<[&'e Evidence<'r>; 2]> {
    let mut pairs = Vec::new();
    for first in rows.iter().filter(|row| is_first(row)) {
        let others = rows.iter().filter(|row| !is_first(row) && differ_in(first, row, heads));
        pairs.extend(others.map(|second| [first, second]));
    }
    pairs
}

/// A field of a row's fingerprint.
pub(super) fn field<'r>(row: &Evidence<'r>, name: &str) -> Option<&'r str> {
    row.contender.results.plan.fingerprint.get(name).map(String::as_str)
}

/// Pairs as a table.
pub(super) fn table(pairings: Vec<Pairing>, metrics: &MetricsSettings) -> Grid {
    let columns: Vec<(Column, CellOf<'_, Pairing>)> = vec![
        (Column::percent("sa-1", "SA").group("first"), Box::new(|pair: &Pairing| Cell::from(&pair.sa[0]))),
        (Column::percent("fmr-1", "FMR").group("first"), Box::new(|pair| Cell::from(&pair.fmr.first))),
        (Column::percent("sa-2", "SA").group("second"), Box::new(|pair| Cell::from(&pair.sa[1]))),
        (Column::percent("fmr-2", "FMR").group("second"), Box::new(|pair| Cell::from(&pair.fmr.second))),
        (
            Column::points("difference", "ΔFMR").meaning("FMR of the first less that of the second, paired by image"),
            Box::new(|pair| {
                let figure =
                    Figure { value: pair.fmr.difference, interval: pair.fmr.difference_interval, ..Figure::default() };
                figure.into()
            }),
        ),
    ];
    let rows = pairings.into_iter().map(|pair| {
        let names = format!("{} – {}", pair.names[0], pair.names[1]);
        (Row::new([pair.setting.clone(), names]).over(pair.images), pair)
    });
    let mut grid = Grid::new("pairs", "").labels(["setting", "first – second"]).tabulate(columns, rows);
    grid.caption.confidence = Some(metrics.confidence);
    grid
}
