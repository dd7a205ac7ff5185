//! The first-party components as plugins: the same results, bit for bit, as linked in.

use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::Device;
use fmr::core::preprocess::Picture;
use fmr::core::registry::{MakeContext, Registry, Settings};
use fmr::core::{Generator, Oracle};
use fmr::experiment::{Changes, Experiment};
use fmr::store::RunStore;
use fmr::{Interrupt, ReadyRow, prepare, registry, registry_of};
use fmr_nn::weights::{Builder, state_dict, write};
use fmr_plugins::host::{Plugins, SearchPath, register};
use ndarray::Array4;

use crate::support::records;

/// The folder that cargo builds the first-party libraries in, along with this test.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Table 1 in its quick form as one file, with its components as plugins and with one model that there is not.
fn table1(dynamic: bool) -> String {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/table1.toml"));
    let quick = Changes { profile: Some("quick".to_owned()), ..Changes::default() };
    let text = Experiment::read(file, &quick).unwrap().resolved();
    let known = "model = \"convnext_tiny.fb_in1k\"";
    assert!(text.contains(known));
    let text = text.replace(known, "model = \"convnext_of_tomorrow\"");
    if !dynamic {
        return text;
    }
    let mut text = format!("plugin-path = [{:?}]\n{text}", libraries());
    for (kind, least) in [("vqgan", 1), ("clip", 1), ("zoo", 2)] {
        let built_in = format!("\nkind = \"{kind}\"\n");
        assert!(text.matches(&built_in).count() >= least);
        text = text.replace(&built_in, &format!("\nplugin = \"{kind}\"\n"));
    }
    text
}

fn experiment(folder: &Path, dynamic: bool) -> Experiment {
    Experiment::parse(&folder.join("table1.toml"), table1(dynamic), folder, &Changes::default()).unwrap()
}

