//! The samples of a row as a list: filtered, sorted, page by page, without asking the database again.

use fmr_core::SampleRecord;
use fmr_core::metrics::Ending;
use fmr_store::Outline;

use crate::query::Query;

/// Samples on a page where nobody asks otherwise.
pub(crate) const PAGE: usize = 60;
/// Most samples on a page.
const MOST: usize = 200;

/// What the target makes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Right on the original and wrong on the final image.
    Fooled,
    /// Right on the final image.
    Right,
    /// Wrong on the final image.
    Wrong,
    /// Wrong on the original.
    WrongFromStart,
}

impl Seen {
    /// All, in the order of forms.
    pub const ALL: [Self; 4] = [Self::Fooled, Self::Right, Self::Wrong, Self::WrongFromStart];

    /// Its name in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fooled => "fooled",
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::WrongFromStart => "wrong-from-start",
        }
    }

    /// What people read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Fooled => "right, then wrong",
            Self::Right => "right on the final image",
            Self::Wrong => "wrong on the final image",
            Self::WrongFromStart => "wrong on the original",
        }
    }

    fn holds(self, record: &SampleRecord) -> bool {
        let label = Some(record.label);
        match self {
            Self::Fooled => record.clean_prediction == label && record.final_prediction != label,
            Self::Right => record.final_prediction == label,
            Self::Wrong => record.final_prediction != label,
            Self::WrongFromStart => record.clean_prediction != label,
        }
    }
}

/// What samples are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Their place in the data.
    #[default]
    Index,
    /// How much the score rose, most first.
    Rise,
    /// The oracle's probability of the true class on the final image, least first.
    Oracle,
    /// How far the latent moved, most first.
    Moved,
    /// Accepted updates, fewest first.
    Updates,
}

impl Order {
    /// All, in the order of forms.
    pub const ALL: [Self; 5] = [Self::Index, Self::Rise, Self::Oracle, Self::Moved, Self::Updates];

    /// Its name in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Rise => "rise",
            Self::Oracle => "oracle",
            Self::Moved => "moved",
            Self::Updates => "updates",
        }
    }

    /// What people read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Index => "place in the data",
            Self::Rise => "rise of the score, most first",
            Self::Oracle => "oracle's probability, least first",
            Self::Moved => "change of the latent, most first",
            Self::Updates => "accepted updates, fewest first",
        }
    }

    fn key(self, outline: &Outline) -> f64 {
        let record = &outline.record;
        let key = match self {
            Self::Index => 0.0,
            Self::Rise => record.score0 - record.final_score,
            Self::Oracle => f64::from(outline.oracle_true.unwrap_or(f32::INFINITY)),
            Self::Moved => -record.latent_moved,
            Self::Updates => record.accepted_updates as f64,
        };
        // What is not a number comes last.
        if key.is_nan() { f64::INFINITY } else { key }
    }
}

/// Which samples, in which order, which page of them: all of it stands in the address.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// How the search ended.
    pub ending: Option<Ending>,
    /// True class.
    pub class: Option<usize>,
    /// What the target makes of the image.
    pub seen: Option<Seen>,
    /// Least probability of the true class on the final image, in percent.
    pub least: Option<f32>,
    /// Largest.
    pub most: Option<f32>,
    /// The order.
    pub order: Order,
    /// The page, from 1.
    pub page: usize,
    /// Samples on a page.
    pub size: usize,
    /// Of all samples the first so many alone, on a site that shows no others; never in an address.
    pub most_shown: Option<usize>,
}

/// The name of an ending in addresses.
pub(crate) fn ending_name(ending: Ending) -> String {
    ending.name().replace(' ', "-")
}

impl Filter {
    /// The filter of a query. What it does not understand it leaves out.
    pub fn of(query: &Query) -> Self {
        let named = |key: &str| query.get(key);
        Self {
            ending: named("ending").and_then(|name| Ending::ALL.into_iter().find(|e| ending_name(*e) == name)),
            class: query.parsed("class"),
            seen: named("target").and_then(|name| Seen::ALL.into_iter().find(|seen| seen.name() == name)),
            least: query.parsed("least").filter(|p: &f32| p.is_finite()),
            most: query.parsed("most").filter(|p: &f32| p.is_finite()),
            order: named("sort")
                .and_then(|name| Order::ALL.into_iter().find(|order| order.name() == name))
                .unwrap_or_default(),
            page: query.parsed("page").unwrap_or(1).max(1),
            size: query.parsed("size").unwrap_or(PAGE).clamp(1, MOST),
            most_shown: None,
        }
    }

    /// The query of the filter, without what is as usual.
    pub fn query(&self) -> Query {
        let parts = [
            ("ending", self.ending.map(ending_name)),
            ("class", self.class.map(|class| class.to_string())),
            ("target", self.seen.map(|seen| seen.name().to_owned())),
            ("least", self.least.map(|p| p.to_string())),
            ("most", self.most.map(|p| p.to_string())),
            ("sort", (self.order != Order::Index).then(|| self.order.name().to_owned())),
            ("page", (self.page > 1).then(|| self.page.to_string())),
            ("size", (self.size != PAGE).then(|| self.size.to_string())),
        ];
        Query(parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
    }

    /// The same with a different page.
    #[must_use]
    pub fn at(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    fn holds(&self, Outline { record, oracle_true }: &Outline) -> bool {
        let within = |holds: &dyn Fn(f32) -> bool| oracle_true.is_some_and(|p| holds(100.0 * p));
        self.ending.is_none_or(|ending| Ending::of(record) == ending)
            && self.class.is_none_or(|class| record.label == class)
            && self.seen.is_none_or(|seen| seen.holds(record))
            && self.least.is_none_or(|least| within(&|p| p >= least))
            && self.most.is_none_or(|most| within(&|p| p <= most))
    }
}

/// A row's finished samples.
#[derive(Debug, Default)]
pub struct Listing {
    /// By index.
    pub outlines: Vec<Outline>,
}

impl Listing {
    /// Positions in `outlines` of the samples of a filter, in its order.
    pub fn select(&self, filter: &Filter) -> Vec<usize> {
        let last = self.outlines.len().min(filter.most_shown.unwrap_or(usize::MAX));
        let mut found: Vec<usize> = (0..last).filter(|at| filter.holds(&self.outlines[*at])).collect();
        if filter.order != Order::Index {
            let mut keyed: Vec<(f64, usize)> =
                found.into_iter().map(|at| (filter.order.key(&self.outlines[at]), at)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            found = keyed.into_iter().map(|(_, at)| at).collect();
        }
        found
    }
}

/// The part of a selection that a page shows, with the number of pages, at least 1.
pub(crate) fn page<'s>(selected: &'s [usize], filter: &Filter) -> (&'s [usize], usize) {
    let pages = selected.len().div_ceil(filter.size).max(1);
    let from = (filter.page.min(pages) - 1) * filter.size;
    (&selected[from..selected.len().min(from + filter.size)], pages)
}
