//! A zoo network as a target.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fmr_checkpoint::Selection;
use fmr_core::preprocess::Picture;
use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry};
use fmr_core::{ComponentError, ImagePullBack, SettingError, Subject, Target, TargetSpec};
use fmr_nn::bridge::{Traced, to_array, to_tensor};
use fmr_nn::component::{Preparation, guarded};
use fmr_nn::opening;
use fmr_nn::weights::{self, Builder, Chosen, Loaded, StateDict, WeightsError};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use serde::{Deserialize, Serialize};

use crate::family::{Architecture, Network};
use crate::labels::{Label, LabelSet};
use crate::preprocess::{Preprocess, PreprocessSettings};
use crate::registry::{Entry, entries, entry, file_digest};

/// A target of kind `zoo`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClassifierSettings {
    /// Registered model, e.g. `resnet50`; with `architecture`, any name.
    pub model: String,
    /// Checkpoint as its authors publish it.
    pub weights: PathBuf,
    /// Part of the file that holds the model, such as `state_dict_ema`.
    #[serde(default)]
    pub weights_key: Option<String>,
    /// Start of the names of the model's parameters, where other weights stand beside them, such as `model.`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The moving average of the weights, where a file keeps both.
    #[serde(default)]
    pub ema: Option<bool>,
    /// Number of logits, where it is not the registered model's.
    #[serde(default)]
    pub classes: Option<usize>,
    /// An architecture that is not registered; `preprocess.input` must then say its input.
    #[serde(default)]
    pub architecture: Option<Architecture>,
    /// Deviations from the registered model's pre-processing.
    #[serde(default)]
    pub preprocess: PreprocessSettings,
    /// Device that computes; the run's unless named.
    #[serde(default)]
    pub device: Option<String>,
}

/// Registers the targets of kind `zoo`.
pub fn register(registry: &mut Registry) {
    registry.add::<dyn Target, ClassifierSettings>("zoo");
}

impl Recipe<dyn Target> for ClassifierSettings {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        let resolved = self.resolve()?;
        self.device(context)?;
        let published = self.published(&resolved).and_then(|entry| entry.download.clone());
        let file = NamedFile::of("weights", Some(&self.weights), context);
        Ok(file.map(|file| file.published_as(published.as_slice())).into_iter().collect())
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Target>, MakeError> {
        Ok(Box::new(Classifier::from_settings(&self, context)?))
    }
}

impl ClassifierSettings {
    fn device(&self, context: &MakeContext<'_>) -> Result<Device, SettingError> {
        opening::device(self.device.as_ref(), context)
    }

    /// What the settings name.
    fn resolve(&self) -> Result<Resolved, SettingError> {
        let (architecture, base, entry) = match &self.architecture {
            Some(architecture) => {
                let [_, h, _] = self.preprocess.input.ok_or_else(|| {
                    SettingError::new(
                        "preprocess.input",
                        "must say the input of an architecture that is not registered",
                    )
                })?;
                (architecture.clone(), Preprocess::imagenet(h, h), None)
            }
            None => {
                let entry = entry(&self.model)
                    .ok_or_else(|| SettingError::unknown_name("model", "model", &self.model, names()))?;
                (entry.architecture.clone(), entry.preprocess, Some(entry))
            }
        };
        // Of some networks parameters depend on the size of the images.
        let architecture = match self.preprocess.input {
            Some([_, h, w]) => architecture.with_image([h, w]),
            None => architecture,
        };
        let architecture = match self.classes {
            Some(0) => return Err(SettingError::new("classes", "is 0, must be at least 1")),
            Some(classes) => architecture.with_classes(classes),
            None => architecture,
        };
        Ok(Resolved { architecture, base, entry })
    }

