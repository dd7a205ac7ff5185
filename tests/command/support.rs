//! A laboratory: a folder with tiny models of random weights, real digits, and an experiment file over them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use burn::module::Module;
use fmr::core::SampleRecord;
use fmr::experiment::{Changes, Experiment};
use fmr::store::RunStore;
use fmr::{Prepared, prepare, registry};
use fmr_clip::{Clip, ClipConfig};
use fmr_nn::device::device;
use fmr_nn::weights::{Builder, state_dict, write};
use fmr_vqgan::{Autoencoder, VqganConfig};

const VQGAN: &str = r#"{"embed_dim": 4, "n_embed": 32, "ddconfig": {"ch": 32, "ch_mult": [1, 1], "num_res_blocks": 1,
    "attn_resolutions": [], "resolution": 28, "in_channels": 3, "out_ch": 3, "z_channels": 8}}"#;
const CLIP: &str = r#"{"embed": 16, "resolution": 28, "activation": "quick-gelu",
    "image": {"tower": "vit", "width": 32, "layers": 1, "heads": 2, "patch": 7},
    "text": {"context": 16, "vocabulary": 1024, "width": 32, "heads": 2, "layers": 1}}"#;

/// Digits on which LeNet is evaluated with a generator and an oracle of random weights. The oracle's rule compares with
/// the reconstruction, so that searches end in several ways.
pub(crate) const EXPERIMENT: &str = r#"name = "lab"

[data.digits]
kind = "idx"
images = "images.gz"
labels = "labels.gz"
limit = 10

[targets.lenet]
kind = "zoo"
model = "lenet"
weights = "lenet.safetensors"

[generators.vqgan]
kind = "vqgan"
weights = "vqgan.safetensors"

[oracles.clip]
kind = "clip"
weights = "clip.safetensors"

[search]
budget = 6
step-size = 0.05

[verdict]
rule = "relative"
share = 0.999

[run]
batch = 2

[[rows]]
data = "digits"
target = "lenet"
"#;

pub(crate) struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// A laboratory with [`EXPERIMENT`].
    pub(crate) fn new() -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        let assets = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("assets");
        for (from, to) in [
            ("data/mnist-test-1000-images-idx3-ubyte.gz", "images.gz"),
            ("data/mnist-test-1000-labels-idx1-ubyte.gz", "labels.gz"),
            ("weights/lenet.safetensors", "lenet.safetensors"),
        ] {
            std::fs::copy(assets.join(from), lab.path(to)).unwrap();
        }
        let vqgan: VqganConfig = serde_json::from_str(VQGAN).unwrap();
        lab.weights("vqgan", "fmr-vqgan-config", VQGAN, |b| Autoencoder::new(b, &vqgan));
        let clip: ClipConfig = serde_json::from_str(CLIP).unwrap();
        lab.weights("clip", "fmr-clip-config", CLIP, |b| Clip::new(b, &clip));
        lab.write("lab.toml", EXPERIMENT);
        lab
    }

    fn weights<M: Module>(&self, name: &str, key: &str, config: &str, make: impl Fn(&mut Builder) -> M) {
        let mut b = Builder::random_frozen(7, &device("cpu").unwrap());
        let module = make(&mut b);
        let keys = b.finish(|_| false).unwrap();
        let metadata = std::collections::BTreeMap::from([(key.to_owned(), config.to_owned())]);
        write(&self.path(&format!("{name}.safetensors")), &state_dict(&module, &keys), false, &metadata).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The experiment with other values, prepared in this process.
    pub(crate) fn prepare(&self, values: &[(&str, serde_json::Value)]) -> Prepared {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let experiment = Experiment::read(&self.path("lab.toml"), &Changes { values, ..Changes::default() }).unwrap();
        prepare(experiment, &registry()).unwrap()
    }

    /// The command, to be run in the laboratory's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fmr-under-test"));
        command.args(arguments).current_dir(self.folder.path()).env("NO_COLOR", "1").env_remove("FMR_LOG");
        command
    }

    pub(crate) fn fmr(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; gives what it printed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.fmr(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with exit code 1; gives its message without the folder's name.
    pub(crate) fn refuse(&self, arguments: &[&str]) -> String {
        let output = self.fmr(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "an error belongs on stderr alone");
        let folder = self.folder.path().to_string_lossy().into_owned();
        text.replace(&folder, "LAB")
    }
}

/// All rows of all rows of a run.
pub(crate) fn records(dir: &Path) -> Vec<(String, Vec<SampleRecord>)> {
    let store = RunStore::read(dir).unwrap();
    store.plan().rows.iter().map(|row| (row.id.clone(), store.records(&row.id).unwrap())).collect()
}
