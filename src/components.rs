//! The components that an experiment file can name: those that are linked in, and those of plugins.

use fmr_core::SettingError;
use fmr_core::registry::{MakeError, Registry};
use fmr_experiment::Experiment;
use fmr_plugins::host::{Library, Plugins, SearchPath, register_found};

use crate::interrupt::Interrupt;

/// Kind of a component that is an object of the process that begins the run. Only that process can register one.
pub const IN_PROCESS: &str = "in-process";

/// A registry of all built-in components.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    fmr_core::scorer::register(&mut registry);
    fmr_zoo::register(&mut registry);
    fmr_clip::register(&mut registry);
    fmr_classifier_oracle::register(&mut registry);
    fmr_ensemble::register(&mut registry);
    fmr_vqgan::register(&mut registry);
    fmr_diffusion::register(&mut registry);
    fmr_vdvae::register(&mut registry);
    fmr_stylegan::register(&mut registry);
    fmr_transforms::register(&mut registry);
    fmr_pixels::register(&mut registry);
    registry.add_target(IN_PROCESS, |_, _| Err(elsewhere()));
    registry.add_oracle(IN_PROCESS, |_, _| Err(elsewhere()));
    registry
}

/// A component of a different process.
fn elsewhere() -> MakeError {
    let problem =
        "names an object of the Python program that began the run: go on there (fmr.evaluate, with the same `out`)";
    SettingError::new("kind", problem).into()
}

/// The built-in components, and those of plugins that the experiment names by file or that are in its search path.
///
/// Loading a library runs its code. Libraries of the search path are loaded only if the experiment names a kind that is not
/// built in. Libraries that the experiment names are loaded when the settings of their components are checked. An interrupt
/// reaches calls of plugins that are in progress.
pub fn registry_of(experiment: &Experiment, interrupt: &Interrupt) -> Registry {
    let mut registry = registry();
    let mut plugins = Plugins { search: SearchPath::of(&experiment.plugin_path), ..Plugins::default() };
    plugins.limits.cancel = Some(interrupt.flag());
    fmr_plugins::register(&mut registry, &plugins);
    if names_others(experiment, &registry) {
        for refused in register_found(&mut registry, &plugins) {
            tracing::warn!("{refused}");
        }
    }
    registry
}

/// The plugins' libraries that this process has loaded, by path, for the run store.
pub(crate) fn loaded_plugins() -> impl Iterator<Item = (String, String)> {
    Library::loaded().into_iter().map(|library| {
        let text = format!("{} {}, sha256:{}", library.name(), library.version(), library.sha256());
        (format!("plugin {}", library.path().display()), text)
    })
}

/// The built-in components, and those of plugins that the experiment names by file. Nothing is loaded.
pub(crate) fn unloaded(experiment: &Experiment) -> Registry {
    let mut registry = registry();
    let search = SearchPath::of(&experiment.plugin_path);
    fmr_plugins::register(&mut registry, &Plugins { search, only_loaded: true, ..Plugins::default() });
    registry
}

/// Whether the experiment names a kind that the registry lacks.
fn names_others(experiment: &Experiment, registry: &Registry) -> bool {
    let mut all = experiment.rows.iter().flat_map(|row| experiment.components(row));
    all.any(|(role, table)| !registry.kinds_of(role).contains(&table.kind.as_str()))
}
