//! The components that an experiment file can name: those that are linked in, and those of plugins.

use fmr_core::registry::Registry;
use fmr_core::scorer::ScorerKind;
use fmr_experiment::{ComponentTable, Experiment, Row};
use fmr_plugins::host::{Library, Plugins, Role, SearchPath, register_found};

use crate::interrupt::Interrupt;

/// A registry of all built-in generators, oracles and targets.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    fmr_zoo::register(&mut registry);
    fmr_clip::register(&mut registry);
    fmr_classifier_oracle::register(&mut registry);
    fmr_vqgan::register(&mut registry);
    fmr_transforms::register(&mut registry);
    registry
}

/// The built-in components, and those of plugins that the experiment names by file or that are in its search path.
///
/// Libraries of the search path are loaded, which runs code of theirs, only where a kind is named that is not built in.
/// Calls of plugins that are under way are told of the interrupt.
pub fn registry_of(experiment: &Experiment, interrupt: &Interrupt) -> Registry {
    let mut registry = registry();
    let mut plugins = plugins_of(experiment);
    plugins.limits.cancel = Some(interrupt.flag());
    fmr_plugins::register(&mut registry, &plugins);
    if names_others(experiment, &registry) {
        for refused in register_found(&mut registry, &plugins) {
            tracing::warn!("{refused}");
        }
    }
    registry
}

fn plugins_of(experiment: &Experiment) -> Plugins {
    Plugins { search: SearchPath::of(&experiment.plugin_path), ..Plugins::default() }
}

/// Hashes of the plugins that a row's components are of, as fields of its fingerprint (`target.plugin` and so on). They
/// are known once the components are made.
pub(crate) fn plugin_hashes(experiment: &Experiment, row: &Row) -> Vec<(String, String)> {
    let (plugins, built_in) = (plugins_of(experiment), registry());
    let (target, generator) = (&experiment.targets[&row.target], &experiment.generators[&row.generator]);
    let (oracle, scorer) = (&experiment.oracles[&row.oracle], &row.scorer);
    let tables = [
        (Role::Target, target, built_in.target_kinds().any(|k| k == target.kind)),
        (Role::Generator, generator, built_in.generator_kinds().any(|k| k == generator.kind)),
        (Role::Oracle, oracle, built_in.oracle_kinds().any(|k| k == oracle.kind)),
        (Role::Scorer, scorer, ScorerKind::knows(&scorer.kind)),
    ];
    let others = tables.into_iter().filter(|(.., built_in)| !built_in);
    let hash = |(role, table, _): (Role, &ComponentTable, bool)| {
        let library = plugins.library_of(role, &table.kind, &table.settings, &experiment.base)?;
        Some((format!("{role}.plugin"), format!("sha256:{}", library.sha256())))
    };
    others.filter_map(hash).collect()
}

/// The plugins' libraries that this process has loaded, by path, for the run store.
pub(crate) fn loaded_plugins() -> impl Iterator<Item = (String, String)> {
    Library::loaded().into_iter().map(|library| {
        let text = format!("{} {}, sha256:{}", library.name(), library.version(), library.sha256());
        (format!("plugin {}", library.path().display()), text)
    })
}

/// Whether the experiment names a kind that the registry lacks.
fn names_others(experiment: &Experiment, registry: &Registry) -> bool {
    let lacks = |kind: &str, mut known: &mut dyn Iterator<Item = &str>| !(&mut known).any(|k| k == kind);
    experiment.targets.values().any(|t| lacks(&t.kind, &mut registry.target_kinds()))
        || experiment.generators.values().any(|t| lacks(&t.kind, &mut registry.generator_kinds()))
        || experiment.oracles.values().any(|t| lacks(&t.kind, &mut registry.oracle_kinds()))
        || experiment
            .rows
            .iter()
            .any(|row| !ScorerKind::knows(&row.scorer.kind) && lacks(&row.scorer.kind, &mut registry.scorer_kinds()))
}
