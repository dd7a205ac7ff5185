//! The models of a scenario with random weights: linked in, or written to files and loaded by plugins.

use std::error::Error;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use clap::ValueEnum;
use fmr_clip::{Clip, ClipConfig, ClipOracle};
use fmr_core::registry::{MakeContext, Settings};
use fmr_core::{Generator, Oracle, Target};
use fmr_nn::device::device;
use fmr_nn::weights::{Builder, state_dict, write};
use fmr_plugins::host::{Library, Limits, SearchPath};
use fmr_vqgan::{Autoencoder, Vqgan, VqganConfig};
use fmr_zoo::{Classifier, Entry, Network};
use serde_json::json;

/// What is run.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Scenario {
    /// 32 × 32: a VQGAN of three levels, a narrow ResNet-18, a ViT of four layers.
    Small,
    /// 224 × 224: the paper's VQGAN f16, ResNet-50, CLIP ViT-B/32.
    Paper,
}

/// Sizes of a scenario's models.
struct Sizes {
    side: usize,
    vqgan: &'static str,
    clip: &'static str,
    model: &'static str,
}

impl Scenario {
    fn sizes(self) -> Sizes {
        match self {
            Self::Small => Sizes {
                side: 32,
                vqgan: r#"{"embed_dim": 64, "n_embed": 512, "ddconfig": {"ch": 32, "ch_mult": [1, 2, 4],
                    "num_res_blocks": 1, "attn_resolutions": [8], "resolution": 32, "in_channels": 3, "out_ch": 3,
                    "z_channels": 64}}"#,
                clip: r#"{"embed": 64, "resolution": 32, "activation": "gelu",
                    "image": {"tower": "vit", "width": 128, "layers": 4, "heads": 4, "patch": 4},
                    "text": {"context": 32, "vocabulary": 1024, "width": 64, "heads": 1, "layers": 1}}"#,
                model: "cifar-resnet18-w16",
            },
            Self::Paper => Sizes {
                side: 224,
                vqgan: r#"{"embed_dim": 256, "n_embed": 16384, "ddconfig": {"ch": 128, "ch_mult": [1, 1, 2, 2, 4],
                    "num_res_blocks": 2, "attn_resolutions": [14], "resolution": 224, "in_channels": 3, "out_ch": 3,
                    "z_channels": 256}}"#,
                clip: r#"{"embed": 512, "resolution": 224, "activation": "quick-gelu",
                    "image": {"tower": "vit", "width": 768, "layers": 12, "heads": 12, "patch": 32},
                    "text": {"context": 32, "vocabulary": 1024, "width": 64, "heads": 1, "layers": 1}}"#,
                model: "resnet50",
            },
        }
    }
}

impl Sizes {
    fn entry(&self) -> Result<&'static Entry, Box<dyn Error>> {
        Ok(fmr_zoo::entry(self.model).ok_or("the zoo lacks the model")?)
    }
}

/// The parts of the loop that are networks.
pub(crate) struct Models {
    pub(crate) generator: Box<dyn Generator>,
    pub(crate) oracle: Box<dyn Oracle>,
    pub(crate) target: Box<dyn Target>,
}

impl Models {
    /// Models that are linked in.
    pub(crate) fn linked(scenario: Scenario, seed: u64, device: Device) -> Result<Self, Box<dyn Error>> {
        let sizes = scenario.sizes();
        let vqgan: VqganConfig = serde_json::from_str(sizes.vqgan)?;
        let clip: ClipConfig = serde_json::from_str(sizes.clip)?;
        let image = [3, sizes.side, sizes.side];
        Ok(Self {
            generator: Box::new(Vqgan::random(&vqgan, image, seed, device.clone())?),
            oracle: Box::new(ClipOracle::random("clip", clip, seed + 1, device.clone())?),
            target: Box::new(Classifier::random(sizes.entry()?, seed + 2, device)),
        })
    }

    /// The same models of the first-party plugins in a folder.
    pub(crate) fn loaded(scenario: Scenario, seed: u64, plugins: &Path) -> Result<Self, Box<dyn Error>> {
        let sizes = scenario.sizes();
        let folder = tempfile::tempdir()?;
        let vqgan: VqganConfig = serde_json::from_str(sizes.vqgan)?;
        let clip: ClipConfig = serde_json::from_str(sizes.clip)?;
        let architecture = &sizes.entry()?.architecture;
        let metadata = |key: &str, text: &str| vec![(format!("fmr-{key}-config"), text.to_owned())];
        let file = |name: &str| folder.path().join(name);
        save(&file("vqgan"), seed, metadata("vqgan", sizes.vqgan), |b| Autoencoder::new(b, &vqgan))?;
        save(&file("clip"), seed + 1, metadata("clip", sizes.clip), |b| Clip::new(b, &clip))?;
        save(&file("zoo"), seed + 2, Vec::new(), |b| Network::new(b, architecture))?;

        let (search, limits) = (SearchPath(vec![plugins.to_owned()]), Limits::default());
        let library = |name: &str| Library::open(&search.find(name, plugins)?, None);
        let settings = |text: serde_json::Value| Settings(text.as_object().cloned().unwrap_or_default());
        let base = folder.path().to_owned();
        let context = MakeContext::alone([3, sizes.side, sizes.side]).with_base(base);
        let (vqgan, clip) = (settings(json!({"weights": "vqgan"})), settings(json!({"weights": "clip"})));
        let zoo = settings(json!({"model": sizes.model, "weights": "zoo"}));
        Ok(Self {
            generator: library("vqgan")?.generator(None, &vqgan, &context, &limits)?,
            oracle: library("clip")?.oracle(None, &clip, &context, &limits)?,
            target: library("zoo")?.target(None, &zoo, &context, &limits)?,
        })
    }
}

/// Writes a module with random weights.
fn save<M: Module>(
    file: &Path,
    seed: u64,
    metadata: Vec<(String, String)>,
    make: impl Fn(&mut Builder) -> M,
) -> Result<(), Box<dyn Error>> {
    let mut b = Builder::random_frozen(seed, &device("cpu")?);
    let module = make(&mut b);
    let keys = b.finish(|_| false)?;
    write(file, &state_dict(&module, &keys), false, &metadata.into_iter().collect())?;
    Ok(())
}
