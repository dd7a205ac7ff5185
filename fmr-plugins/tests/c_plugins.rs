//! Plugins in C, built by this test: a sound one, the oldest one that has to work, and a zoo of broken ones.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{build, context, images, pictures, plain, settings};
use fmr_core::preprocess::Picture;
use fmr_core::registry::{MakeError, NamedFile, Registry};
use fmr_core::{Scorer, Target};
use fmr_plugins::check::{self, Verdict};
use fmr_plugins::host::{self, KIND, Library, Limits, Plugins, SearchPath};
use ndarray::{Array2, s};

fn target(file: &Path, json: &str, limits: &Limits) -> Result<Box<dyn Target>, MakeError> {
    Library::open(file, None).unwrap().target(None, &settings(json), &context(), limits)
}

#[test]
fn a_target_in_c_works_like_a_built_in_one() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = build(&cc, "linear.c", "linear", &[], folder.path());
    let library = Library::open(&file, None).unwrap();
    assert_eq!((library.name(), library.version(), library.abi()), ("linear-c", "1.2.3", (1, 1)));
    assert_eq!(library.sha256().len(), 64);
    assert!(Library::loaded().iter().any(|l| l.path() == library.path()));

    let target = target(&file, r#"{"scale": 0.5}"#, &Limits::default()).unwrap();
    assert_eq!((target.spec().name.as_str(), target.spec().classes), ("linear in C", 4));
    let x = images(3);
    let logits = target.logits(x.view()).unwrap();
    let weight = |k: usize, p: usize| 0.5 * (k as f32 + 0.1 * p as f32).cos();
    let expected = Array2::from_shape_fn((3, 4), |(i, k)| {
        x.slice(s![i, .., .., ..]).iter().enumerate().map(|(p, v)| weight(k, p) * v * v).sum::<f32>()
    });
    assert!((&logits - &expected).iter().all(|d| d.abs() < 1e-5));

    // One sample at a time inside, a batch outside.
    let (same, pull) = target.logits_with_pullback(x.view()).unwrap();
    assert_eq!(same, logits);
    assert_eq!(library.live_handles(), Some((1, 3)));
    let gradient = pull(expected.view()).unwrap();
    for ((i, c, h, w), g) in gradient.indexed_iter() {
        let p = c * 20 + h * 5 + w;
        let want: f32 = (0..4).map(|k| expected[[i, k]] * weight(k, p) * 2.0 * x[[i, c, h, w]]).sum();
        assert!((g - want).abs() < 1e-4 * want.abs().max(1.0), "{g} {want}");
    }
    drop(target.logits_with_pullback(x.view()).unwrap());
    assert_eq!(library.live_handles(), Some((1, 0)));

    // It bears one call at a time; the host sees to that.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| assert_eq!(target.logits(x.view()).unwrap(), logits)));
        }
    });
    drop(target);
    assert_eq!(library.live_handles(), Some((0, 0)));

    let refused = |json: &str| library.target(None, &settings(json), &context(), &Limits::default()).err().unwrap();
    assert_eq!(refused(r#"{"size": 1}"#).to_string(), "size: there is no such setting; there is `scale`");
    assert_eq!(refused(r#"{"scale": -1}"#).to_string(), "scale: must be a number above 0");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_cut_short_while_its_library_works_ends_nothing() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = build(&cc, "linear.c", "linear", &[], folder.path());
    let target = target(&file, r#"{"scale": 0.5}"#, &Limits::default()).unwrap();
    // As a careless copy over it does: the same file, without its pages.
    std::fs::File::create(&file).unwrap();
    let x = images(3);
    let (logits, pull) = target.logits_with_pullback(x.view()).unwrap();
    assert_eq!(target.logits(x.view()).unwrap(), logits);
    pull(logits.view()).unwrap();
}

#[test]
fn the_oldest_plugin_works_with_this_host() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let target = target(&build(&cc, "oldest.c", "oldest", &[], folder.path()), "{}", &Limits::default()).unwrap();
    let x = images(2);
    let logits = target.logits(x.view()).unwrap();
    assert_eq!(logits, ndarray::array![[x[[0, 0, 0, 0]], -x[[0, 0, 0, 0]]], [x[[1, 0, 0, 0]], -x[[1, 0, 0, 0]]]]);
    assert!(!target.spec().differentiable);
    let error = target.logits_with_pullback(x.view()).err().unwrap();
    assert!(error.to_string().contains("it offers no gradient"));
}

#[test]
fn broken_libraries_are_refused_in_one_sentence() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for fault in [
        "NO_SYMBOL",
        "OTHER_SYMBOL",
        "OTHER_MAJOR",
        "BAD_MAGIC",
        "SHORT_LIBRARY",
        "SHORT_COMPONENT",
        "UNKNOWN_ROLE",
        "BAD_NAME",
        "BAD_SCHEMA",
        "NULL_FUNCTION",
        "NO_RELEASE",
        "NULL_TABLE",
        "TWICE",
        "NO_COMPONENTS",
        "REFUSES",
        "UNRESOLVED",
    ] {
        let file = build(&cc, "zoo.c", fault, &[&format!("-D{fault}")], folder.path());
        all += &format!("{}\n", plain(Library::open(&file, None).unwrap_err(), folder.path()));
    }
    let dependency = build(&cc, "dependency.c", "dependency", &[], folder.path());
    let dependent = ["-DDEPENDENT", "-L", folder.path().to_str().unwrap(), "-ldependency"];
    let file = build(&cc, "zoo.c", "DEPENDENT", &dependent, folder.path());
    std::fs::remove_file(dependency).unwrap();
    all += &format!("{}\n", plain(Library::open(&file, None).unwrap_err(), folder.path()));
    if cfg!(target_os = "linux") {
        insta::assert_snapshot!(all, @r#"
        DIR/libNO_SYMBOL.so: it does not export `fmr_plugin_v1`, so it is no plugin of fmr; export components by `fmr_plugins::export!` in a crate of type cdylib, or see fmr_plugin.h
        DIR/libOTHER_SYMBOL.so: it was built for version 7 of the plugin interface, but this fmr speaks version 1; build it against this fmr's `fmr-plugins`
        DIR/libOTHER_MAJOR.so: it was built for version 9 of the plugin interface, but this fmr speaks version 1; build it against this fmr's `fmr-plugins`
        DIR/libBAD_MAGIC.so: its tables are broken: the library's table: it does not start with FMR1; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libSHORT_LIBRARY.so: its tables are broken: the library's table: it states 8 bytes, at least 64 are needed; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libSHORT_COMPONENT.so: its tables are broken: component 0: its table: it states 40 bytes, at least 56 are needed; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libUNKNOWN_ROLE.so: its tables are broken: component 0: "faulty" has the unknown role 9; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libBAD_NAME.so: its tables are broken: component 0: its name is not valid UTF-8; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libBAD_SCHEMA.so: its tables are broken: the schema of "faulty" is not JSON; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libNULL_FUNCTION.so: its tables are broken: component 0: target "faulty" lacks the function forward; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libNO_RELEASE.so: its tables are broken: component 0: target "faulty" lacks the function release; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libNULL_TABLE.so: its tables are broken: the library's table: its pointer is null or misaligned; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libTWICE.so: its tables are broken: it holds two components of role target called "faulty"; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libNO_COMPONENTS.so: its tables are broken: it holds no component; build it anew against this fmr's fmr_plugin.h, or tell its author
        DIR/libREFUSES.so: it refuses to work with this fmr: it is Sunday today; ask its author
        DIR/libUNRESOLVED.so: the system cannot load it (dlopen failed: DIR/libUNRESOLVED.so: undefined symbol: fmr_nobody_defines_this); build it anew on this machine
        DIR/libDEPENDENT.so: it needs the library libdependency.so, which is not found; install that, or add its folder to LD_LIBRARY_PATH
        "#);
    }
}

#[test]
fn faulty_targets_fail_in_one_sentence() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = build(&cc, "zoo.c", "zoo", &[], folder.path());
    let faulty = |fault: &str| {
        let time = if fault.starts_with("hang") { Duration::from_millis(300) } else { Duration::from_secs(60) };
        let limits = Limits { time: Some(time), ..Limits::default() };
        target(&file, &format!(r#"{{"fault":"{fault}"}}"#), &limits)
    };
    let mut all = String::new();
    for fault in [
        "no handle",
        "no info",
        "no classes",
        "short info",
        "no name",
        "name utf8",
        "name control",
        "few names",
        "null names",
        "nameless class",
        "class utf8",
        "no file",
        "null files",
        "file utf8",
        "preprocessing control",
        "hang in create",
    ] {
        all += &format!("{}\n", plain(faulty(fault).err().unwrap(), folder.path()));
    }
    for fault in ["unwritten", "overrun", "utf8", "status", "silent", "hang"] {
        let target = faulty(fault).unwrap();
        all += &format!("{}\n", plain(target.logits(images(2).view()).unwrap_err(), folder.path()));
        if fault == "unwritten" || fault == "overrun" {
            all += &format!("{}\n", plain(target.logits_of_pictures(&pictures()).unwrap_err(), folder.path()));
        }
        if fault == "hang" {
            all += &format!("{}\n", plain(target.logits(images(2).view()).unwrap_err(), folder.path()));
        }
    }
    let saving = faulty("fails after saving").unwrap();
    all += &format!("{}\n", plain(saving.logits_with_pullback(images(2).view()).err().unwrap(), folder.path()));
    let saving = faulty("saves nothing").unwrap();
    let (_, pull) = saving.logits_with_pullback(images(2).view()).unwrap();
    all += &format!("{}\n", plain(pull(Array2::zeros((2, 3)).view()).unwrap_err(), folder.path()));
    insta::assert_snapshot!(all, @r#"
    target "faulty" of DIR/libzoo.so: make it of its settings: it says that it was made, but gave no handle
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: its info: its pointer is null or misaligned; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: 0 classes; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: its info: it states 8 bytes, at least 56 are needed; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: it has no name; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: its name is not valid UTF-8; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: its name holds control characters: "\u{1b}[31mred"; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: names of 2 classes, but it has 3; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: names of 3 classes, at 0x0; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: class 1 has no name that can be read; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: a name of class 2 is not valid UTF-8; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: it says that it read "/nowhere/at/all", but there is no such file; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: 1 files, at 0x0; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: the path of a file that it read is not valid UTF-8; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it describes itself wrongly: its preprocessing holds control characters: "\u{1b}[31mred"; tell its author
    target "faulty" of DIR/libzoo.so: make it of its settings: it did not return within 0.3 s; raise `time-limit` if it is slow, else tell its author that it hangs
    target "faulty" of DIR/libzoo.so: logits of 2 images: it left 1 of the 6 values of an output of shape [2, 3] unwritten; tell its author
    target "faulty" of DIR/libzoo.so: logits of 2 pictures: it left 1 of the 6 values of an output of shape [2, 3] unwritten; tell its author
    target "faulty" of DIR/libzoo.so: logits of 2 images: it wrote beyond the end of an output of shape [2, 3], which may have damaged this process; tell its author
    target "faulty" of DIR/libzoo.so: logits of 2 pictures: it wrote beyond the end of an output of shape [2, 3], which may have damaged this process; tell its author
    target "faulty" of DIR/libzoo.so: logits of 2 images: caf� is � closed (its text is not valid UTF-8)
    target "faulty" of DIR/libzoo.so: logits of 2 images: it answered with the unknown status 77; ask its author
    target "faulty" of DIR/libzoo.so: logits of 2 images: it failed and does not say why
    target "faulty" of DIR/libzoo.so: logits of 2 images: it did not return within 0.3 s; raise `time-limit` if it is slow, else tell its author that it hangs
    target "faulty" of DIR/libzoo.so: logits of 2 images: an earlier call never returned; start fmr anew to use it again
    target "faulty" of DIR/libzoo.so: logits of 2 images, with gradient: changed its mind
    target "faulty" of DIR/libzoo.so: gradient of 2 images: it left 120 of the 120 values of an output of shape [2, 3, 4, 5] unwritten; tell its author
    "#);

    let long = faulty("long").unwrap().logits(images(1).view()).unwrap_err().problem;
    assert!(long.len() > 1000 && long.ends_with("a…"));
    // Numbers that are not finite are the engine's to judge, sample by sample, as those of built-in components are.
    assert!(faulty("nan").unwrap().logits(images(1).view()).unwrap().iter().all(|v| v.is_nan()));
    assert!(faulty("nan").unwrap().logits_of_pictures(&pictures()).unwrap().unwrap().iter().all(|v| v.is_nan()));
    // What is no picture never reaches the plugin.
    let none = Picture { shape: [3, 2, 2], bytes: vec![0; 11] };
    let error = faulty("").unwrap().logits_of_pictures(&[none]).unwrap_err();
    assert!(error.to_string().ends_with("logits of 1 pictures: a picture of shape [3, 2, 2] with 11 bytes"), "{error}");
}

#[test]
fn experiment_files_name_plugins_by_file_or_by_name() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = build(&cc, "linear.c", "linear", &[], folder.path());
    let mut registry = Registry::default();
    let plugins = Plugins { search: SearchPath(vec![folder.path().to_owned()]), ..Plugins::default() };
    host::register(&mut registry, &plugins);
    let context = context().with_base(folder.path());
    let make = |json: &str| registry.make::<dyn Target>(KIND, &settings(json), &context);
    let refused = |json: &str| plain(make(json).err().unwrap(), folder.path());

    let by_path = format!("./{}", file.file_name().unwrap().to_str().unwrap());
    for plugin in [file.to_str().unwrap(), &by_path, "linear"] {
        let made = make(&format!(r#"{{"plugin": "{plugin}", "scale": 2, "time-limit": 20}}"#));
        assert_eq!(made.unwrap().spec().classes, 4);
    }
    let hash = Library::open(&file, None).unwrap().sha256().to_owned();
    make(&format!(r#"{{"plugin": "linear", "sha256": "{}"}}"#, hash.to_uppercase())).unwrap();
    let other = "0".repeat(64);
    let error = refused(&format!(r#"{{"plugin": "linear", "sha256": "{other}"}}"#)).replace(&hash, "HASH");
    insta::assert_snapshot!(error, @"sha256: DIR/liblinear.so: its SHA-256 is HASH, but 0000000000000000000000000000000000000000000000000000000000000000 is pinned; restore the pinned file, or pin this one if you trust it");
    insta::assert_snapshot!(refused(r#"{"plugin": "linear", "sha256": "12"}"#), @r#"sha256: is "12", must be 64 hexadecimal digits"#);
    insta::assert_snapshot!(refused(r#"{"plugin": "linear", "component": "cubic"}"#), @r#"component: DIR/liblinear.so: it holds no target "cubic"; it holds target "linear""#);
    insta::assert_snapshot!(refused(r#"{"plugin": "cubic"}"#), @"plugin: cubic: no plugin of that name is in DIR; name its file, or add its folder to FMR_PLUGIN_PATH");
    insta::assert_snapshot!(refused(r#"{"plugin": "./cubic.so"}"#), @"plugin: DIR/./cubic.so: there is no such file; build the plugin (`cargo build --release`) or mend the path");
    insta::assert_snapshot!(refused(r#"{"plugin": 3}"#), @"plugin: is 3, must be text");
    insta::assert_snapshot!(refused("{}"), @"plugin: must name the plugin's file, or a plugin in the search path");
    insta::assert_snapshot!(refused(r#"{"plugin": "linear", "time-limit": -1}"#), @"time-limit: is -1, must be seconds, or 0 for no limit");
    insta::assert_snapshot!(refused(r#"{"plugin": "linear", "size": 1}"#), @"size: there is no such setting; there is `scale`");
    assert!(registry.make::<dyn Scorer>(KIND, &settings(r#"{"plugin": "linear"}"#), &context).is_err());
    let named = registry.check::<dyn Target>(KIND, &settings(r#"{"plugin": "linear"}"#), &context).unwrap();
    assert_eq!(named, [NamedFile { key: "plugin".into(), path: file, published: None }]);
}

#[test]
fn plugins_of_the_search_path_are_kinds_of_their_own() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|f| folder.path().join(f));
    for folder in [&first, &second] {
        std::fs::create_dir(folder).unwrap();
    }
    build(&cc, "linear.c", "linear", &[], &first);
    build(&cc, "linear.c", "other", &["-DOTHER"], &second);
    build(&cc, "oldest.c", "oldest", &[], &second);
    build(&cc, "zoo.c", "zoo", &["-DBAD_MAGIC"], &second);
    let plugins = Plugins { search: SearchPath(vec![first, second]), ..Plugins::default() };

    let mut registry = Registry::default();
    registry.add_target("oldest", |_, _| Err(MakeError::Setting(fmr_core::SettingError::new("", "built in"))));
    let refused = host::register_found(&mut registry, &plugins);
    let refused: Vec<String> = refused.iter().map(|e| plain(e, folder.path())).collect();
    insta::assert_snapshot!(refused.join("\n"), @r#"
    DIR/second/liboldest.so: it offers the target "oldest", which fmr itself offers too; remove one, or name the file by `plugin = "…"`
    DIR/second/libother.so: it offers the target "linear", which DIR/first/liblinear.so offers too; remove one, or name the file by `plugin = "…"`
    DIR/second/libzoo.so: its tables are broken: the library's table: it does not start with FMR1; build it anew against this fmr's fmr_plugin.h, or tell its author
    "#);
    assert_eq!(registry.kinds::<dyn Target>().collect::<Vec<_>>(), ["linear", "oldest"]);
    assert!(registry.make::<dyn Target>("linear", &settings(r#"{"scale": 1}"#), &context()).is_ok());
    assert_eq!(
        registry.make::<dyn Target>("oldest", &settings("{}"), &context()).err().unwrap().to_string(),
        ": built in"
    );

    let listing = host::list(&plugins);
    let mut text = plain(&listing, folder.path());
    for library in listing.libraries.iter().flatten() {
        text = text.replace(library.sha256(), "HASH");
    }
    insta::assert_snapshot!(text, @r#"
    linear-c 1.2.3 (interface 1.1)
      file    DIR/first/liblinear.so
      sha256  HASH
      target    linear
        scale: number

    oldest 0 (interface 1.0)
      file    DIR/second/liboldest.so
      sha256  HASH
      target    oldest

    linear-c 1.2.3 (interface 1.1)
      file    DIR/second/libother.so
      sha256  HASH
      target    linear
        scale: number

    refused: DIR/second/libzoo.so: its tables are broken: the library's table: it does not start with FMR1; build it anew against this fmr's fmr_plugin.h, or tell its author
    "#);
}

#[test]
fn a_file_that_changed_is_not_taken_for_the_loaded_one() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = build(&cc, "linear.c", "changing", &[], folder.path());
    let first = Library::open(&file, None).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &Library::open(&file, None).unwrap()));
    // As a linker does: a new file in place of the old one.
    std::fs::remove_file(&file).unwrap();
    let again: PathBuf = build(&cc, "linear.c", "changing", &["-DOTHER", "-O2"], folder.path());
    let error = Library::open(&again, None).unwrap_err();
    assert!(error.to_string().ends_with("the file changed since it was loaded; start fmr anew to use the new one"));
}

#[test]
fn the_check_finds_what_is_wrong() {
    let Some(cc) = common::compiler() else { return };
    let folder = tempfile::tempdir().unwrap();
    let sound = build(&cc, "linear.c", "checked", &[], folder.path());
    let report = check::run(&sound, &check::Options::default()).unwrap();
    assert!(report.passed(), "{report}");

    let file = build(&cc, "zoo.c", "checked_zoo", &[], folder.path());
    let failures = |fault: &str| {
        let time = if fault == "hang" { Duration::from_millis(300) } else { Duration::from_secs(60) };
        let options = check::Options {
            settings: settings(&format!(r#"{{"fault":"{fault}"}}"#)),
            time,
            ..check::Options::default()
        };
        let mut told = 0;
        let report = check::watch(&file, &options, &mut |_| told += 1).unwrap();
        assert_eq!(told, report.findings.len());
        let fails = report.findings.iter().filter(|f| f.verdict == Verdict::Fail);
        fails.map(|f| plain(format!("{}: {}", f.probe, f.detail), folder.path())).collect::<Vec<_>>().join("\n")
    };
    // Each accepts unknown keys besides.
    insta::assert_snapshot!(failures("nan"), @r#"
    settings: an unknown key is accepted, so that a misspelt one would pass; say `deny_unknown_fields`
    logits, batches: gives NaN for sound input; results must be finite
    pictures: gives NaN for sound pictures; results must be finite
    "#);
    insta::assert_snapshot!(failures("unwritten"), @r#"
    settings: an unknown key is accepted, so that a misspelt one would pass; say `deny_unknown_fields`
    logits, batches: 1 samples fail: target "faulty" of DIR/libchecked_zoo.so: logits of 1 images: it left 1 of the 3 values of an output of shape [1, 3] unwritten; tell its author
    pictures: 4 pictures fail: target "faulty" of DIR/libchecked_zoo.so: logits of 4 pictures: it left 1 of the 12 values of an output of shape [4, 3] unwritten; tell its author
    "#);
    insta::assert_snapshot!(failures("hang"), @r#"
    settings: an unknown key is accepted, so that a misspelt one would pass; say `deny_unknown_fields`
    logits, batches: 1 samples fail: target "faulty" of DIR/libchecked_zoo.so: logits of 1 images: it did not return within 0.3 s; raise `time-limit` if it is slow, else tell its author that it hangs
    pictures: 4 pictures fail: target "faulty" of DIR/libchecked_zoo.so: logits of 4 pictures: an earlier call never returned; start fmr anew to use it again
    odd sizes: images of [3, 33, 17] end badly: target "faulty" of DIR/libchecked_zoo.so: logits of 7 images: it did not return within 0.3 s; raise `time-limit` if it is slow, else tell its author that it hangs; return an error
    "#);
    insta::assert_snapshot!(failures("no info"), @r#"
    settings: an unknown key is accepted, so that a misspelt one would pass; say `deny_unknown_fields`
    making: target "faulty" of DIR/libchecked_zoo.so: make it of its settings: it describes itself wrongly: its info: its pointer is null or misaligned; tell its author
    "#);
    insta::assert_snapshot!(failures(""), @r#"
    settings: an unknown key is accepted, so that a misspelt one would pass; say `deny_unknown_fields`
    logits, pull-back: fails: target "faulty" of DIR/libchecked_zoo.so: gradient of 7 images: it left 21504 of the 21504 values of an output of shape [7, 3, 32, 32] unwritten; tell its author
    "#);

    let options = check::Options { component: Some("cubic".into()), ..check::Options::default() };
    assert!(!check::run(&sound, &options).unwrap().passed());
}
