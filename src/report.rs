//! What a run leaves behind for people, made from its store: the table, one HTML page, contact sheets, images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fmr_core::SampleRecord;
use fmr_core::metrics::{Effort, PairedFmr, Summary, aligned};
use fmr_core::validity::{Facts, ReplacedFacts, flags};
use fmr_experiment::{Experiment, MissingFiles, PaperFigures, Row};
use fmr_report::{
    Against, Column, MaskPart, Need, Page, PaperMask, RowState, Setting, SheetOptions, TableRow, Work, contact_sheet,
    html,
};
use fmr_store::RunStore;

pub use fmr_report::{MaskFigures, Table, mask_art};

use crate::error::Error;
use crate::masks::MASK;
use crate::run::{LOGITS, REPEATED, SECONDS, noted};

/// Folder of the perturbed images inside a run's folder.
pub const IMAGES: &str = "images";
/// Folder of the tables of samples and steps inside a run's folder.
pub const EXPORT: &str = "export";

/// The table of a run.
///
/// # Errors
/// The run cannot be read.
pub fn table(experiment: &Experiment, store: &RunStore) -> Result<Table, Error> {
    let rows = experiment.rows.iter().map(|row| table_row(experiment, store, row)).collect::<Result<_, _>>()?;
    Ok(Table {
        title: experiment.title.clone(),
        setting: setting(experiment, store),
        rows,
        digits: experiment.report.digits,
    })
}

/// Writes the table (`table.txt`, `table.md`, `table.json`), the page (`report.html`), a contact sheet a row
/// (`sheet-CELL.png`) and the perturbed images (`images/`) into the run's folder.
///
/// # Errors
/// The run cannot be read, or its folder cannot be written.
pub fn write(experiment: &Experiment, store: &RunStore) -> Result<Table, Error> {
    let table = table(experiment, store)?;
    let dir = store.dir();
    let json = serde_json::to_string_pretty(&table).unwrap_or_default();
    let samples = experiment.report.samples;
    let page = html(&Page { store, table: &table, samples })?;
    let texts = [("table.txt", table.to_string()), ("table.md", table.to_markdown()), ("table.json", json)];
    for (name, text) in texts.into_iter().chain([("report.html", page)]) {
        replace(&dir.join(name), text.as_bytes())?;
    }
    for row in &store.plan().rows {
        let sheet = contact_sheet(store, row, &SheetOptions { samples, subtitle: subtitle(&table.setting) })?;
        replace(&dir.join(format!("sheet-{}.png", row.file_name())), &sheet)?;
    }
    store.export_images(&dir.join(IMAGES))?;
    Ok(table)
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, bytes).map_err(Error::io(path))?;
    std::fs::rename(&partial, path).map_err(Error::io(path))
}

fn table_row(experiment: &Experiment, store: &RunStore, row: &Row) -> Result<TableRow, Error> {
    let plan = store.plan().rows.iter().find(|plan| plan.id == row.id);
    let mask = mask_part(experiment, store, row)?;
    let (state, flags) = match plan {
        Some(plan) => {
            let records = store.records(&plan.id)?;
            let summary = Summary::of(&records, &plan.classes, &experiment.metrics);
            let facts = Facts {
                mask: mask.figures.as_ref().map(MaskFigures::facts),
                logits: noted(store, &plan.id, LOGITS)?,
                repeated: noted(store, &plan.id, REPEATED)?,
                replaced: replaced(store, &plan.id)?,
                step_size: Some(row.search.step_size),
                ..Facts::default()
            };
            let flags = flags(&records, &summary, &facts);
            (RowState::Measured(Box::new(summary)), flags)
        }
        None => (RowState::Missing(needs(experiment, row)), Vec::new()),
    };
    Ok(TableRow {
        data: experiment.data[&row.data].label.clone(),
        model: row.label.clone(),
        world: row.world.unwrap_or(experiment.report.world),
        state,
        paper: row.paper.as_ref().map(columns).unwrap_or_default(),
        flags,
        mask,
    })
}

/// What a row says of masks: how its own was learned, what the row cost, and what the mask changed.
fn mask_part(experiment: &Experiment, store: &RunStore, row: &Row) -> Result<MaskPart, Error> {
    let paper = paper_mask(row);
    let without = experiment.rows.iter().find(|other| row.mask.is_some() && is_without_mask(other, row));
    let records = recorded(store, row)?;
    let (figures, work) = match has_cell(store, row) {
        true => {
            let work = Work { effort: Effort::of(&records), seconds: seconds(store, row)? };
            (noted::<MaskFigures>(store, &row.id, MASK)?, Some(work))
        }
        false => (None, None),
    };
    let searches = figures.as_ref().is_none_or(|figures| figures.kept > 0);
    let against = match without {
        Some(other) => Some(Against {
            // Undefined while one of the two is unfinished: then they have different images. Under a mask that keeps
            // nothing there was no search to compare.
            fmr: if searches { paired(experiment, &records, &recorded(store, other)?) } else { None },
            seconds: seconds(store, row)?,
            seconds_without: seconds(store, other)?,
            paper_without: paper_mask(other).seconds,
        }),
        None => None,
    };
    Ok(MaskPart { figures, work, against, paper })
}