    /// The entry whose published files the weights may be: those of a different number of classes are none of them.
    fn published(&self, resolved: &Resolved) -> Option<&'static Entry> {
        resolved.entry.filter(|_| self.classes.is_none())
    }

    /// The preprocessing of the file at `path`: that of the published file that it is, if it is known by its hash.
    fn preprocess_of(&self, resolved: &Resolved, path: &Path) -> Result<Shown, SettingError> {
        let (base, published) = (&resolved.base, self.published(resolved));
        let Some(entry) = published.filter(|entry| entry.has_known_files()) else {
            let top1 = published.and_then(|entry| entry.top1);
            return Ok(Shown { preprocess: *base, assumed: false, digest: None, top1 });
        };
        let digest = file_digest(path).map_err(|e| SettingError::new("weights", format!("{}: {e}", path.display())))?;
        match entry.of_file(&digest) {
            Some(published) if published.name == entry.name || entry.alias == Some(&*self.model) => Ok(Shown {
                preprocess: published.preprocess,
                assumed: false,
                digest: Some(digest),
                top1: published.top1,
            }),
            Some(published) => {
                let problem = format!("is {:?}, but by its hash the file is that of {:?}", self.model, published.name);
                Err(SettingError::new("model", problem))
            }
            None => {
                let assumed = entry.alias == Some(&*self.model) && self.preprocess.resize.is_none();
                Ok(Shown { preprocess: *base, assumed, digest: Some(digest), top1: None })
            }
        }
    }
}

/// What settings name.
struct Resolved {
    architecture: Architecture,
    /// Preprocessing that the settings may deviate from.
    base: Preprocess,
    entry: Option<&'static Entry>,
}

/// The preprocessing of a file.
struct Shown {
    preprocess: Preprocess,
    /// Whether nothing but the model's name tells it.
    assumed: bool,
    /// The file's SHA-256, where it was taken.
    digest: Option<String>,
    /// Accuracy in percent that is stated for the file.
    top1: Option<f64>,
}

/// A classifier of the zoo with its weights.
#[derive(Debug)]
pub struct Classifier {
    spec: TargetSpec,
    network: Network,
    preprocess: Preprocess,
    preparation: Preparation,
    /// Whether nothing but the model's name tells the preprocessing.
    assumed: bool,
    /// What the logits stand for, where a registered model says it.
    labels: Option<LabelSet>,
    /// Accuracy in percent that is stated for the weights.
    top1: Option<f64>,
    device: Device,
}

impl Classifier {
    /// Loads a model and its weights for a run.
    ///
    /// # Errors
    /// An unknown model or device, or weights that cannot be read or are a different model's.
    pub fn from_settings(settings: &ClassifierSettings, context: &MakeContext<'_>) -> Result<Self, MakeError> {
        let component = format!("target {:?}", settings.model);
        let error = |problem: String| ComponentError::new(&component, "load weights", problem);
        let resolved = settings.resolve()?;
        let device = settings.device(context)?;
        let path = context.path(&settings.weights);
        let chosen = Chosen {
            weights_key: settings.weights_key.as_deref(),
            prefix: settings.prefix.as_deref(),
            ema: settings.ema,
        };
        let selection = chosen.of(Selection::default());
        let mut file = weights::read_selected(&path, &selection, |_| true)
            .map_err(|e| error(e.to_string()).about(Subject::File(e.path().to_owned())))?;
        file.files.iter().for_each(|file| context.note_file(file));
        file.taken().iter().for_each(|taken| context.note_remark(format!("{component}: {taken}")));
        let Shown { preprocess: mut base, assumed, digest, top1 } = settings.preprocess_of(&resolved, &path)?;
        if let Some(digest) = digest.filter(|_| path.is_file()) {
            context.note_hashed_file(&path, digest);
        }
        if let Some((mean, std)) = normaliser(&file) {
            (base.mean, base.std) = (mean, std);
        }
        let preprocess = settings.preprocess.over(&base);
        let labels = settings.published(&resolved).map(|entry| entry.labels);
        let architecture = resolved.architecture;
        // Hyper-parameters from an experiment file may be such that no network can be built.
        let network = guarded(&component, "build the network", || {
            load(&architecture, std::mem::take(&mut file.tensors), &device).map_err(|e| {
                error(file.misfit(e, settings.model.clone()).to_string()).about(Subject::File(path.clone()))
            })
        })?;
        let made = Self::new(settings.model.clone(), network.folded(), &architecture, preprocess, device);
        Ok(Self { assumed, labels, top1, ..made })
    }