#[test]
fn table_1_is_the_same_with_dynamic_components() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, dynamic: bool| {
        let file = folder.path().join(format!("{name}.toml"));
        std::fs::write(&file, table1(dynamic)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fmr-under-test"));
        let output = command.arg("run").arg(&file).args(["--out", name]).current_dir(folder.path()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let dir = folder.path().join(name);
        (String::from_utf8(output.stdout).unwrap(), records(&dir), RunStore::read(&dir).unwrap())
    };
    let (linked_table, linked, linked_store) = run("linked", false);
    let (loaded_table, loaded, loaded_store) = run("loaded", true);
    assert!(linked.iter().all(|(_, records)| records.len() == 8) && linked.len() >= 2);
    assert_eq!(linked, loaded);
    for (row, records) in &linked {
        for record in records {
            let images = [&linked_store, &loaded_store].map(|store| store.images(row, record.index).unwrap());
            assert_eq!(images[0], images[1], "{row}, {}", record.key);
            // Every answer, and the name of what it is about: originals were the pictures of their files both times.
            let shown = [&linked_store, &loaded_store].map(|store| store.shown(row, record.index).unwrap());
            assert_eq!(shown[0], shown[1], "{row}, {}", record.key);
        }
        let said = [&linked_store, &loaded_store].map(|store| store.facts(row).unwrap().components.unwrap());
        assert_eq!(said[0], said[1], "{row}");
        assert!(said[0].target_preprocessing.is_some() && said[0].oracle_preprocessing.is_some());
    }
    // Also what the rows lack that did not run: files, and models that there are not. At the end stands the run's folder.
    // Built-in components know addresses of published files, which plugins do not say.
    let plain = |table: &str, name: &str| {
        assert!(table.contains("Rows that did not run here") && table.contains("there is no model"));
        let table = table.replace(&folder.path().join(name).display().to_string(), "RUN").to_lowercase();
        let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
        words.replace("`fmr fetch run.toml` downloads it; or: ", "")
    };
    assert_eq!(plain(&linked_table, "linked"), plain(&loaded_table, "loaded"));
    // It was the libraries that ran.
    let versions = &loaded_store.plan().versions;
    for name in ["fmr-vqgan-plugin", "fmr-clip-plugin", "fmr-zoo-plugin"] {
        let found = |(key, value): (&String, &String)| key.starts_with("plugin ") && value.starts_with(name);
        assert!(versions.iter().any(found), "{versions:?}");
    }
    let fields = ["target.plugin", "generator.plugin", "oracle.plugin"];
    let rows = &loaded_store.plan().rows;
    assert!(rows.iter().all(|row| fields.iter().all(|f| row.fingerprint[*f].starts_with("sha256:"))));
}

/// Latents are not kept by a run, so they are compared where they are made.
#[test]
fn latents_are_the_same_with_dynamic_components() {
    let folder = tempfile::tempdir().unwrap();
    let [linked, loaded] = [false, true].map(|dynamic| {
        let experiment = experiment(folder.path(), dynamic);
        let registry = registry_of(&experiment, &Interrupt::default());
        prepare(experiment, &registry).unwrap()
    });
    for (linked, loaded) in linked.ready().zip(loaded.ready()) {
        // Every file counts under the same name by the same contents; only the library is more.
        let of = |row: &ReadyRow| row.plan.fingerprint.clone();
        let (mut fields, linked_fields) = (of(loaded), of(linked));
        for role in ["target", "generator", "oracle"] {
            assert!(fields.remove(&format!("{role}.plugin")).is_some_and(|digest| digest.starts_with("sha256:")));
            assert!(linked_fields[&format!("{role}.weights")].starts_with("sha256:"));
            fields.insert(format!("{role}.kind"), linked_fields[&format!("{role}.kind")].clone());
        }
        assert_eq!(fields, linked_fields);
        let class_names = |row: &ReadyRow| row.target.class_names();
        assert!(class_names(linked).is_some());
        assert_eq!(class_names(linked), class_names(loaded));
        let [linked, loaded] = [linked, loaded]
            .map(|row: &ReadyRow| row.perturber(None).run(&row.samples.batch(&[0, 1, 2]).unwrap()).unwrap());
        assert!(linked.iter().any(|sample| sample.record.latent_moved > 0.0));
        for (linked, loaded) in linked.iter().zip(&loaded) {
            assert_eq!(linked.record, loaded.record);
            assert_eq!(linked.final_latent, loaded.final_latent);
            assert_eq!(linked.answers, loaded.answers);
            assert_eq!(linked.final_image, loaded.final_image);
        }
    }
}

/// A hierarchical latent with held layers, of a model with random weights.
#[test]
fn vdvae_is_the_same_as_a_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let config: fmr_vdvae::VdvaeConfig = serde_json::from_str(include_str!("vdvae.json")).unwrap();
    let mut b = Builder::random_frozen(5, &Device::flex());
    let network = fmr_vdvae::Network::new(&mut b, &config);
    let metadata = [(fmr_vdvae::CONFIG_ENTRY.to_owned(), serde_json::to_string(&config).unwrap())];
    let weights = folder.path().join("vdvae.safetensors");
    let tensors = state_dict(&network, &b.finish(|_| false).unwrap());
    write(&weights, &tensors, false, &metadata.into_iter().collect()).unwrap();

    same_as_a_plugin(
        "vdvae",
        &serde_json::json!({ "weights": weights, "layers": { "last": 2 }, "decode": "soft-mixture" }),
    );
}

/// A latent that is searched for, of a model with random weights.
#[test]
fn stylegan_is_the_same_as_a_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let plan = fmr_stylegan::Plan { channel_base: 64.0, channel_max: 4, ..fmr_stylegan::Plan::default() };
    let (input, layers) = plan.stem(16, 4, 3);
    let embedding = fmr_stylegan::Embedding::Table { rows: 2, width: 3, projected: 3 };
    let config = fmr_stylegan::StyleganConfig {
        z_dim: 4,
        w_dim: 6,
        c_dim: 2,
        embedding: Some(embedding),
        img_resolution: 16,
        input,
        layers,
        ..fmr_stylegan::Plan::imagenet(16)
    };
    let mut b = Builder::random_frozen(5, &Device::flex());
    let network = fmr_stylegan::Network::new(&mut b, &config);
    let metadata = [(fmr_stylegan::CONFIG_ENTRY.to_owned(), serde_json::to_string(&config).unwrap())];
    let weights = folder.path().join("stylegan.safetensors");
    let tensors = state_dict(&network, &b.finish(|_| false).unwrap());
    write(&weights, &tensors, false, &metadata.into_iter().collect()).unwrap();
    let settings = serde_json::json!({
        "weights": weights, "composition": "residual", "start": "draws", "draws": 8, "w-steps": 3, "w-plus-steps": 3,
    });
    same_as_a_plugin("stylegan", &settings);
}

