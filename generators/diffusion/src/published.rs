//! The published models, by name.

use fmr_core::registry::RemoteFile;

use crate::classifier::ClassifierConfig;
use crate::config::{AttentionOrder, Heads, Resampling, UnetConfig};
use crate::model::{ChannelOrder, ModelConfig};
use crate::process::{FixedVariance, Training};
use crate::schedule::NoiseSchedule;

/// A published model: its hyper-parameters, and the file to look for.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Name: the project, and the file's own name.
    pub name: &'static str,
    /// Where the weights are published.
    pub source: &'static str,
    /// The file below the project's address, where that is known.
    file: Option<&'static str>,
    architecture: Architecture,
    schedule: NoiseSchedule,
    steps: usize,
    rescale_timesteps: bool,
}

/// A published classifier of noisy images.
#[derive(Debug, Clone, Copy)]
pub struct PublishedClassifier {
    /// Name: the project, and the file's own name.
    pub name: &'static str,
    image_size: usize,
    blocks: usize,
}

#[derive(Debug, Clone, Copy)]
struct Architecture {
    image_size: usize,
    model_channels: usize,
    blocks: usize,
    heads: Heads,
    order: AttentionOrder,
    attention_resolutions: &'static [usize],
    resampling: Resampling,
    scale_shift_norm: bool,
    classes: Option<usize>,
}

const IMAGENET: Option<usize> = Some(1000);
const GUIDED: &str = "openai/guided-diffusion";
const IMPROVED: &str = "openai/improved-diffusion";
const MMGENERATION: &str = "open-mmlab/mmgeneration, configs/improved_ddpm";

/// Of guided-diffusion.
const fn adm(
    image_size: usize,
    model_channels: usize,
    blocks: usize,
    heads: Heads,
    classes: Option<usize>,
) -> Architecture {
    Architecture {
        image_size,
        model_channels,
        blocks,
        heads,
        order: if image_size == 64 { AttentionOrder::New } else { AttentionOrder::Legacy },
        attention_resolutions: &[32, 16, 8],
        resampling: Resampling::Residual,
        scale_shift_norm: true,
        classes,
    }
}

/// Of improved-diffusion.
const fn improved(image_size: usize, model_channels: usize, classes: Option<usize>) -> Architecture {
    Architecture {
        image_size,
        model_channels,
        blocks: 3,
        heads: Heads::Count(4),
        order: AttentionOrder::Legacy,
        attention_resolutions: &[16, 8],
        resampling: Resampling::Convolution,
        scale_shift_norm: true,
        classes,
    }
}

const LSUN: Architecture = Architecture {
    blocks: 2,
    heads: Heads::Count(1),
    attention_resolutions: &[16],
    scale_shift_norm: false,
    ..improved(256, 128, None)
};

const ADM_256_UNCOND: Architecture = adm(256, 256, 2, Heads::Channels(64), None);

const fn guided(name: &'static str, file: &'static str, architecture: Architecture) -> Published {
    let schedule = if architecture.image_size == 64 { NoiseSchedule::Cosine } else { NoiseSchedule::Linear };
    Published { name, source: GUIDED, file: Some(file), architecture, schedule, steps: 1000, rescale_timesteps: false }
}

const fn cosine(
    name: &'static str,
    source: &'static str,
    file: Option<&'static str>,
    architecture: Architecture,
    rescale_timesteps: bool,
) -> Published {
    Published { name, source, file, architecture, schedule: NoiseSchedule::Cosine, steps: 4000, rescale_timesteps }
}

const fn lsun(name: &'static str, file: Option<&'static str>) -> Published {
    let (schedule, steps) = (NoiseSchedule::Linear, 1000);
    Published { name, source: IMPROVED, file, architecture: LSUN, schedule, steps, rescale_timesteps: false }
}