    /// A model with seeded random weights, for measurements of speed and memory.
    pub fn random(entry: &Entry, seed: u64, device: Device) -> Self {
        let mut b = Builder::random_frozen(seed, &device);
        let network = Network::new(&mut b, &entry.architecture).folded();
        Self::new(entry.name.to_owned(), network, &entry.architecture, entry.preprocess, device)
    }

    fn new(
        name: String,
        network: Network,
        architecture: &Architecture,
        preprocess: Preprocess,
        device: Device,
    ) -> Self {
        let spec = TargetSpec { name, classes: architecture.classes(), differentiable: true };
        Self {
            spec,
            network,
            preprocess,
            preparation: Preparation::new(preprocess.wanted()),
            assumed: false,
            labels: None,
            top1: None,
            device,
        }
    }

    /// What is done to an image before the network sees it.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    fn component(&self) -> String {
        format!("target {:?}", self.spec.name)
    }
}

/// Every name that `model` can hold.
fn names() -> impl Iterator<Item = &'static str> {
    entries().iter().flat_map(|e| e.alias.into_iter().chain([e.name]))
}

/// The network of a file, under the parameter names that the file uses.
fn load(architecture: &Architecture, tensors: StateDict, device: &Device) -> Result<Network, WeightsError> {
    let (architecture, tensors) = architecture.clone().fitted_to(tensors);
    let mut b = Builder::stored(tensors, device);
    let network = Network::new(&mut b, &architecture);
    b.finish(|key| key.ends_with("num_batches_tracked"))?;
    Ok(network)
}

/// Mean and deviation of a normalising layer around the model, as robust models carry one.
fn normaliser(file: &Loaded) -> Option<([f32; 3], [f32; 3])> {
    let find = |names: &[&str]| {
        let buffer = file.beside.iter().find(|(key, _)| names.contains(&key.rsplit('.').next().unwrap_or_default()));
        buffer.and_then(|(_, values)| <[f32; 3]>::try_from(values.as_slice()).ok())
    };
    let std = find(&["std", "sigma", "new_std"]).filter(|std| std.iter().all(|s| *s > 0.0))?;
    Some((find(&["mean", "mu", "new_mean"])?, std))
}

fn shape(images: &ArrayView4<'_, f32>) -> [usize; 3] {
    let (_, c, h, w) = images.dim();
    [c, h, w]
}

