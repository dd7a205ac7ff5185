//! The curve: rows that differ in their step size, as lines of FMR, PA and VR.
//!
//! At one step size a robust and a weak model may look alike. Rows of a [`Sweep`] share the generator, the oracle and all of
//! the search but its step size; a [`Course`] is one target on one data set at all step sizes.

use std::collections::BTreeMap;

use fmr_core::metrics::{Area, Indicators, MetricsSettings, Proportion, Ratio, Summary};

use crate::RowResults;
use crate::compare::{Contender, STEP_SIZE, names, setting};
use crate::select::perturbed;

/// Images of a row whose distance in pixels is looked at.
pub const MOST_PIXELS: usize = 200;

/// Root mean square, over the pixels, of the change from reconstruction to final image of a sample (by its index) of a row;
/// `None` where the images are not known.
pub type Pixels<'f> = dyn Fn(&RowResults, usize) -> Option<f64> + 'f;

/// Rows that differ in data, target and step size alone.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// What they share, where a report has several sweeps; else empty.
    pub setting: String,
    /// Unit of the step sizes: `latent` or `spread`.
    pub unit: String,
    /// One target on one data set each.
    pub courses: Vec<Course>,
}

/// One target on one data set, at two step sizes or more.
#[derive(Debug, Clone)]
pub struct Course {
    /// Label of the data set.
    pub data: String,
    /// Label of the target.
    pub target: String,
    /// By step size, ascending.
    pub stops: Vec<Stop>,
    /// Area under FMR against log₁₀ of the step size, over the images that all rows share.
    pub area: Option<Area>,
}

/// What was found at one step size.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// η, in the sweep's unit.
    pub step_size: f64,
    /// Images.
    pub n: usize,
    /// Perturbed accuracy.
    pub pa: Proportion,
    /// FMR.
    pub fmr: Ratio,
    /// Validation rate.
    pub vr: Proportion,
    /// Median over perturbed images of the largest change of a latent value, in the latent's own unit.
    pub moved: Option<f64>,
    /// The same in spreads of the value's block, where these are known.
    pub spreads: Option<f64>,
    /// Median of the root mean square change of the pixels, over at most [`MOST_PIXELS`] images, where images are known.
    pub pixels: Option<f64>,
}

impl Course {
    /// Data set and target.
    pub fn name(&self) -> String {
        format!("{} · {}", self.data, self.target)
    }
}

/// The sweeps among the rows of a run, in the order of their first rows.
pub fn sweeps(rows: &[Contender<'_>], metrics: &MetricsSettings, pixels: &Pixels<'_>) -> Vec<Sweep> {
    let mut families: Vec<Vec<&Contender<'_>>> = Vec::new();
    for row in rows.iter().filter(|row| step_size(row).is_some()) {
        match families.iter_mut().find(|family| shared(family[0]) == shared(row)) {
            Some(family) => family.push(row),
            None => families.push(vec![row]),
        }
    }
    let mut found: Vec<(Sweep, &RowResults)> = Vec::new();
    for family in families {
        let courses = courses(&family, metrics, pixels);
        if courses.is_empty() {
            continue;
        }
        let unit = family[0].results.plan.fingerprint.get("search.step-unit");
        let unit = unit.map_or_else(|| "latent".to_owned(), Clone::clone);
        found.push((Sweep { setting: String::new(), unit, courses }, family[0].results));
    }
    if found.len() > 1 {
        let firsts: Vec<(&str, &RowResults)> = found.iter().map(|(_, row)| ("", *row)).collect();
        for ((sweep, _), name) in found.iter_mut().zip(names(&firsts)) {
            sweep.setting = name.trim_start_matches(", ").to_owned();
        }
    }
    found.into_iter().map(|(sweep, _)| sweep).collect()
}

fn step_size(row: &Contender<'_>) -> Option<f64> {
    row.results.plan.fingerprint.get(STEP_SIZE)?.parse().ok().filter(|step: &f64| step.is_finite() && *step > 0.0)
}

/// What all rows of a sweep share.
fn shared<'r>(row: &Contender<'r>) -> BTreeMap<&'r str, &'r str> {
    let plan: &'r fmr_store::RowPlan = &row.results.plan;
    let mut fields = setting(plan);
    fields.retain(|field, _| *field != STEP_SIZE && field.split(['.', '[']).next() != Some("data"));
    fields
}

/// The rows of one target on one data set each, where they are at two step sizes or more.
fn courses(family: &[&Contender<'_>], metrics: &MetricsSettings, pixels: &Pixels<'_>) -> Vec<Course> {
    let mut lines: Vec<Vec<&Contender<'_>>> = Vec::new();
    for row in family {
        let same = |line: &&mut Vec<&Contender<'_>>| {
            let of = |row: &Contender<'_>| {
                let mut fields = row.results.plan.fingerprint.clone();
                fields.remove(STEP_SIZE);
                (fields, row.target.clone())
            };
            of(line[0]) == of(row)
        };
        match lines.iter_mut().find(same) {
            Some(line) => line.push(row),
            None => lines.push(vec![row]),
        }
    }
    let course = |mut line: Vec<&Contender<'_>>| {
        line.sort_by(|a, b| step_size(a).unwrap_or_default().total_cmp(&step_size(b).unwrap_or_default()));
        line.dedup_by(|a, b| step_size(a) == step_size(b));
        (line.len() > 1).then(|| Course {
            data: line[0].data.clone(),
            target: line[0].target.clone(),
            stops: line.iter().map(|row| stop(row, metrics, pixels)).collect(),
            area: area(&line, metrics),
        })
    };
    lines.into_iter().filter_map(course).collect()
}

fn area(line: &[&Contender<'_>], metrics: &MetricsSettings) -> Option<Area> {
    let keys = line[0].images.keys().filter(|key| line.iter().all(|row| row.images.contains_key(*key)));
    let keys: Vec<&&str> = keys.collect();
    let images = |row: &Contender<'_>| keys.iter().map(|key| row.images[**key]).collect::<Vec<Indicators>>();
    let points: Vec<(f64, Vec<Indicators>)> =
        line.iter().map(|row| (step_size(row).unwrap_or_default(), images(row))).collect();
    // The images are the same at every step size.
    Area::of(&points, metrics.fmr_reading(), metrics.confidence).ok().flatten()
}

fn stop(row: &Contender<'_>, metrics: &MetricsSettings, pixels: &Pixels<'_>) -> Stop {
    let results = row.results;
    let overall = Summary::of(&results.records, &results.plan.classes, metrics).overall;
    let moved = || results.records.iter().filter(|record| perturbed(record));
    Stop {
        step_size: step_size(row).unwrap_or_default(),
        n: overall.n,
        pa: overall.pa,
        fmr: overall.fmr,
        vr: overall.vr,
        moved: median(moved().map(|record| record.latent_moved)),
        spreads: median(moved().filter_map(|record| record.moved_spreads)),
        pixels: median(moved().take(MOST_PIXELS).filter_map(|record| pixels(results, record.index))),
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
