//! Plugins in C, built by this test, with what version 1.1 of the interface added, and one of version 1.0.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{build, context, images, pictures, plain, settings};
use fmr_core::Target;
use fmr_core::registry::{MakeError, NamedFile, Registry};
use fmr_plugins::host::{self, KIND, Library, Limits, Plugins, Role, SearchPath};

fn target(file: &Path, json: &str, limits: &Limits) -> Result<Box<dyn Target>, MakeError> {
    Library::open(file, None).unwrap().target(None, &settings(json), &context(), limits)
}

#[test]
fn a_plugin_of_version_1_0_works_as_it_did() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let old = ["-iquote", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/c/v1.0")];
    let [old, new] = [("linear_1_0", &old[..]), ("linear_1_1", &[])]
        .map(|(name, flags)| build(&cc, "linear.c", name, flags, folder.path()));
    assert_eq!(Library::open(&old, None).unwrap().abi(), (1, 0));
    let [old, new] = [old, new].map(|file| target(&file, r#"{"scale": 0.5}"#, &Limits::default()).unwrap());
    let run = |target: &dyn Target| {
        let (logits, pull) = target.logits_with_pullback(images(3).view()).unwrap();
        let gradient = pull(logits.view()).unwrap();
        (logits, gradient)
    };
    assert_eq!(run(&*old), run(&*new));
    // Neither takes pictures nor knows its classes, and the engine shows it images.
    assert!(old.logits_of_pictures(&pictures()).unwrap().is_none());
    assert_eq!((old.class_names(), old.preprocessing()), (None, None));
}

#[test]
fn a_plugin_in_c_takes_pictures_and_says_what_it_read() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = build(&cc, "pictures.c", "pictures", &[], folder.path());
    std::fs::write(folder.path().join("w.txt"), "2.5").unwrap();
    std::fs::write(folder.path().join("w.txt.names"), "cat,n01\ndog,n02\ngrün,n03\n").unwrap();
    let (library, context) = (Library::open(&file, None).unwrap(), context().with_base(folder.path()));
    let make = |json: &str| library.target(Some("brightness"), &settings(json), &context, &Limits::default());
    let target = make(r#"{"weights": "w.txt"}"#).unwrap();
    let names = [["cat", "n01"], ["dog", "n02"], ["grün", "n03"]].map(|names| names.map(str::to_owned).to_vec());
    assert_eq!(target.class_names().unwrap(), names);
    assert_eq!(target.preprocessing().unwrap(), "mean of all pixels, in C");
    let files = ["w.txt", "w.txt.names"].map(|name| folder.path().join(name));
    assert_eq!(context.sources().files, files);

    let logits = target.logits_of_pictures(&pictures()).unwrap().unwrap();
    let row = |light: f32, size: f32| [1.0, 2.0, 3.0].map(|k| 2.5 * light * k + size);
    assert_eq!(logits, ndarray::arr2(&[row(1.0, 60.0), row(51.0 / 255.0, 18.0)]));
    assert_eq!(target.logits_of_pictures(&[]).unwrap().unwrap().dim(), (0, 3));
    let grey = images(2).mapv(|_| 0.5);
    assert_eq!(target.logits(grey.view()).unwrap(), ndarray::arr2(&[row(0.5, 0.0); 2]));

    let mut oracle = library.oracle(Some("watch"), &settings("{}"), &context, &Limits::default()).unwrap();
    assert!(oracle.judge_pictures(&pictures()).unwrap_err().to_string().ends_with("its classes are not set"));
    oracle.set_classes(&["dark", "bright"].map(str::to_owned), &[]).unwrap();
    let scores = oracle.judge_pictures(&pictures()).unwrap().unwrap();
    assert_eq!(scores, ndarray::array![[0.0, 1.0], [1.0, 0.0]]);
    let said = oracle.preprocessing().unwrap();
    assert_eq!(said, "originals as their files hold them; its plugin does not say what it does to them");

    let error = make(r#"{"weights": "none.txt"}"#).err().unwrap().to_string();
    assert_eq!(error, "weights: cannot be read, or has no names beside it");
}

#[test]
fn a_component_checks_its_settings_and_names_files() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let library = Library::open(&build(&cc, "zoo.c", "checking", &[], folder.path()), None).unwrap();
    let limits = Limits { time: Some(Duration::from_millis(300)), ..Limits::default() };
    let check = |fault: &str| {
        let settings = settings(&format!(r#"{{"fault":"{fault}"}}"#));
        library.check(Role::Target, None, &settings, &context(), &limits)
    };
    assert_eq!(check("check 1").unwrap(), [NamedFile { key: "weights".into(), path: "w.bin".into(), published: None }]);
    let refused = ["check 2", "check 3", "check 4", "check 5", "check 6"].map(|fault| {
        plain(check(fault).unwrap_err(), folder.path()).split_once("check its settings: ").unwrap().1.to_owned()
    });
    insta::assert_snapshot!(refused.join("\n"), @"
    of its files, a key is not valid UTF-8; tell its author
    of its files, the path of a file is null or longer than a mebibyte; tell its author
    its settings name more than 65536 files; tell its author
    it did not return within 0.3 s; raise `time-limit` if it is slow, else tell its author that it hangs
    no
    ");
}

#[test]
fn files_that_settings_name_are_looked_for_before_a_plugin_is_made() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = build(&cc, "pictures.c", "brightness", &[], folder.path());
    let plugins = Plugins { search: SearchPath(vec![folder.path().to_owned()]), ..Plugins::default() };
    let (mut by_file, mut by_name) = (Registry::default(), Registry::default());
    host::register(&mut by_file, &plugins);
    assert!(host::register_found(&mut by_name, &plugins).is_empty());
    let context = context().with_base(folder.path());
    let named = |registry: &Registry, kind: &str, json: &str| -> Vec<(String, PathBuf)> {
        let files: Vec<NamedFile> = registry.check::<dyn Target>(kind, &settings(json), &context).unwrap();
        files.into_iter().map(|file| (file.key, file.path)).collect()
    };
    let weights = ("weights".to_owned(), folder.path().join("none.txt"));
    let json = r#"{"plugin": "brightness", "component": "brightness", "weights": "none.txt"}"#;
    assert_eq!(named(&by_file, KIND, json), [("plugin".to_owned(), file), weights.clone()]);
    assert_eq!(named(&by_name, "brightness", r#"{"weights": "none.txt"}"#), [weights]);
    // A library that is not there cannot say which settings are files.
    let missing = ("plugin".to_owned(), folder.path().join("./none.so"));
    assert_eq!(named(&by_file, KIND, r#"{"plugin": "./none.so", "weights": "none.txt"}"#), [missing]);
    // A report loads none.
    let mut loading_none = Registry::default();
    host::register(&mut loading_none, &Plugins { only_loaded: true, ..plugins });
    build(&cc, "pictures.c", "quiet", &[], folder.path());
    let quiet = r#"{"plugin": "quiet", "component": "brightness", "weights": "none.txt"}"#;
    assert_eq!((named(&loading_none, KIND, quiet).len(), named(&loading_none, KIND, json).len()), (1, 2));
    assert!(Library::loaded().iter().all(|library| !library.path().ends_with("libquiet.so")));
}