impl Target for Classifier {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let component = self.component();
        guarded(&component, "logits", || {
            let pipeline = self.preparation.pipeline(&component, shape(&images))?;
            let x = to_tensor(pipeline.forward(images).view(), &self.device);
            Ok(to_array(self.network.forward(x), (images.dim().0, self.spec.classes)))
        })
    }

    fn logits_of_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        if pictures.is_empty() {
            return Ok(Some(Array2::zeros((0, self.spec.classes))));
        }
        let component = self.component();
        guarded(&component, "logits", || {
            let x = to_tensor(self.preparation.pictures(&component, pictures)?.view(), &self.device);
            Ok(Some(to_array(self.network.forward(x), (pictures.len(), self.spec.classes))))
        })
    }

    fn class_names(&self) -> Option<Vec<Vec<String>>> {
        let labels = self.labels?.labels();
        let names = |label: Label| match label.name == label.id {
            true => vec![label.name.to_owned()],
            false => vec![label.name.to_owned(), label.id.to_owned()],
        };
        Some(labels.into_iter().map(names).collect())
    }

    fn published_accuracy(&self) -> Option<f64> {
        self.top1.map(|percent| percent / 100.0)
    }

    fn preprocessing(&self) -> Option<String> {
        let assumed = match self.assumed {
            true => ", assumed from the model's name: no published file has this file's hash",
            false => "",
        };
        Some(format!("{}{assumed}", self.preparation.wanted()))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let component = self.component();
        guarded(&component, "logits", || {
            let pipeline = self.preparation.pipeline(&component, shape(&images))?;
            let x = to_tensor(pipeline.forward(images).view(), &self.device);
            let traced = Traced::new(x, |x| self.network.forward(x));
            let n = images.dim().0;
            let logits = to_array(traced.output(), (n, self.spec.classes));
            let pull_back: ImagePullBack<'a> = Box::new(move |gradient: ArrayView2<'_, f32>| {
                guarded(&self.component(), "pull back", || {
                    let dx = traced.pull_back(to_tensor(gradient, &self.device));
                    let [c, h, w] = pipeline.output();
                    let dx: Array4<f32> = to_array(dx, (n, c, h, w));
                    Ok(pipeline.pull_back(dx.view()))
                })
            });
            Ok((logits, pull_back))
        })
    }
}
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use fmr_core::registry::Settings;

    fn make(text: &str) -> Result<Box<dyn Target>, MakeError> {
        let mut registry = Registry::default();
        register(&mut registry);
        let base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let context = MakeContext::new(&registry, [3, 32, 32]).with_base(base);
        registry.make("zoo", &Settings(serde_json::from_str(text).unwrap()), &context)
    }

    #[test]
    fn is_made_from_settings() {
        let weights = "assets/weights/resnet18-w16.safetensors";
        let target = make(&format!(r#"{{"model": "cifar-resnet18-w16", "weights": "{weights}"}}"#)).unwrap();
        assert_eq!(target.spec().classes, 10);
    }

    #[test]
    fn weights_of_a_different_number_of_classes_are_not_downloaded() {
        let mut registry = Registry::default();
        register(&mut registry);
        let context = MakeContext::new(&registry, [3, 224, 224]);
        let published = |more: &str| {
            let text = format!(r#"{{"model": "resnet18", "weights": "w.pth"{more}}}"#);
            let settings = Settings(serde_json::from_str(&text).unwrap());
            let files = registry.check::<dyn Target>("zoo", &settings, &context).unwrap();
            files[0].published.is_some()
        };
        assert_eq!([published(""), published(r#", "classes": 9"#)], [true, false]);
    }

    #[test]
    fn an_architecture_can_be_given_as_data() {
        let weights = r#""weights": "assets/weights/resnet18-w16.safetensors""#;
        let resnet = |widths: &str| {
            let rest = r#""stem": "cifar", "stem-width": 16, "layout": "pytorch-cifar", "classes": 10"#;
            let network = format!(
                r#"{{"family": "resnet", "block": "basic", "depths": [2, 2, 2, 2], "widths": {widths}, {rest}}}"#
            );
            format!(
                r#"{{"model": "mine", {weights}, "architecture": {network}, "preprocess": {{"input": [3, 32, 32]}}}}"#
            )
        };
        assert_eq!(make(&resnet("[16, 32, 64, 128]")).unwrap().spec().name, "mine");
        let other = make(&resnet("[16, 32, 64, 96]")).err().unwrap().to_string();
        assert!(other.contains("misshapen"), "{other}");
        let no_input =
            format!(r#"{{"model": "mine", {weights}, "architecture": {{"family": "lenet", "classes": 3}}}}"#);
        assert!(make(&no_input).err().unwrap().to_string().starts_with("preprocess.input: must say"));
    }

    #[test]
    fn errors_say_what_to_change() {
        let error = |text: &str| make(text).err().unwrap().to_string();
        let unknown = error(r#"{"model": "resnet19", "weights": "w"}"#);
        assert!(unknown.starts_with("model: there is no model \"resnet19\"; did you mean `resnet18`"), "{unknown}");
        let absent = error(r#"{"model": "resnet18", "weights": "absent.pth"}"#);
        assert!(absent.contains("absent.pth"), "{absent}");
        let other = error(r#"{"model": "resnet18", "weights": "assets/weights/resnet18-w16.safetensors"}"#);
        assert!(other.contains("looks like a CIFAR ResNet-18, 10 classes, but resnet18 is asked for"), "{other}");
        let device = error(r#"{"model": "lenet", "weights": "w", "device": "abacus"}"#);
        assert!(device.starts_with("device: "), "{device}");
    }
}
