//! The components that an experiment file can name: those that are linked in, and those of plugins.

use fmr_core::config::Experiment;
use fmr_core::registry::Registry;
use fmr_plugins::host::{Plugins, SearchPath, register_found};

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
pub fn registry_of(experiment: &Experiment) -> Registry {
    let mut registry = registry();
    let plugins = Plugins { search: SearchPath::of(&experiment.plugin_path), ..Plugins::default() };
    fmr_plugins::register(&mut registry, &plugins);
    if names_others(experiment, &registry) {
        for refused in register_found(&mut registry, &plugins) {
            tracing::warn!("{refused}");
        }
    }
    registry
}

/// Whether the experiment names a kind that the registry lacks.
fn names_others(experiment: &Experiment, registry: &Registry) -> bool {
    let lacks = |kind: &str, mut known: &mut dyn Iterator<Item = &str>| !(&mut known).any(|k| k == kind);
    experiment.targets.values().any(|t| lacks(&t.kind, &mut registry.target_kinds()))
        || experiment.generators.values().any(|t| lacks(&t.kind, &mut registry.generator_kinds()))
        || experiment.oracles.values().any(|t| lacks(&t.kind, &mut registry.oracle_kinds()))
        || experiment.rows.iter().any(|row| {
            !fmr_core::scorer::ScorerKind::knows(&row.scorer.kind)
                && lacks(&row.scorer.kind, &mut registry.scorer_kinds())
        })
}
