//! Parameter names of other projects.

use fmr_checkpoint::rename::{Rule, Rules};
use fmr_nn::weights::StateDict;

/// How the names of a project become those of the network, as data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// A parameter that the project's files have and others lack; every file fits where it is empty.
    pub(crate) mark: &'static str,
    /// Rules that rename parameters. Names that no rule fits stay.
    pub(crate) rules: &'static [Rule],
}

/// The tensors of a file under the names of the network: by the first table whose mark the file has.
pub(crate) fn renamed(tables: &[Names], tensors: StateDict) -> StateDict {
    let fits = |names: &&Names| names.mark.is_empty() || tensors.contains_key(names.mark);
    match tables.iter().find(fits) {
        Some(names) => Rules::new().table(names.rules).apply(tensors).tensors,
        None => tensors,
    }
}
