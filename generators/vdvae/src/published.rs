//! The published models, by name: upstream's example configurations.

use crate::config::VdvaeConfig;
use crate::hparams;

/// A published model: the example configuration of its name, and the files to look for.
///
/// Upstream says that the examples are close to the runs behind the files, but not exactly those. So the configuration that
/// comes with the weights counts, and one of these stands in for it only by name.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Name of the example.
    pub name: &'static str,
    /// Where the weights are published.
    pub source: &'static str,
    text: &'static str,
}

macro_rules! published {
    ($($name:literal)*) => {
        &[$(Published {
            name: $name,
            source: concat!("Rayhane-mamah/Efficient-VDVAE (PyTorch): ", $name, "_checkpoints.zip"),
            text: include_str!(concat!("../configs/", $name, ".cfg")),
        }),*]
    };
}

const PUBLISHED: &[Published] = published!(
    "imagenet64_baseline" "imagenet32_baseline" "binarized_mnist_baseline" "celebA64_baseline"
    "celebAHQ256_5bits_baseline" "celebAHQ256_8bits_baseline" "celebAHQ1024_baseline" "ffhq256_5bits_baseline"
    "ffhq256_8bits_baseline" "ffhq1024_baseline"
);

/// All published models; the first is the one for ImageNet.
pub fn published() -> &'static [Published] {
    PUBLISHED
}

impl Published {
    /// The example's hyper-parameters.
    ///
    /// # Panics
    /// Never: a test reads every example.
    pub fn config(&self) -> VdvaeConfig {
        match hparams::parse(self.text) {
            Ok(config) => config,
            Err(e) => unreachable!("{}: {e}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_example_is_a_model() {
        for model in published() {
            model.config().check().unwrap();
        }
        // The counts of upstream's documents.
        let count = |name: &str| {
            let config = published().iter().find(|p| p.name == name).unwrap().config();
            let values: usize = config.latents().iter().map(|site| site.shape.iter().product::<usize>()).sum();
            (config.latent_layers(), values)
        };
        assert_eq!(count("imagenet64_baseline"), (84, 2_213_568));
        assert_eq!(count("imagenet32_baseline"), (73, 771_776));
        assert_eq!(count("binarized_mnist_baseline"), (23, 72_352));
        assert_eq!(count("ffhq256_8bits_baseline"), (69, 43_442_304));
    }
}
