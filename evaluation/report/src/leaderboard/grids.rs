//! A leaderboard as tables.

use super::{Entry, Leaderboard, LeftOut, Link, Table};
use crate::grid::{Caption, CellOf, Figure};
use crate::{Cell, Column, Grid, Report, Row};

impl Leaderboard {
    /// A table for each setting, one of the models' cards, and one of the rows that are left out.
    pub fn report(&self) -> Report {
        let mut grids: Vec<Grid> = self.tables.iter().enumerate().map(|(at, table)| ranking(at, table)).collect();
        grids.extend(models(&self.tables));
        grids.extend(doubts(&self.tables));
        grids.extend(left_out(&self.left_out));
        Report { title: self.title.clone(), grids, ..Report::default() }
    }
}

fn ranking(at: usize, table: &Table) -> Grid {
    let columns: Vec<(Column, CellOf<'_, &Entry>)> = vec![
        (
            Column::text("rank", "rank").meaning("by FMR, and the ranks between which it lies"),
            Box::new(|entry: &&Entry| Cell::text(rank(entry))),
        ),
        (
            Column::text("group", "group").meaning("targets that share a letter cannot be told apart"),
            Box::new(|entry| Cell::text(entry.group.clone())),
        ),
        (Column::percent("fmr", "FMR").digits(2).meaning("PA / SA"), Box::new(|entry| (&entry.fmr).into())),
        (
            Column::percent("sa", "SA").meaning("standard accuracy, the target's on originals"),
            Box::new(|entry| (&entry.sa).into()),
        ),
        (
            Column::percent("pa", "PA").meaning("perturbed accuracy, the target's on images that the search produced"),
            Box::new(|entry| (&entry.pa).into()),
        ),
        (
            Column::percent("vr", "VR").meaning("validation rate, the share of images that the search produced"),
            Box::new(|entry| (&entry.vr).into()),
        ),
        (
            Column::percent("first", "1st").digits(0).meaning("share of resamples of the images in which it is first"),
            Box::new(|entry| Cell::of(entry.first)),
        ),
        (
            Column::percent("area", "area").meaning("mean FMR over the step sizes of the runs, on a logarithmic scale"),
            Box::new(|entry| {
                entry.area.map_or_else(Cell::missing, |area| {
                    let over = format!("From step size {} to {}, over {} images.", area.from, area.to, area.images);
                    let figure = Figure { value: area.value, interval: area.interval, ..Figure::default() };
                    Cell::from(figure).remark(over)
                })
            }),
        ),
        (
            Column::count("parameters", "parameters"),
            Box::new(|entry| Cell::count(entry.parameters.and_then(|count| usize::try_from(count).ok()))),
        ),
        (
            Column::seconds("time", "per image")
                .digits(2)
                .meaning("wall time of an image's search on the run's machine"),
            Box::new(|entry| Cell::of(entry.seconds_per_image)),
        ),
    ];
    let rows = table.entries.iter().map(|entry| (Row::new([entry.model.as_str()]).over(table.images), entry));
    let mut notes = Vec::new();
    if table.images_left_out > 0 {
        notes.push(format!("{} images that only some of the rows have are left out.", table.images_left_out));
    }
    let grid = Grid { caption: caption(table), notes, ..Grid::new(&format!("setting-{}", at + 1), &table.setting) };
    grid.labels(["model"]).tabulate(columns, rows)
}

fn caption(table: &Table) -> Caption {
    let field = |name: &str| table.fingerprint.get(name).cloned().unwrap_or_default();
    let facts = [
        ("generator", table.generator.clone()),
        ("oracle", table.oracle.clone()),
        ("verdict", field("verdict.rule")),
        ("budget", field("search.budget")),
        ("step size", field("search.step-size")),
        ("unit", field("search.step-unit")),
        ("rule", field("search.rule")),
    ];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    Caption {
        worlds: table.worlds.clone(),
        facts: facts.map(|(name, value)| (name.to_owned(), value)).collect(),
        confidence: Some(table.confidence),
        ..Caption::default()
    }
}

fn rank(entry: &Entry) -> String {
    match entry.ranks {
        Some([best, worst]) if best != worst => format!("{} ({best}–{worst})", entry.rank),
        _ => entry.rank.to_string(),
    }
}

/// What is known of the models, each once.
fn models(tables: &[Table]) -> Option<Grid> {
    let title = |link: Option<&Link>| Cell::text(link.map_or("–", |link| link.title.as_str()));
    let url = |link: Option<&Link>| link.and_then(|link| link.url.clone()).map_or_else(Cell::missing, Cell::text);
    let mut rows: Vec<Row> = Vec::new();
    for entry in tables.iter().flat_map(|table| &table.entries) {
        let Some(card) = &entry.card else { continue };
        if rows.iter().any(|row| row.path == [entry.model.clone()]) {
            continue;
        }
        let row = Row::new([entry.model.as_str()])
            .with("authors", Cell::text(card.authors.join(", ")))
            .with("paper", title(card.paper.as_ref()))
            .with("paper-url", url(card.paper.as_ref()))
            .with("code", url(card.code.as_ref()))
            .with("weights", title(card.weights.as_ref()))
            .with("weights-url", url(card.weights.as_ref()))
            .with("licence", Cell::text(card.licence.as_deref().unwrap_or("not stated")));
        rows.push(row);
    }
    let columns = [
        ("authors", "authors"),
        ("paper", "paper"),
        ("paper-url", "at"),
        ("code", "code"),
        ("weights", "weights"),
        ("weights-url", "from"),
        ("licence", "licence of the weights"),
    ];
    let mut grid = Grid { rows, ..Grid::new("models", "Models") }.labels(["model"]);
    grid.columns = columns.map(|(id, heading)| Column::text(id, heading)).to_vec();
    (!grid.rows.is_empty()).then_some(grid)
}

/// Sentences about figures that a reader should doubt.
fn doubts(tables: &[Table]) -> Option<Grid> {
    let lines = tables.iter().flat_map(|table| {
        table.entries.iter().flat_map(move |entry| {
            let row = move || Row::new([table.setting.as_str(), entry.model.as_str()]);
            entry.doubts.iter().map(move |doubt| row().with("doubt", Cell::text(doubt.clone())))
        })
    });
    sentences("doubts", "Doubts about figures", ["setting", "model"], ("doubt", "doubt"), lines.collect())
}

fn left_out(rows: &[LeftOut]) -> Option<Grid> {
    let lines = rows.iter().map(|row| Row::new([row.row.as_str()]).with("why", Cell::text(row.why.clone())));
    sentences("left-out", "Rows that are not ranked", ["row"], ("why", "why"), lines.collect())
}

fn sentences<const N: usize>(
    id: &str,
    title: &str,
    labels: [&str; N],
    (column, heading): (&str, &str),
    rows: Vec<Row>,
) -> Option<Grid> {
    let mut grid = Grid { rows, ..Grid::new(id, title) }.labels(labels);
    grid.columns = vec![Column::text(column, heading)];
    (!grid.rows.is_empty()).then_some(grid)
}
