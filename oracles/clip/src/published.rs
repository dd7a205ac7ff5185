//! The published models, by name.

use fmr_core::registry::RemoteFile;
use fmr_nn::functional::Pointwise;

use crate::model::{ClipConfig, ImageConfig, ResNetConfig, TextConfig, VitConfig};

/// A published model: its hyper-parameters, and the files that hold it.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Name, as in the tables of their authors.
    pub name: &'static str,
    /// Files, by project.
    pub files: &'static [&'static str],
    embed: usize,
    resolution: usize,
    tower: Tower,
    text_width: usize,
    activation: Pointwise,
}

#[derive(Debug, Clone, Copy)]
enum Tower {
    /// Width, blocks, heads, patch.
    Vit(usize, usize, usize, usize),
    /// Width, blocks of each stage.
    ResNet(usize, [usize; 4]),
}

const fn model(
    name: &'static str,
    files: &'static [&'static str],
    [embed, resolution, text_width]: [usize; 3],
    tower: Tower,
    activation: Pointwise,
) -> Published {
    Published { name, files, embed, resolution, tower, text_width, activation }
}

const B32: Tower = Tower::Vit(768, 12, 12, 32);
const L14: Tower = Tower::Vit(1024, 24, 16, 14);
const QUICK: Pointwise = Pointwise::QuickGelu;

const PUBLISHED: &[Published] = &[
    model("ViT-B/32", &["openai-ViT-B-32", "hf-clip-vit-base-patch32"], [512, 224, 512], B32, QUICK),
    model(
        "ViT-B/16",
        &["openai-ViT-B-16", "hf-clip-vit-base-patch16"],
        [512, 224, 512],
        Tower::Vit(768, 12, 12, 16),
        QUICK,
    ),
    model("ViT-L/14", &["openai-ViT-L-14", "hf-clip-vit-large-patch14"], [768, 224, 768], L14, QUICK),
    model("ViT-L/14@336px", &["openai-ViT-L-14-336px"], [768, 336, 768], L14, QUICK),
    model("RN50", &["openai-RN50"], [1024, 224, 512], Tower::ResNet(64, [3, 4, 6, 3]), QUICK),
    model("RN101", &["openai-RN101"], [512, 224, 512], Tower::ResNet(64, [3, 4, 23, 3]), QUICK),
    model("RN50x4", &["openai-RN50x4"], [640, 288, 640], Tower::ResNet(80, [4, 6, 10, 6]), QUICK),
    model("RN50x16", &["openai-RN50x16"], [768, 384, 768], Tower::ResNet(96, [6, 8, 18, 8]), QUICK),
    model("RN50x64", &["openai-RN50x64"], [1024, 448, 1024], Tower::ResNet(128, [3, 15, 36, 10]), QUICK),
    model("open_clip ViT-B-32", &["openclip-ViT-B-32"], [512, 224, 512], B32, Pointwise::Gelu),
    model("open_clip ViT-L-14", &["openclip-ViT-L-14"], [768, 224, 768], L14, Pointwise::Gelu),
    model(
        "open_clip ViT-H-14",
        &["openclip-ViT-H-14"],
        [1024, 224, 1024],
        Tower::Vit(1280, 32, 16, 14),
        Pointwise::Gelu,
    ),
];

/// SHA-256 of OpenAI's files.
const OPENAI: [(&str, &str); 9] = [
    ("RN50", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"),
    ("RN101", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599"),
    ("RN50x4", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd"),
    ("RN50x16", "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa"),
    ("RN50x64", "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c"),
    ("ViT-B/32", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"),
    ("ViT-B/16", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f"),
    ("ViT-L/14", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"),
    ("ViT-L/14@336px", "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"),
];

/// All published models; the first is the paper's.
pub fn published() -> &'static [Published] {
    PUBLISHED
}

impl Published {
    /// Where OpenAI publishes the model's file; the address holds its SHA-256.
    pub fn download(&self) -> Option<RemoteFile> {
        let (_, sha256) = OPENAI.iter().find(|(name, _)| *name == self.name)?;
        let file = self.name.replace(['/', '@'], "-");
        let url = format!("https://openaipublic.azureedge.net/clip/models/{sha256}/{file}.pt");
        Some(RemoteFile::new("weights", url).with_sha256(sha256).with_licence("MIT (OpenAI)"))
    }

    /// The model's hyper-parameters.
    pub fn config(&self) -> ClipConfig {
        let image = match self.tower {
            Tower::Vit(width, layers, heads, patch) => {
                ImageConfig::Vit(VitConfig { width, layers, heads, patch, mlp: None, eps: None })
            }
            Tower::ResNet(width, layers) => ImageConfig::ModifiedResnet(ResNetConfig { width, layers }),
        };
        ClipConfig {
            embed: self.embed,
            resolution: self.resolution,
            image,
            text: TextConfig {
                context: 77,
                vocabulary: 49408,
                width: self.text_width,
                heads: self.text_width / 64,
                layers: if self.name.ends_with("H-14") { 24 } else { 12 },
                mlp: None,
                activation: None,
                eps: None,
            },
            activation: self.activation,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::Device;
    use fmr_checkpoint::rename::tables;
    use fmr_nn::weights::Builder;

    use super::*;
    use crate::model::Clip;

    /// Names and shapes of a list in OpenAI's layout.
    fn listed(path: &std::path::Path, is_hugging_face: bool) -> BTreeMap<String, Vec<usize>> {
        let rules = tables::clip_from_hugging_face();
        let mut keys = BTreeMap::new();
        for (key, shape) in fmr_golden::keys(path) {
            let target = is_hugging_face.then(|| rules.target(&key).unwrap());
            match target {
                Some(target) => keys.insert(target.name.unwrap(), target.change.shape(&shape)),
                None => keys.insert(key, shape),
            };
        }
        keys
    }

    #[test]
    fn golden_key_lists_match() {
        for (name, path) in fmr_golden::key_lists("clip") {
            let Some(model) = published().iter().find(|p| p.files.contains(&name.as_str())) else {
                println!("{name}: not run: no published model has this name");
                continue;
            };
            let mut b = Builder::shapes(&Device::flex());
            let _ = Clip::new(&mut b, &model.config());
            let keys = b.finish(|_| false).unwrap();
            let found: BTreeMap<String, Vec<usize>> = keys.into_iter().map(|key| (key.name, key.shape)).collect();
            assert_eq!(found, listed(&path, name.starts_with("hf-")), "{name}");
            println!("{name}: {} parameters match", found.len());
        }
    }
}