/// A generator gives the same bits linked in and as a plugin.
fn same_as_a_plugin(kind: &str, settings: &serde_json::Value) {
    let mut loaded = Registry::default();
    register(&mut loaded, &Plugins { search: SearchPath(vec![libraries()]), ..Plugins::default() });
    let linked = registry();
    let images = Array4::from_shape_fn((2, 3, 20, 24), |(n, c, y, x)| {
        (0.5 + 0.4 * ((n + 1) as f64 * 0.3 * x as f64 + c as f64).sin() * (0.2 * y as f64).cos()) as f32
    });
    let results = [(&linked, kind, None), (&loaded, "plugin", Some(kind))].map(|(registry, kind, plugin)| {
        let mut table = settings.as_object().cloned().unwrap();
        table.extend(plugin.map(|name: &str| ("plugin".to_owned(), name.into())));
        let context = MakeContext::new(registry, [3, 20, 24]).with_seed(3);
        let generator = registry.make::<dyn Generator>(kind, &Settings(table), &context).unwrap();
        let latents = generator.encode(images.view(), &[0, 1]).unwrap();
        let (decoded, pull_back) = generator.decode_with_pullback(latents.view(), &[0, 1]).unwrap();
        let gradient = pull_back(images.view()).unwrap();
        assert!(gradient.iter().any(|g| *g != 0.0));
        (generator.spec().latent.clone(), latents, decoded, gradient)
    });
    assert!(results[0] == results[1]);
}

/// The components that Table 1 does not use.
#[test]
fn transforms_and_classifier_oracle_are_the_same_as_plugins() {
    let mut loaded = Registry::default();
    register(&mut loaded, &Plugins { search: SearchPath(vec![libraries()]), ..Plugins::default() });
    let (linked, base) = (registry(), Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("assets/weights"));
    let context = |registry| MakeContext::new(registry, [3, 32, 32]).with_base(&base).with_seed(3);
    let images = Array4::from_shape_fn((3, 3, 32, 32), |(n, c, y, x)| {
        (0.5 + 0.4 * ((n + 1) as f64 * 0.3 * x as f64 + c as f64).sin() * (0.2 * y as f64).cos()) as f32
    });
    // Of sizes of their own, one of them grey.
    let pictures = [[3, 40, 51], [1, 32, 32]].map(|shape: [usize; 3]| {
        let bytes = (0..shape.iter().product::<usize>()).map(|i| (i * i / 7 % 256) as u8).collect();
        Picture { shape, bytes }
    });
    let settings = |plugin: Option<&str>, json: serde_json::Value| {
        let mut table = json.as_object().cloned().unwrap();
        table.extend(plugin.map(|name| ("plugin".to_owned(), name.into())));
        Settings(table)
    };

    let judge = serde_json::json!({
        "flip": true, "judge": { "model": "cifar-resnet18-w16", "weights": "resnet18-w16.safetensors" }
    });
    let scores = [
        linked.make::<dyn Oracle>("classifier", &settings(None, judge.clone()), &context(&linked)),
        loaded.make::<dyn Oracle>("plugin", &settings(Some("classifier"), judge), &context(&loaded)),
    ]
    .map(|oracle| {
        let mut oracle = oracle.unwrap();
        oracle.set_classes(&["cat", "dog", "truck"].map(str::to_owned), &[]).unwrap();
        let of_pictures = oracle.judge_pictures(&pictures).unwrap().unwrap();
        (oracle.judge(images.view()).unwrap(), of_pictures, oracle.preprocessing().unwrap())
    });
    assert_eq!(scores[0], scores[1]);

    let results = [
        linked.make::<dyn Generator>("transforms", &settings(None, serde_json::json!({})), &context(&linked)),
        loaded.make::<dyn Generator>("plugin", &settings(Some("transforms"), serde_json::json!({})), &context(&loaded)),
    ]
    .map(|generator| {
        let generator = generator.unwrap();
        let mut latents = generator.encode(images.view(), &[0, 1, 2]).unwrap();
        let parameters = generator.spec().latent[0].shape.iter().product::<usize>();
        latents.slice_mut(ndarray::s![.., ..parameters]).fill(0.1);
        let (images, pull_back) = generator.decode_with_pullback(latents.view(), &[0, 1, 2]).unwrap();
        let gradient = pull_back(images.view()).unwrap();
        (generator.spec().latent.clone(), images, gradient)
    });
    assert_eq!(results[0], results[1]);
}

