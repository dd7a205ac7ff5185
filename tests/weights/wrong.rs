//! What people read when a file is not the model that the experiment asks for.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use fmr::core::registry::{MakeContext, MakeError, Settings};
use fmr::core::{Generator, Oracle, Target};
use fmr::registry;
use fmr_clip::{Clip, ClipConfig};
use fmr_nn::weights::{Builder, StateDict, Stored, state_dict, write};
use fmr_vqgan::{Autoencoder, VqganConfig};
use fmr_zoo::{Network, entry};

const VQGAN: &str = r#"{"embed_dim": 4, "n_embed": 32, "ddconfig": {"ch": 32, "ch_mult": [1, 1], "num_res_blocks": 1,
    "attn_resolutions": [], "resolution": 32, "in_channels": 3, "out_ch": 3, "z_channels": 8}}"#;
const CLIP: &str = r#"{"embed": 16, "resolution": 28, "activation": "quick-gelu",
    "image": {"tower": "vit", "width": 32, "layers": 1, "heads": 2, "patch": 7},
    "text": {"context": 16, "vocabulary": 1024, "width": 32, "heads": 2, "layers": 1}}"#;

/// A folder of wrong files, and what was read about each.
struct Lab {
    folder: tempfile::TempDir,
    role: &'static str,
    read: Vec<String>,
}

impl Lab {
    fn new(role: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), role, read: Vec::new() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("weights.safetensors")
    }

    /// Makes the component of these settings with this file of weights, which must be refused.
    fn refuse(&mut self, what: &str, weights: &Path, settings: &str) {
        let mut settings: serde_json::Map<_, _> = serde_json::from_str(settings).unwrap();
        settings.insert("weights".to_owned(), weights.to_string_lossy().into());
        let (settings, registry) = (Settings(settings), registry());
        let context = MakeContext::new(&registry, [3, 32, 32]);
        let made: Result<(), MakeError> = match self.role {
            "generator" => registry.make::<dyn Generator>("vqgan", &settings, &context).map(drop),
            "oracle" => registry.make::<dyn Oracle>("clip", &settings, &context).map(drop),
            _ => registry.make::<dyn Target>("zoo", &settings, &context).map(drop),
        };
        let text = made.expect_err(what).to_string();
        let folder = self.folder.path().to_string_lossy().into_owned();
        let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
        self.read.push(format!("{what}\n  {}", text.replace(&folder, "FOLDER").replace(repository, "")));
    }

    fn refuse_tensors(&mut self, what: &str, tensors: &StateDict, metadata: &[(String, String)], settings: &str) {
        write(&self.path(), tensors, false, &metadata.iter().cloned().collect()).unwrap();
        self.refuse(what, &self.path(), settings);
    }

    /// The first half of the file that was written last.
    fn refuse_half(&mut self, settings: &str) {
        let bytes = std::fs::read(self.path()).unwrap();
        std::fs::write(self.path(), &bytes[..bytes.len() / 2]).unwrap();
        self.refuse("a download that was cut short", &self.path(), settings);
    }

    fn told(self) -> String {
        self.read.join("\n\n")
    }
}

fn tensors<M: Module>(make: impl Fn(&mut Builder) -> M) -> StateDict {
    let mut b = Builder::random_frozen(3, &Device::flex());
    let module = make(&mut b);
    state_dict(&module, &b.finish(|_| false).unwrap())
}

/// The parameters with one under another name.
fn renamed(mut tensors: StateDict, from: &str, to: &str) -> StateDict {
    let stored = tensors.remove(from).unwrap();
    tensors.insert(to.to_owned(), stored);
    tensors
}

/// The parameters with one of another shape.
fn reshaped(mut tensors: StateDict, key: &str, shape: &[usize]) -> StateDict {
    let len = shape.iter().product();
    assert!(tensors.contains_key(key));
    tensors.insert(key.to_owned(), Stored { shape: shape.to_vec(), values: vec![0.0; len] });
    tensors
}

fn asset(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("assets/weights").join(name)
}

