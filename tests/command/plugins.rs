//! Plugins in whole experiments: how they are named and pinned, what the run keeps of them, and how a run goes on after one
//! was mended.

#[cfg(unix)]
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
#[cfg(unix)]
use std::process::Stdio;
#[cfg(unix)]
use std::time::Instant;

use fmr::core::SampleRecord;
use fmr::store::RunStore;

use crate::support::{EXPERIMENT, Lab, records};

const CELL: &str = "digits/lenet";

/// Builds the target in C that the plugins' own tests use, with ten classes; a notice and `None` where there is no C
/// compiler.
fn build(lab: &Lab, file: &str, fault: Option<&str>) -> Option<PathBuf> {
    build_from(lab, "linear.c", file, fault)
}

/// The same of another source.
fn build_from(lab: &Lab, source: &str, file: &str, fault: Option<&str>) -> Option<PathBuf> {
    let (root, path) = (Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("fmr-plugins"), lab.path(file));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let output = Command::new(&compiler)
        .args(["-std=c99", "-O1", "-shared", "-fPIC", "-DCLASSES=10", "-I"])
        .arg(root.join("include"))
        .args(fault.map(|fault| format!("-D{fault}")))
        .arg("-o")
        .arg(&path)
        .arg(root.join("tests/c").join(source))
        .arg("-lm")
        .output();
    let Ok(output) = output else {
        fmr_golden::skip("cc", format_args!("there is no C compiler {compiler:?}"));
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(path)
}

fn library(name: &str) -> String {
    format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// The laboratory's experiment with another target table, one batch after the other, so that the plugin's faults come
/// when some samples are done and others are not.
fn with_target(table: &str) -> String {
    let built_in = "kind = \"zoo\"\nmodel = \"lenet\"\nweights = \"lenet.safetensors\"\n";
    assert!(EXPERIMENT.contains(built_in));
    let experiment = EXPERIMENT.replace(built_in, table).replace("batch = 2", "batch = 2\nlanes = 1");
    experiment.replace("limit = 10", "limit = 20")
}

/// A laboratory with a target of a plugin, the name of its file, and the run `whole` of it without a fault.
fn lab_with_plugin() -> Option<(Lab, String)> {
    let (lab, file) = (Lab::new(), library("target"));
    build(&lab, &file, None)?;
    lab.write("lab.toml", &with_target(&format!("plugin = \"./{file}\"\n")));
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    Some((lab, file))
}

/// The table without its remarks on validity, which speak of how the run went.
fn figures(lab: &Lab, run: &str) -> String {
    let text = std::fs::read_to_string(lab.path(run).join("table.txt")).unwrap();
    text.split("\nValidity").next().unwrap().to_owned()
}

/// A text without the line breaks and the frame that a terminal gets.
fn flat(text: &str) -> String {
    text.replace(['│', '×', '!'], " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn expect_same_images(lab: &Lab, one: &str, other: &str) {
    let [one, other] = [one, other].map(|run| RunStore::read(&lab.path(run)).unwrap());
    for index in 0..one.plan().rows[0].samples {
        assert_eq!(one.images(CELL, index).unwrap(), other.images(CELL, index).unwrap());
    }
}

#[test]
fn a_run_goes_on_where_its_plugin_failed_once_that_is_mended() {
    let Some((lab, file)) = lab_with_plugin() else { return };
    let whole = records(&lab.path("whole"));
    build(&lab, &file, Some("FAIL_AFTER=40"));
    // Half of the samples failed: the figures are not to be relied on.
    let run = lab.fmr(&["run", "lab.toml", "--out", "run"]);
    assert_eq!(run.status.code(), Some(3));
    let table = String::from_utf8(run.stdout).unwrap();
    let said = flat(&table);
    assert!(table.starts_with("FAILED: 10 of 20 samples of "), "{table}");
    assert!(said.contains("samples failed") && said.contains("the licence ran out"), "{table}");
    let (failed, finished): (Vec<_>, Vec<_>) =
        records(&lab.path("run"))[0].1.clone().into_iter().partition(SampleRecord::component_failed);
    assert!(!failed.is_empty() && !finished.is_empty(), "{} failed", failed.len());

    build(&lab, &file, None);
    let table = lab.succeed(&["resume", "run"]);
    assert_eq!(records(&lab.path("run")), whole);
    assert!(finished.iter().all(|record| whole[0].1.contains(record)));
    assert_eq!(figures(&lab, "run"), figures(&lab, "whole"));
    expect_same_images(&lab, "run", "whole");
    let said = format!("{} of 20 samples were made before a plugin's file was replaced", finished.len());
    assert!(flat(&table).contains(&said), "{table}");
    let kept = RunStore::read(&lab.path("run")).unwrap().replaced_plugins(CELL).unwrap();
    assert_eq!((kept.len(), kept[0].field.as_str(), kept[0].kept), (1, "target.plugin", finished.len()));
    // Mended once, the run is like any other: without a failure no other file is taken.
    assert_eq!(lab.succeed(&["resume", "run"]), table);
    build(&lab, &file, Some("FAIL_AFTER=1000000"));
    assert!(flat(&lab.refuse(&["resume", "run"])).contains("target.plugin was"));
}

#[test]
fn a_plugin_that_ends_the_process_costs_no_finished_sample() {
    let Some((lab, file)) = lab_with_plugin() else { return };
    let whole = records(&lab.path("whole"));
    build(&lab, &file, Some("DIE_AFTER=40"));
    let output = lab.fmr(&["run", "lab.toml", "--out", "run"]);
    assert!(!output.status.success());
    let finished = records(&lab.path("run"))[0].1.clone();
    assert!(!finished.is_empty() && finished.len() < 20, "{} finished", finished.len());

    build(&lab, &file, None);
    let refused = flat(&lab.refuse(&["resume", "run"]));
    assert!(refused.contains("target.plugin was") && refused.contains("--mended"), "{refused}");
    lab.succeed(&["resume", "--mended", "run"]);
    assert_eq!(records(&lab.path("run")), whole);
    assert!(finished.iter().all(|record| whole[0].1.contains(record)));
    assert_eq!(figures(&lab, "run"), figures(&lab, "whole"));
    expect_same_images(&lab, "run", "whole");
}

/// Starts a run whose plugin waits in a call after some, and presses Ctrl-C there.
#[cfg(unix)]
fn interrupted(lab: &Lab, arguments: &[&str], waits_after: u32) -> (Option<i32>, std::time::Duration, String) {
    let mut command = lab.command(arguments);
    command.env("LINEAR_WAITS_AFTER", waits_after.to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut all = String::new();
    while !all.ends_with("waiting\n") {
        assert_ne!(said.read_line(&mut all).unwrap(), 0, "it ended before it waited: {all}");
    }
    let pressed = Instant::now();
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    said.read_to_string(&mut all).unwrap();
    let code = child.wait().unwrap().code();
    (code, pressed.elapsed(), all)
}

#[cfg(unix)]
#[test]
fn an_interrupt_reaches_a_plugin_in_the_midst_of_a_call() {
    let (lab, file) = (Lab::new(), library("target"));
    if build(&lab, &file, Some("WAITS")).is_none() {
        return;
    }
    lab.write("lab.toml", &with_target(&format!("plugin = \"./{file}\"\n")));
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    let whole = records(&lab.path("whole"));

    let (code, took, said) = interrupted(&lab, &["run", "lab.toml", "--out", "run"], 40);
    assert_eq!(code, Some(130), "{said}");
    assert!(flat(&said).contains("`fmr resume run` goes on where it stopped"), "{said}");
    // It would have waited for a minute.
    assert!(took.as_secs() < 30, "{took:?}");
    // The batch that was given up is neither finished nor failed.
    let finished = records(&lab.path("run"))[0].1.clone();
    assert!(!finished.is_empty() && finished.len() < 20, "{} finished", finished.len());
    assert!(finished.iter().all(|record| whole[0].1.contains(record)));

    // Interrupted at once, nothing is lost or gained.
    let (code, ..) = interrupted(&lab, &["resume", "run"], 0);
    assert_eq!(code, Some(130));
    assert_eq!(records(&lab.path("run"))[0].1, finished);

    lab.succeed(&["resume", "run"]);
    assert_eq!(records(&lab.path("run")), whole);
    assert_eq!(figures(&lab, "run"), figures(&lab, "whole"));
    expect_same_images(&lab, "run", "whole");
}

#[test]
fn a_plugin_is_on_record_and_can_be_pinned_however_it_is_named() {
    let lab = Lab::new();
    let Some(file) = build(&lab, &format!("plugins/{}", library("linear")), None) else { return };
    let path = format!("plugin = \"plugins/{}\"\n", library("linear"));
    let file = file.canonicalize().unwrap().display().to_string();
    let mut hashes = Vec::new();
    for (i, table) in [path.as_str(), "plugin = \"linear\"\n", "kind = \"linear\"\n"].into_iter().enumerate() {
        let experiment = |extra: &str| {
            format!("plugin-path = [\"plugins\"]\n{}", with_target(&format!("{table}{extra}")))
                .replace("limit = 20", "limit = 2")
        };
        lab.write("lab.toml", &experiment(""));
        let run = format!("run-{i}");
        lab.succeed(&["run", "lab.toml", "--out", &run]);
        let plan = RunStore::read(&lab.path(&run)).unwrap().plan().clone();
        let hash = plan.rows[0].fingerprint["target.plugin"].strip_prefix("sha256:").unwrap().to_owned();
        let on_record = &plan.versions[&format!("plugin {file}")];
        assert_eq!(on_record, &format!("linear-c 1.2.3, sha256:{hash}"));
        // The pinned file is taken, another is refused in one sentence at its place in the file.
        lab.write("lab.toml", &experiment(&format!("sha256 = \"{hash}\"\ntime-limit = 100\n")));
        lab.succeed(&["check", "lab.toml"]);
        lab.write("lab.toml", &experiment(&format!("sha256 = \"{}\"\n", "0".repeat(64))));
        let refused = flat(&lab.refuse(&["check", "lab.toml"]));
        assert!(refused.contains("sha256") && refused.contains("is pinned; restore the pinned file"), "{refused}");
        lab.write("lab.toml", &experiment("sha256 = \"12\"\n"));
        assert!(flat(&lab.refuse(&["check", "lab.toml"])).contains("must be 64 hexadecimal digits"));
        hashes.push(hash);
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]));
    assert_eq!(records(&lab.path("run-0")), records(&lab.path("run-2")));
}

#[test]
fn files_that_a_plugin_read_bind_its_run() {
    let (lab, file) = (Lab::new(), library("pictures"));
    if build_from(&lab, "pictures.c", &file, None).is_none() {
        return;
    }
    let table = format!("plugin = \"./{file}\"\ncomponent = \"brightness\"\nweights = \"files/w.txt\"\n");
    let experiment = |extra: &str| {
        with_target(&format!("{table}{extra}")).replace("limit = 20", "limit = 2").replace("budget = 6", "budget = 1")
    };
    let names: String = (0..10).map(|label| format!("{label},digit {label}\n")).collect();
    std::fs::create_dir(lab.path("files")).unwrap();
    lab.write("files/w.txt", "2.5");
    lab.write("files/w.txt.names", &names);
    lab.write("lab.toml", &experiment(""));
    lab.succeed(&["run", "lab.toml", "--out", "run"]);
    let store = RunStore::read(&lab.path("run")).unwrap();
    let fingerprint = &store.plan().rows[0].fingerprint;
    for field in ["target.plugin", "target.weights", "target.file:w.txt.names"] {
        assert!(fingerprint[field].starts_with("sha256:"), "{fingerprint:?}");
    }
    // Originals were shown as their files hold them: what it adds for their size is in every logit.
    let shown = store.shown(CELL, 0).unwrap();
    let least = |logits: &ndarray::Array1<f32>| logits.iter().copied().fold(f32::INFINITY, f32::min);
    assert!(least(&shown.original.answer.logits) > 784.0 && least(&shown.reconstruction.answer.logits) < 10.0);
    let page = std::fs::read_to_string(lab.path("run/report.html")).unwrap();
    assert!(page.contains("mean of all pixels, in C"));

    // A file that its settings name, and one beside it that only the plugin knows of.
    let beside = format!("{names}\n");
    for (file, changed, field) in
        [("files/w.txt", "2.6", "target.weights"), ("files/w.txt.names", beside.as_str(), "target.file:w.txt.names")]
    {
        let before = std::fs::read_to_string(lab.path(file)).unwrap();
        lab.write(file, changed);
        let refused = flat(&lab.refuse(&["resume", "run"]));
        assert!(refused.contains(&format!("{field} was")), "{refused}");
        lab.write(file, &before);
        lab.succeed(&["resume", "run"]);
    }
    std::fs::remove_file(lab.path("files/w.txt")).unwrap();
    let refused = flat(&lab.refuse(&["check", "lab.toml"]));
    assert!(refused.contains("there is no file files/w.txt"), "{refused}");
    lab.write("lab.toml", &experiment("obtain = { what = \"a factor\", get = \"make one\" }\n"));
    let said = lab.fmr(&["check", "lab.toml"]);
    let said = [said.stdout, said.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(flat(&said).contains("missing digits/lenet: files/w.txt"), "{said}");
}

#[test]
fn a_plugin_without_pictures_is_shown_images_and_the_report_says_so() {
    let Some((lab, _)) = lab_with_plugin() else { return };
    let page = std::fs::read_to_string(lab.path("whole/report.html")).unwrap();
    assert!(
        page.contains("the run's images, at the generator&#39;s size")
            || page.contains("the run's images, at the generator's size")
    );
}

#[test]
fn plugins_are_found_in_each_place_of_the_search_path() {
    let lab = Lab::new();
    let Some(file) = build(&lab, "built.so", None) else { return };
    let experiment = with_target("kind = \"linear\"\n");
    for place in ["by-experiment", "by-variable", "data/fmr/plugins"] {
        let folder = lab.path(place);
        std::fs::create_dir_all(&folder).unwrap();
        let head = if place == "by-experiment" { "plugin-path = [\"by-experiment\"]\n" } else { "" };
        lab.write("lab.toml", &format!("{head}{experiment}"));
        let run = |arguments: &[&str]| {
            let mut command = lab.command(arguments);
            command.env("FMR_PLUGIN_PATH", lab.path("by-variable"));
            // The user's data folder on each system.
            command.env("XDG_DATA_HOME", lab.path("data")).env("APPDATA", lab.path("data"));
            let output = command.output().unwrap();
            let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
            (output.status.success(), text)
        };
        if cfg!(target_vendor = "apple") && place.starts_with("data") {
            continue;
        }
        let (found, said) = run(&["check", "lab.toml"]);
        assert!(!found && flat(&said).contains("there is no target of kind \"linear\""), "{said}");
        std::fs::copy(&file, folder.join(library("linear"))).unwrap();
        let (found, said) = run(&["check", "lab.toml"]);
        assert!(found, "{place}: {said}");
        if place != "by-experiment" {
            let (_, said) = run(&["plugin", "list"]);
            assert!(said.contains("linear-c 1.2.3") && said.contains(place), "{said}");
        }
        std::fs::remove_file(folder.join(library("linear"))).unwrap();
    }
}
