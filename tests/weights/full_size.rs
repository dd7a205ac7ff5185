//! The paper's setting at its full size: VQGAN f16 with 16384 codes, CLIP ViT-B/32 and ResNet-50 at 224×224 through the
//! ImageNet row of Table 1's own experiment file. Random weights stand in for the published ones.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use burn::module::Module;
use burn::tensor::Device;
use fmr::core::Outcome;
use fmr::core::imagenet_classes;
use fmr::experiment::{Changes, Experiment};
use fmr::store::RunStore;
use fmr_clip::Clip;
use fmr_nn::weights::Builder;
use fmr_vqgan::Autoencoder;
use fmr_zoo::Network;

use crate::published::{Shapes, lightning, safetensors, shapes, torch_script};

/// Most memory that a run at full size takes, one image at a time, in MiB: the three models in single precision (1.0 GiB),
/// the activations that the way back through the decoder needs, and what reading the largest file takes.
const MOST_MIB: u64 = 2560;

const VQGAN_YAML: &str = "\
model:
  base_learning_rate: 4.5e-06
  target: taming.models.vqgan.VQModel
  params:
    embed_dim: 256
    n_embed: 16384
    monitor: val/rec_loss
    ddconfig:
      double_z: false
      z_channels: 256
      resolution: 256
      in_channels: 3
      out_ch: 3
      ch: 128
      ch_mult: [1, 1, 2, 2, 4]
      num_res_blocks: 2
      attn_resolutions: [16]
      dropout: 0.0
    lossconfig:
      target: taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator
      params: {disc_conditional: false, disc_in_channels: 3, disc_start: 0, disc_weight: 0.75, disc_num_layers: 2}
";

fn parameters<M: Module>(make: impl Fn(&mut Builder) -> M) -> Shapes {
    let mut b = Builder::shapes(&Device::flex());
    let _ = make(&mut b);
    shapes(b.finish(|_| false).unwrap())
}

/// A copy of Table 1 with its one row of ResNet-50 on ImageNet, and where it looks for the files of that row.
fn table1(folder: &Path) -> impl Fn(&str) -> PathBuf {
    let shipped = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("experiments");
    let experiment = Experiment::read(&shipped.join("table1.toml"), &Changes::default()).unwrap();
    let mut table: toml::Table = experiment.resolved().parse().unwrap();
    let is_wanted =
        |row: &&toml::Value| row["data"].as_str() == Some("imagenet") && row["target"].as_str() == Some("resnet50");
    let row = table["rows"].as_array().unwrap().iter().find(is_wanted).unwrap().clone();
    table["rows"] = vec![row].into();
    // Relative paths start from the copy.
    table.remove("base");
    let experiments = folder.join("experiments");
    std::fs::create_dir_all(&experiments).unwrap();
    std::fs::write(experiments.join("table1.toml"), toml::to_string(&table).unwrap()).unwrap();
    move |key| {
        let value = key.split('.').fold(&toml::Value::Table(table.clone()), |at, key| &at[key]).clone();
        let path = experiments.join(value.as_str().unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }
}

/// Waits for a process; second, the most memory that it had, in MiB, where the system tells it.
fn watch(mut child: Child) -> (ExitStatus, Option<u64>) {
    let mut peak = None;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        peak = peak.max(kib.map(|kib| kib >> 10));
        if let Some(status) = child.try_wait().unwrap() {
            return (status, peak);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_papers_setting_runs_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = table1(folder.path());

    let vqgan = fmr_vqgan::published()[0].config();
    lightning(&path("generators.imagenet.weights"), &parameters(|b| Autoencoder::new(b, &vqgan)));
    std::fs::write(path("generators.imagenet.config"), VQGAN_YAML).unwrap();
    let clip = fmr_clip::published()[0].config();
    torch_script(&path("oracles.vit-b-32.weights"), &parameters(|b| Clip::new(b, &clip)));
    let resnet = fmr_zoo::entry("resnet50").unwrap();
    safetensors(&path("targets.resnet50.weights"), &parameters(|b| Network::new(b, &resnet.architecture)));
    let images = path("data.imagenet.path");
    for (i, (id, _)) in imagenet_classes().enumerate() {
        std::fs::create_dir_all(images.join(id)).unwrap();
        picture(&images.join(id).join("one.png"), i);
    }

    // Random weights agree on nothing: the oracle's rule must compare with the reconstruction.
    let verdict = r#"verdict={rule="relative",share=0.0}"#;
    let out = folder.path().join("run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fmr-under-test"));
    command.args(["run", "experiments/table1.toml", "--limit", "1", "--out"]).arg(&out);
    command.args(["--set", "search.budget=2", "--set", "run.repeat=0", "--set", verdict]);
    let log = folder.path().join("log");
    command.current_dir(folder.path()).stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let (status, peak) = watch(command.spawn().unwrap());
    assert!(status.success(), "{}", std::fs::read_to_string(&log).unwrap());

    let store = RunStore::read(&out).unwrap();
    let row = &store.plan().rows[0];
    let record = store.records(&row.id).unwrap().remove(0);
    assert_eq!((record.outcome, record.accepted_updates), (Outcome::BudgetReached, 2), "{record:?}");
    assert!(record.steps.iter().all(|s| s.gradient_norm > 0.0 && s.gradient_norm.is_finite()), "{record:?}");
    let seconds = store.facts(&row.id).unwrap().seconds;
    println!("one image, two updates: {} s", seconds.map_or_else(String::new, |s| s.to_string()));
    match peak {
        Some(peak) => {
            println!("peak memory {peak} MiB of at most {MOST_MIB}");
            assert!(peak <= MOST_MIB, "{peak} MiB are more than {MOST_MIB}");
        }
        None => println!("skipped: this system does not tell the peak memory of a process"),
    }
}

/// A picture of stripes, one a class.
fn picture(path: &Path, i: usize) {
    let stripes = |x: u32, y: u32| image::Rgb([(x * 7 + i as u32) as u8, (y * 3) as u8, ((x + y) * 2) as u8]);
    image::RgbImage::from_fn(64, 64, stripes).save(path).unwrap();
}