#[test]
fn generators() {
    let config: VqganConfig = serde_json::from_str(VQGAN).unwrap();
    let sound = tensors(|b| Autoencoder::new(b, &config));
    let mine = [("fmr-vqgan-config".to_owned(), VQGAN.to_owned())];
    let mut lab = Lab::new("generator");
    let other = renamed(sound.clone(), "decoder.conv_in.weight", "decoder.conv_first.weight");
    lab.refuse_tensors("a parameter of another name", &other, &mine, "{}");
    let other = reshaped(sound.clone(), "post_quant_conv.weight", &[8, 5, 1, 1]);
    lab.refuse_tensors("a parameter of another shape", &other, &mine, "{}");
    lab.refuse_tensors("another VQGAN", &sound, &[], r#"{"model": "vqgan_imagenet_f16_16384"}"#);
    lab.refuse_half("{}");
    lab.refuse("another kind of model", &asset("lenet.safetensors"), "{}");
    lab.refuse("no checkpoint", &Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("README.md"), "{}");
    lab.refuse("a model that nobody published", &lab.path(), r#"{"model": "vqgan_f16"}"#);
    lab.refuse("hidden latents made of rows", &lab.path(), r#"{"latent": "hidden", "quantize": "at-end"}"#);
    insta::assert_snapshot!(lab.told());
}

#[test]
fn oracles() {
    let config: ClipConfig = serde_json::from_str(CLIP).unwrap();
    let sound = tensors(|b| Clip::new(b, &config));
    let mine = [("fmr-clip-config".to_owned(), CLIP.to_owned())];
    let mut lab = Lab::new("oracle");
    lab.refuse_tensors("another image tower", &open_clip_b16(), &[], r#"{"model": "ViT-B/32"}"#);
    let other = renamed(sound.clone(), "visual.proj", "visual.projection");
    lab.refuse_tensors("a parameter of another name", &other, &mine, "{}");
    let other = reshaped(sound.clone(), "text_projection", &[32, 17]);
    lab.refuse_tensors("a parameter of another shape", &other, &mine, "{}");
    lab.refuse_tensors("a file that does not tell its activation", &sound, &[], "{}");
    lab.refuse_half("{}");
    lab.refuse("another kind of model", &asset("lenet.safetensors"), "{}");
    lab.refuse("a model that nobody published", &lab.path(), r#"{"model": "ViT-B/33"}"#);
    insta::assert_snapshot!(lab.told());
}

/// What tells an open_clip ViT-B/16 apart, and one value for each of its other parameters.
fn open_clip_b16() -> StateDict {
    let b16 = fmr_clip::published().iter().find(|p| p.name == "ViT-B/16").unwrap().config();
    let mut b = Builder::shapes(&Device::flex());
    let _ = Clip::new(&mut b, &b16);
    let keys = b.finish(|_| false).unwrap().into_iter();
    let told = ["visual.conv1.weight", "visual.class_embedding", "visual.positional_embedding", "logit_scale"];
    let stored = |name: &str, shape: Vec<usize>| {
        let shape = if told.contains(&name) { shape } else { vec![1] };
        Stored { values: vec![0.0; shape.iter().product()], shape }
    };
    keys.map(|key| (key.name.clone(), stored(&key.name, key.shape))).collect()
}

#[test]
fn targets() {
    let resnet = entry("cifar-resnet18-w16").unwrap();
    let sound = tensors(|b| Network::new(b, &resnet.architecture));
    let asked = r#"{"model": "cifar-resnet18-w16"}"#;
    let mut lab = Lab::new("target");
    let other = renamed(sound.clone(), "layer2.0.bn1.running_var", "layer2.0.bn1.variance");
    lab.refuse_tensors("a parameter of another name", &other, &[], asked);
    lab.refuse_tensors("another number of classes", &sound, &[], r#"{"model": "cifar-resnet18-w16", "classes": 9}"#);
    lab.refuse_tensors("a smaller ResNet", &sound, &[], r#"{"model": "resnet50"}"#);
    lab.refuse_half(asked);
    let config: ClipConfig = serde_json::from_str(CLIP).unwrap();
    let clip = tensors(|b| Clip::new(b, &config));
    lab.refuse_tensors("another kind of model", &clip, &[], asked);
    lab.refuse("a file that is not there", &lab.folder.path().join("absent.pth"), asked);
    insta::assert_snapshot!(lab.told());
}