/// A library that holds two generators: `component` names the one that is meant.
#[test]
fn pixels_and_corruptions_are_the_same_as_plugins() {
    let mut loaded = Registry::default();
    register(&mut loaded, &Plugins { search: SearchPath(vec![libraries()]), ..Plugins::default() });
    let linked = registry();
    let context = |registry| MakeContext::new(registry, [3, 16, 16]).with_seed(3);
    let images = Array4::from_shape_fn((2, 3, 16, 16), |(n, c, y, x)| {
        (0.5 + 0.4 * ((n + 1) as f64 * 0.3 * x as f64 + c as f64).sin() * (0.2 * y as f64).cos()) as f32
    });
    for (kind, settings) in [
        ("pixels", serde_json::json!({"blocks": "channels"})),
        ("corruption", serde_json::json!({"corruption": "speckle-noise", "severity": 3})),
    ] {
        let mut as_plugin = settings.as_object().cloned().unwrap();
        as_plugin.extend([("plugin", "pixels"), ("component", kind)].map(|(k, v)| (k.to_owned(), v.into())));
        let own = Settings(settings.as_object().cloned().unwrap());
        let results = [
            linked.make::<dyn Generator>(kind, &own, &context(&linked)),
            loaded.make::<dyn Generator>("plugin", &Settings(as_plugin), &context(&loaded)),
        ]
        .map(|generator| {
            let generator = generator.unwrap();
            let latents = generator.encode(images.view(), &[0, 1]).unwrap();
            let (decoded, pull_back) = generator.decode_with_pullback(latents.view(), &[0, 1]).unwrap();
            let gradient = pull_back(images.view()).unwrap();
            (generator.spec().latent.clone(), latents, decoded, gradient)
        });
        assert!(results[0] == results[1], "{kind}");
    }
}

/// A diffusion model of random weights, loaded from its file by both.
#[test]
fn diffusion_is_the_same_as_a_plugin() {
    let mut loaded = Registry::default();
    register(&mut loaded, &Plugins { search: SearchPath(vec![libraries()]), ..Plugins::default() });
    let (linked, folder) = (registry(), tempfile::tempdir().unwrap());
    let mut config = fmr_diffusion::published()[0].config();
    config.unet.model_channels = 32;
    (config.unet.widths, config.unet.attention) = (vec![32, 64], vec![false, true]);
    config.unet.blocks = 1;
    config.image_size = 16;
    let mut b = Builder::random_frozen(5, &Device::flex());
    let net = fmr_diffusion::Unet::new(&mut b, &config.unet);
    let tensors = state_dict(&net, &b.finish(|_| false).unwrap());
    let metadata = [(fmr_diffusion::CONFIG_ENTRY.to_owned(), serde_json::to_string(&config).unwrap())];
    write(&folder.path().join("unet.safetensors"), &tensors, false, &metadata.into_iter().collect()).unwrap();
    let context = |registry| MakeContext::new(registry, [3, 24, 32]).with_base(folder.path()).with_seed(3);
    let images = Array4::from_shape_fn((2, 3, 24, 32), |(n, c, y, x)| {
        (0.5 + 0.4 * ((n + 1) as f64 * 0.3 * x as f64 + c as f64).sin() * (0.2 * y as f64).cos()) as f32
    });
    for mode in ["latent", "guided", "one-step"] {
        let settings = |plugin: Option<&str>| {
            let json = serde_json::json!({"weights": "unet.safetensors", "mode": mode});
            let mut table = json.as_object().cloned().unwrap();
            table.extend(plugin.map(|name| ("plugin".to_owned(), name.into())));
            Settings(table)
        };
        let results = [
            linked.make::<dyn Generator>("diffusion", &settings(None), &context(&linked)),
            loaded.make::<dyn Generator>("plugin", &settings(Some("diffusion")), &context(&loaded)),
        ]
        .map(|generator| {
            let generator = generator.unwrap();
            let latents = generator.encode(images.view(), &[0, 1]).unwrap();
            let (images, pull_back) = generator.decode_with_pullback(latents.view(), &[0, 1]).unwrap();
            let gradient = pull_back(images.view()).unwrap();
            (generator.spec().clone(), latents, images, gradient)
        });
        assert_eq!(results[0], results[1], "{mode}");
    }
}
