//! Accuracy against the number of updates, from the steps that a run keeps: no new run is needed.

use super::sweeps::share;
use super::{Entry, Measured, Run};
use crate::curves::accuracy;
use crate::plot::{Axis, Line, Plot, Point};

/// One figure a data set: a line for each of its rows.
pub(super) fn plots(run: &Run<'_>) -> Vec<Plot> {
    let mut sets: Vec<(&str, Vec<(&Entry<'_>, &Measured<'_>)>)> = Vec::new();
    for (entry, measured) in run.measured() {
        match sets.iter_mut().find(|(data, _)| *data == entry.data) {
            Some((_, rows)) => rows.push((entry, measured)),
            None => sets.push((&entry.data, vec![(entry, measured)])),
        }
    }
    let mut plots = Vec::new();
    for (at, (data, rows)) in sets.iter().enumerate() {
        let line = |(entry, measured): &(&Entry<'_>, &Measured<'_>)| {
            let course = accuracy(&measured.results.records, &run.metrics);
            let n = course.first().map_or(0, |first| first.of);
            let points =
                course.iter().enumerate().filter_map(|(t, found)| Some(Point { x: t as f64, ..share(found)? }));
            Line { name: format!("{} ({n} produced)", entry.model), points: points.collect() }
        };
        let plot = Plot {
            id: format!("updates-{}", at + 1),
            title: format!("Accuracy after each update, {data}"),
            x: Axis { label: "updates".to_owned(), ..Axis::default() },
            y: Axis { label: "accuracy on produced images, %".to_owned(), log: false, range: Some((0.0, 100.0)) },
            lines: rows.iter().map(line).filter(|line| line.points.len() > 1).collect(),
            notes: vec![
                "Over the images that the search produced. After the oracle stops a search its last accepted image stands; \
                 0 is the reconstruction. Bands are intervals of each point."
                    .to_owned(),
            ],
        };
        plots.extend(Some(plot).filter(Plot::is_drawn));
    }
    plots
}
