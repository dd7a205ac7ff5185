//! The caption of the main table: whose models, and under which settings.

use std::collections::BTreeSet;

use fmr_core::perturb::{SearchSettings, StepUnit};
use fmr_experiment::{Experiment, Row, World};

use super::Entry;
use crate::grid::Caption;

/// How the rows that ran came about; what differs between rows is in their labels.
pub(super) fn caption(
    experiment: &Experiment,
    entries: &[Entry<'_>],
    default_prompt: &dyn Fn(&str) -> Option<String>,
) -> Caption {
    let e = experiment;
    let ran: Vec<&Row> =
        e.rows.iter().zip(entries).filter(|(_, entry)| entry.measured.is_some()).map(|(row, _)| row).collect();
    let list = |of: &dyn Fn(&Row) -> String| {
        let mut seen = BTreeSet::new();
        let all: Vec<String> = ran.iter().map(|row| of(row)).filter(|text| seen.insert(text.clone())).collect();
        all.join(" or ")
    };
    let oracle = |row: &Row| {
        let Some(oracle) = e.oracles.get(&row.oracle) else { return row.oracle.clone() };
        let templates = e.data.get(&row.data).and_then(|data| data.templates.as_ref()).or(oracle.templates.as_ref());
        let prompts = templates.map(|t| t.iter().map(|t| format!("{t:?}")).collect::<Vec<_>>().join(", "));
        match prompts.or_else(|| default_prompt(&oracle.kind).map(|prompt| format!("{prompt:?}"))) {
            Some(prompts) => format!("{}, {prompts}", oracle.label),
            None => oracle.label.clone(),
        }
    };
    let generator =
        |row: &Row| e.generators.get(&row.generator).map_or_else(|| row.generator.clone(), |table| table.label.clone());
    let facts = [
        ("generator", list(&generator)),
        ("oracle", list(&oracle)),
        ("verdict", list(&|row| name_of(&row.verdict.rule))),
        ("budget", list(&|row| row.search.budget.to_string())),
        ("step size", list(&|row| step(&row.search))),
        ("rule", list(&|row| name_of(&row.search.rule))),
    ];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    Caption {
        facts: facts.map(|(name, value)| (name.to_owned(), value)).collect(),
        remarks: e.report.remarks.iter().cloned().chain(of_data(entries)).collect(),
        ..worlds(entries)
    }
}

/// The step size with its unit.
fn step(search: &SearchSettings) -> String {
    match search.step_unit {
        StepUnit::Latent => search.step_size.to_string(),
        StepUnit::Spread => format!("{} spreads of the latent's blocks", search.step_size),
    }
}

/// What is to be said of the rows' images and classes, each sentence once for a data set.
fn of_data(entries: &[Entry<'_>]) -> Vec<String> {
    let mut sentences = Vec::new();
    for entry in entries {
        for remark in entry.measured.iter().flat_map(|measured| &measured.results.facts.remarks) {
            let sentence = format!("{}: {remark}.", entry.data);
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
    }
    sentences
}

/// Whose models the figures are of, a sentence a world: of the rows that ran, or of all where none did.
pub(crate) fn worlds(entries: &[Entry<'_>]) -> Caption {
    let any = entries.iter().any(|entry| entry.measured.is_some());
    let mut worlds: Vec<(World, Vec<&str>)> = Vec::new();
    for entry in entries.iter().filter(|entry| !any || entry.measured.is_some()) {
        let at = worlds.iter().position(|(world, _)| *world == entry.world).unwrap_or_else(|| {
            worlds.push((entry.world, Vec::new()));
            worlds.len() - 1
        });
        if !worlds[at].1.contains(&entry.data.as_str()) {
            worlds[at].1.push(&entry.data);
        }
    }
    let paper_setting = worlds.iter().all(|(world, _)| *world == World::Paper);
    let worlds = match &worlds[..] {
        [(world, _)] => vec![world.sentence().to_owned()],
        several => several.iter().map(|(world, data)| format!("{}: {}", data.join(", "), world.sentence())).collect(),
    };
    Caption { worlds, paper_setting, ..Caption::default() }
}

/// The name that a setting has in an experiment file.
fn name_of(setting: &impl serde::Serialize) -> String {
    match serde_json::to_value(setting) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