fn has_cell(store: &RunStore, row: &Row) -> bool {
    store.plan().rows.iter().any(|plan| plan.id == row.id)
}

/// Finished samples of a row; none where it cannot run here.
fn recorded(store: &RunStore, row: &Row) -> Result<Vec<SampleRecord>, Error> {
    Ok(if has_cell(store, row) { store.records(&row.id)? } else { Vec::new() })
}

fn seconds(store: &RunStore, row: &Row) -> Result<Option<f64>, Error> {
    Ok(if has_cell(store, row) { noted(store, &row.id, SECONDS)? } else { None })
}

/// FMR with the mask and without, paired by image.
fn paired(experiment: &Experiment, with: &[SampleRecord], without: &[SampleRecord]) -> Option<PairedFmr> {
    let metrics = &experiment.metrics;
    let (with, without) = aligned(with, without, metrics).ok()?;
    PairedFmr::of(&with, &without, metrics.fmr_reading(), metrics.confidence).ok()
}

fn paper_mask(row: &Row) -> PaperMask {
    let Some(paper) = &row.paper else { return PaperMask::default() };
    let figure = |text: &Option<String>| text.as_ref()?.parse().ok();
    PaperMask {
        sparsity: figure(&paper.sparsity),
        test_score: figure(&paper.test_score),
        seconds: figure(&paper.seconds),
    }
}

/// Whether `other` is `row` but for its mask, which `other` has none of.
fn is_without_mask(other: &Row, row: &Row) -> bool {
    let of = |row: &Row| {
        let names = [&row.data, &row.target, &row.generator, &row.oracle].map(Clone::clone);
        (names, row.scorer.clone(), row.search.clone(), row.verdict.clone())
    };
    other.mask.is_none() && of(other) == of(row)
}

/// What was done before a plugin of the row was replaced.
fn replaced(store: &RunStore, row: &str) -> Result<Option<ReplacedFacts>, Error> {
    let all = store.replaced_plugins(row)?;
    Ok(all.last().map(|last| ReplacedFacts { before: last.kept, times: all.len() }))
}

/// What a row that did not run lacks.
fn needs(experiment: &Experiment, row: &Row) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    for need in experiment.missing(row).into_iter().map(need) {
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    if needs.is_empty() {
        let what = "a run of this row: when the run began its files were not there".to_owned();
        return vec![Need { what, get: "run the experiment again".to_owned(), put: "a new folder".to_owned() }];
    }
    needs
}

fn need(files: MissingFiles) -> Need {
    let put = files.list();
    match files.obtain {
        Some(obtain) => Need { what: obtain.what, get: obtain.get, put },
        None => Need { what: files.key, get: "not said by the experiment file".to_owned(), put },
    }
}

fn columns(paper: &PaperFigures) -> BTreeMap<Column, f64> {
    let figures =
        [(Column::Sa, &paper.sa), (Column::Pa, &paper.pa), (Column::Fmr, &paper.fmr), (Column::Vr, &paper.vr)];
    figures.into_iter().filter_map(|(column, text)| Some((column, text.as_ref()?.parse().ok()?))).collect()
}

/// How the rows that ran came about; what differs between rows is in their labels.
fn setting(experiment: &Experiment, store: &RunStore) -> Setting {
    let e = experiment;
    let ran: Vec<&Row> = e.rows.iter().filter(|row| store.plan().rows.iter().any(|plan| plan.id == row.id)).collect();
    let list = |of: &dyn Fn(&Row) -> String| {
        let mut seen = BTreeSet::new();
        let all = ran.iter().map(|row| of(row)).filter(|text| seen.insert(text.clone())).collect::<Vec<_>>();
        all.join(" or ")
    };
    let prompts = |row: &Row| {
        let oracle = &e.oracles[&row.oracle];
        let templates = e.data[&row.data].templates.as_ref().or(oracle.templates.as_ref());
        let prompts = templates.map(|t| t.iter().map(|t| format!("{t:?}")).collect::<Vec<_>>().join(", "));
        match prompts {
            Some(prompts) => format!("{}, {prompts}", oracle.label),
            None if oracle.kind == fmr_classifier_oracle::KIND => oracle.label.clone(),
            None => format!("{}, {:?}", oracle.label, crate::prepare::PROMPT),
        }
    };
    Setting {
        generator: list(&|row| e.generators[&row.generator].label.clone()),
        oracle: list(&prompts),
        verdict: list(&|row| name_of(&row.verdict.rule)),
        budget: list(&|row| row.search.budget.to_string()),
        step_size: list(&|row| row.search.step_size.to_string()),
        rule: list(&|row| name_of(&row.search.rule)),
        remarks: e.report.remarks.clone(),
    }
}

/// The name that a setting has in an experiment file.
fn name_of(setting: &impl serde::Serialize) -> String {
    match serde_json::to_value(setting) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

fn subtitle(setting: &Setting) -> String {
    format!(
        "{} · {} · budget {}, step size {}, {}",
        setting.generator, setting.oracle, setting.budget, setting.step_size, setting.rule
    )
}