const PUBLISHED: &[Published] = &[
    guided("adm_256x256_diffusion_uncond", "256x256_diffusion_uncond.pt", ADM_256_UNCOND),
    guided("adm_64x64_diffusion", "64x64_diffusion.pt", adm(64, 192, 3, Heads::Channels(64), IMAGENET)),
    guided("adm_128x128_diffusion", "128x128_diffusion.pt", adm(128, 256, 2, Heads::Count(4), IMAGENET)),
    guided("adm_256x256_diffusion", "256x256_diffusion.pt", adm(256, 256, 2, Heads::Channels(64), IMAGENET)),
    guided("adm_512x512_diffusion", "512x512_diffusion.pt", adm(512, 256, 2, Heads::Channels(64), IMAGENET)),
    guided("adm_lsun_bedroom", "lsun_bedroom.pt", ADM_256_UNCOND),
    guided("adm_lsun_cat", "lsun_cat.pt", ADM_256_UNCOND),
    guided("adm_lsun_horse", "lsun_horse.pt", ADM_256_UNCOND),
    guided("adm_lsun_horse_nodropout", "lsun_horse_nodropout.pt", ADM_256_UNCOND),
    cosine(
        "iddpm_imagenet64_uncond_100M_1500K",
        IMPROVED,
        Some("imagenet64_uncond_100M_1500K.pt"),
        improved(64, 128, None),
        true,
    ),
    cosine(
        "iddpm_imagenet64_uncond_vlb_100M_1500K",
        IMPROVED,
        Some("imagenet64_uncond_vlb_100M_1500K.pt"),
        improved(64, 128, None),
        true,
    ),
    cosine(
        "iddpm_imagenet64_cond_270M_250K",
        IMPROVED,
        Some("imagenet64_cond_270M_250K.pt"),
        improved(64, 192, IMAGENET),
        false,
    ),
    cosine(
        "iddpm_cifar10_uncond_50M_500K",
        IMPROVED,
        Some("cifar10_uncond_50M_500K.pt"),
        improved(32, 128, None),
        true,
    ),
    cosine(
        "iddpm_cifar10_uncond_vlb_50M_500K",
        IMPROVED,
        Some("cifar10_uncond_vlb_50M_500K.pt"),
        improved(32, 128, None),
        true,
    ),
    lsun("iddpm_lsun_uncond_100M", None),
    lsun("iddpm_lsun_uncond_100M_1200K_bs128", Some("lsun_uncond_100M_1200K_bs128.pt")),
    lsun("iddpm_lsun_uncond_100M_2400K_bs64", Some("lsun_uncond_100M_2400K_bs64.pt")),
    cosine("mmgen_improved_ddpm_imagenet64", MMGENERATION, None, improved(64, 128, None), true),
    cosine("mmgen_improved_ddpm_cifar10", MMGENERATION, None, improved(32, 128, None), true),
];

const CLASSIFIERS: &[PublishedClassifier] = &[
    PublishedClassifier { name: "adm_64x64_classifier", image_size: 64, blocks: 4 },
    PublishedClassifier { name: "adm_128x128_classifier", image_size: 128, blocks: 2 },
    PublishedClassifier { name: "adm_256x256_classifier", image_size: 256, blocks: 2 },
    PublishedClassifier { name: "adm_512x512_classifier", image_size: 512, blocks: 2 },
];

/// All published models; the first is the recommended one for photographs.
pub fn published() -> &'static [Published] {
    PUBLISHED
}

/// The published classifiers of noisy images.
pub fn published_classifiers() -> &'static [PublishedClassifier] {
    CLASSIFIERS
}

impl Published {
    /// Where the model's weights are downloaded from, where a stable address is known.
    pub fn downloads(&self) -> Vec<RemoteFile> {
        let month = if self.source == GUIDED { "jul-2021" } else { "march-2021" };
        let remote = |file: &str| {
            let address = format!("https://openaipublic.blob.core.windows.net/diffusion/{month}/{file}");
            RemoteFile::new("weights", address).with_licence("MIT (OpenAI); no hash is published")
        };
        self.file.map(remote).into_iter().collect()
    }

    /// The model's hyper-parameters.
    pub fn config(&self) -> ModelConfig {
        ModelConfig {
            unet: self.architecture.config(),
            training: Training {
                noise_schedule: self.schedule,
                diffusion_steps: self.steps,
                rescale_timesteps: self.rescale_timesteps,
                fixed_variance: FixedVariance::Large,
            },
            image_size: self.architecture.image_size,
            channel_order: if self.source == MMGENERATION { ChannelOrder::Bgr } else { ChannelOrder::Rgb },
        }
    }
}

impl PublishedClassifier {
    /// The classifier's hyper-parameters.
    pub fn config(&self) -> ClassifierConfig {
        let architecture = adm(self.image_size, 128, self.blocks, Heads::Channels(64), None);
        // The torso of every classifier has the old order, whatever the model that it guides has.
        let unet = UnetConfig { out_channels: 1000, attention_order: AttentionOrder::Legacy, ..architecture.config() };
        ClassifierConfig { unet, image_size: self.image_size }
    }
}

impl Architecture {
    fn config(&self) -> UnetConfig {
        // Halves of `model_channels`.
        let halves: &[usize] = match self.image_size {
            512 => &[1, 2, 2, 4, 4, 8, 8],
            256 => &[2, 2, 4, 4, 8, 8],
            128 => &[2, 2, 4, 6, 8],
            64 => &[2, 4, 6, 8],
            _ => &[2, 4, 4, 4],
        };
        let attends = |level: usize| self.attention_resolutions.iter().any(|side| self.image_size / side == 1 << level);
        UnetConfig {
            in_channels: 3,
            out_channels: 6,
            model_channels: self.model_channels,
            widths: halves.iter().map(|half| half * self.model_channels / 2).collect(),
            blocks: self.blocks,
            attention: (0..halves.len()).map(attends).collect(),
            heads: self.heads,
            decoder_heads: None,
            attention_order: self.order,
            scale_shift_norm: self.scale_shift_norm,
            resampling: self.resampling,
            classes: self.classes,
        }
    }
}
