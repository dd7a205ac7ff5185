//! What the run was: versions, and everything that its results depend on.

use fmr_store::RunPlan;

use crate::grid::CellOf;
use crate::{Cell, Column, Grid, Results, Row};

/// What models were shown, versions and fingerprints.
pub(crate) fn grids(results: &Results<'_>) -> Vec<Grid> {
    let plan = results.plan();
    let versions = plan.versions.iter().map(|(name, version)| (Row::new([name.as_str()]), version.clone()));
    let versions = Grid::new("versions", "Versions").labels(["part"]).tabulate(texts("version"), versions);
    let grids = [shown(results), versions, fingerprints(plan)].map(|grid| Grid { detail: true, ..grid });
    grids.into_iter().filter(|grid| !grid.rows.is_empty()).collect()
}

/// What each row's target and oracle do to an image. Originals take that path in bytes, from the size that their files
/// have; decoded images take it from the generator's size.
fn shown(results: &Results<'_>) -> Grid {
    let silent = || "the run's images, at the generator's size; it prepares them itself".to_owned();
    let mut lines: Vec<(Row, String)> = Vec::new();
    for row in results.rows() {
        let Some(components) = &row.facts.components else { continue };
        for (role, name, preprocessing) in [
            ("target", &components.target, &components.target_preprocessing),
            ("oracle", &components.oracle, &components.oracle_preprocessing),
        ] {
            let line = Row::new([row.plan.title.clone(), format!("{role} {name}")]);
            lines.push((line, preprocessing.clone().unwrap_or_else(silent)));
        }
    }
    Grid::new("shown", "What models are shown").labels(["row", "model"]).tabulate(texts("preprocessing"), lines)
}

/// Fields of the rows' fingerprints; those that all rows share stand first, once.
fn fingerprints(plan: &RunPlan) -> Grid {
    let shared = |field: &str, value: &str| {
        plan.rows.len() > 1
            && plan.rows.iter().all(|row| row.fingerprint.get(field).is_some_and(|other| other == value))
    };
    let line = |name: &str, field: &str, value: &str| (Row::new([name, field]), value.to_owned());
    let mut lines: Vec<(Row, String)> = Vec::new();
    if let Some(first) = plan.rows.first() {
        let all = first.fingerprint.iter().filter(|(field, value)| shared(field, value));
        lines.extend(all.map(|(field, value)| line("all rows", field, value)));
    }
    for row in &plan.rows {
        let own = row.fingerprint.iter().filter(|(field, value)| !shared(field, value));
        lines.extend(own.map(|(field, value)| line(&row.title, field, value)));
    }
    Grid::new("fingerprints", "What the results depend on").labels(["row", "field"]).tabulate(texts("value"), lines)
}

fn texts(heading: &str) -> Vec<(Column, CellOf<'static, String>)> {
    vec![(Column::text(heading, heading), Box::new(|text: &String| Cell::text(text.clone())))]
}
