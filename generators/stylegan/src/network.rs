//! A whole generator: mapping and synthesis.

use burn::module::Module;
use fmr_nn::weights::Builder;

use crate::config::StyleganConfig;
use crate::mapping::Mapping;
use crate::synthesis::Synthesis;

/// Mapping and synthesis of a generator.
#[derive(Module, Debug)]
pub struct Network {
    /// z and a class to w.
    pub mapping: Mapping,
    /// w to an image.
    pub synthesis: Synthesis,
}

impl Network {
    /// A network of these sizes; they must be sound ([`StyleganConfig::check`]).
    pub fn new(b: &mut Builder, config: &StyleganConfig) -> Self {
        Self { mapping: Mapping::new(b, config), synthesis: Synthesis::new(b, config) }
    }
}
