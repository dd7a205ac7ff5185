//! Sparse masks through the command: learned, kept, used again, shown, refused.

use std::process::Stdio;

use fmr::core::SampleRecord;
use fmr::core::perturb::{Observer, Perturber, StepView};
use fmr::mask::{Mask, Unit};
use fmr::report::{MaskFigures, Report};
use fmr::store::RunStore;
use fmr::{ReadyRow, Runner};
use serde_json::json;

use crate::support::{EXPERIMENT, Lab, records};

/// The laboratory's experiment with a mask that is learned from other digits, and a row without a mask.
fn experiment() -> String {
    let masks = r#"[data.others]
kind = "idx"
images = "images.gz"
labels = "labels.gz"
skip = 10
limit = 12

[masks.style]
learn-from = "others"

[search]
"#;
    let rows = EXPERIMENT.replace("target = \"lenet\"\n", "target = \"lenet\"\nmask = [\"none\", \"style\"]\n");
    rows.replace("[search]\n", masks)
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("lab.toml", &experiment());
    lab
}

const MASKED: &str = "digits/lenet/style";
const FILE: &str = "masks/digits-lenet-style.mask";

fn figures(lab: &Lab, run: &str) -> MaskFigures {
    RunStore::read(&lab.path(run)).unwrap().facts(MASKED).unwrap().mask.unwrap()
}

fn rows(lab: &Lab, run: &str, row: &str) -> Vec<SampleRecord> {
    records(&lab.path(run)).into_iter().find(|(id, _)| id == row).unwrap().1
}

#[test]
fn a_mask_is_learned_kept_and_reported() {
    let lab = lab();
    let printed = lab.succeed(&["run", "lab.toml", "--out", "run"]);
    let figures = figures(&lab, "run");
    let mask = Mask::load(&lab.path(&format!("run/{FILE}"))).unwrap();
    assert_eq!((figures.hash, figures.images), (mask.hash(), Some(12)));
    assert!(mask.count() > 0 && mask.count() < mask.kept().len(), "{} kept", mask.count());
    for part in ["lenet, sparse mask", "Masks: which", "What the searches cost", "With the mask against without it"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let report = Report::from_json(&std::fs::read_to_string(lab.path("run/table.json")).unwrap()).unwrap();
    let value = |grid: &str, row: usize, column: &str| {
        let cell = report.grid(grid).unwrap().cell(row, column).unwrap();
        serde_json::to_value(cell).unwrap()
    };
    let difference = value("mask-effect", 0, "difference");
    assert!(difference["interval"].is_object() || difference["value"].is_null(), "{difference}");
    let updates: usize = rows(&lab, "run", MASKED).iter().map(|r| r.steps.len()).sum();
    assert_eq!(value("cost", 1, "updates")["value"].as_f64().unwrap() as usize, updates);
    for form in ["table.md", "report.html"] {
        let text = std::fs::read_to_string(lab.path(&format!("run/{form}"))).unwrap();
        assert!(text.contains("sparsity") && text.contains("With the mask against without it"), "{form}");
    }
    // A learned mask is the same wherever it is learned.
    lab.succeed(&["mask", "learn", "lab.toml", "--out", "masks"]);
    assert_eq!(Mask::load(&lab.path(FILE)).unwrap().kept(), mask.kept());
}

#[test]
fn a_mask_of_a_file_gives_the_rows_of_the_mask_that_was_learned() {
    let lab = lab();
    lab.succeed(&["run", "lab.toml", "--out", "learned"]);
    let said = lab.succeed(&["mask", "learn", "lab.toml"]);
    assert!(said.contains("sparsity") && said.contains("duality gap") && said.contains(FILE), "{said}");
    let text = experiment().replace("learn-from = \"others\"", &format!("file = \"{FILE}\""));
    lab.write("given.toml", &text);
    lab.succeed(&["run", "given.toml", "--out", "given"]);
    assert_eq!(rows(&lab, "given", MASKED), rows(&lab, "learned", MASKED));
    assert_ne!(rows(&lab, "given", MASKED), rows(&lab, "given", "digits/lenet"), "the mask changes nothing");
    assert_eq!(rows(&lab, "given", "digits/lenet"), rows(&lab, "learned", "digits/lenet"));
}

#[test]
fn a_run_that_is_killed_resumes_with_its_mask() {
    let lab = lab();
    lab.succeed(&["run", "lab.toml", "--out", "whole"]);
    let whole = records(&lab.path("whole"));
    let arguments = ["run", "lab.toml", "--out", "killed"];
    let mut process = lab.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let masked = || RunStore::read(&lab.path("killed")).ok().and_then(|store| store.count(MASKED).ok());
    while masked().is_none_or(|rows| rows == 0) && process.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let before = std::fs::metadata(lab.path(&format!("killed/{FILE}"))).unwrap().modified().unwrap();
    lab.succeed(&["resume", "killed"]);
    assert_eq!(records(&lab.path("killed")), whole);
    let after = std::fs::metadata(lab.path(&format!("killed/{FILE}"))).unwrap().modified().unwrap();
    assert_eq!(before, after, "the mask was learned a second time");

    // A mask that is lost is learned again, and is the same; one of another content is not taken for it.
    let mask = std::fs::read(lab.path(&format!("killed/{FILE}"))).unwrap();
    let other = std::fs::read_to_string(lab.path(&format!("killed/{FILE}"))).unwrap();
    let line = |key: &str| other.lines().find(|l| l.starts_with(key)).unwrap().to_owned();
    let other = other.replace(&line("kept"), "kept = \"0\"").replace(&line("hash"), "");
    lab.write(&format!("killed/{FILE}"), &other);
    lab.succeed(&["resume", "killed"]);
    let again = Mask::load(&lab.path(&format!("killed/{FILE}"))).unwrap();
    lab.write("whole.mask", std::str::from_utf8(&mask).unwrap());
    assert_eq!(again.kept(), Mask::load(&lab.path("whole.mask")).unwrap().kept());
}

#[test]
fn settings_of_the_mask_are_part_of_the_fingerprint() {
    let lab = lab();
    lab.succeed(&["run", "lab.toml", "--out", "run"]);
    let kept = lab.path("run/experiment.toml");
    let store = RunStore::read(&lab.path("run")).unwrap();
    let fields = &store.plan().rows[1].fingerprint;
    assert_eq!(fields["mask.strength"], "36.36");
    assert!(fields["mask.learn-from"].starts_with("sha256:") && kept.exists());
    assert!(store.plan().rows[0].fingerprint.keys().all(|field| !field.starts_with("mask")));

    lab.succeed(&["mask", "learn", "lab.toml"]);
    lab.write("given.toml", &experiment().replace("learn-from = \"others\"", &format!("file = \"{FILE}\"")));
    lab.succeed(&["run", "given.toml", "--out", "given"]);
    let mask = Mask::load(&lab.path(FILE)).unwrap();
    let other = Mask::of_units(mask.layout().to_vec(), Unit::Channel, [0]).unwrap();
    other.save(&lab.path(FILE)).unwrap();
    let refused = lab.refuse(&["resume", "given"]);
    assert!(refused.contains("mask"), "{refused}");
}

#[test]
fn masks_that_do_not_fit_are_refused_with_their_place() {
    let lab = lab();
    lab.succeed(&["mask", "learn", "lab.toml"]);
    let sound = Mask::load(&lab.path(FILE)).unwrap();
    let given = experiment().replace("learn-from = \"others\"", "file = \"other.mask\"");
    lab.write("given.toml", &given);
    let mut said = String::new();
    let mut refuse = |what: &str, mask: Option<&Mask>, experiment: &str| {
        if let Some(mask) = mask {
            mask.save(&lab.path("other.mask")).unwrap();
        }
        lab.write("lab.toml", experiment);
        said += &format!("# {what}\n{}\n", lab.refuse(&["check", "lab.toml"]));
    };
    refuse("no file", None, &given);
    let mut layout = sound.layout().to_vec();
    layout[0].shape[0] += 1;
    let other = Mask::of_units(layout, Unit::Channel, [0]).unwrap();
    refuse("another layout", Some(&other), &given);
    let mut other = sound.clone();
    other.origin.weights_hash = Some("sha256:ab".to_owned());
    refuse("other weights", Some(&other), &given);
    let empty = Mask::new(sound.layout().to_vec(), vec![false; sound.kept().len()]).unwrap();
    refuse("nothing kept", Some(&empty), &given);
    refuse("images that are evaluated", None, &experiment().replace("skip = 10", "skip = 9"));
    let said: Vec<String> = said.split_inclusive(|c: char| !c.is_ascii_hexdigit()).map(without_hash).collect();
    insta::assert_snapshot!(said.concat());
}

/// The hash of the generator's weights depends on more than this test is about.
fn without_hash(word: &str) -> String {
    let digits = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
    if digits.len() == 64 { word.replace(digits, "HASH") } else { word.to_owned() }
}

#[test]
fn a_mask_is_shown_with_what_it_does_to_images() {
    let lab = lab();
    lab.succeed(&["run", "lab.toml", "--out", "run"]);
    let said = lab.succeed(&["mask", "show", &format!("run/{FILE}"), "--images", "2"]);
    for part in ["latent", "sparsity", "test score", "duality gap", "dimensions", "strip"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(lab.path("run/masks/digits-lenet-style-strip.png").exists(), "{said}");
    lab.write("hand.mask", "format = \"fmr-mask\"\nversion = 1\nkept = \"0-3\"\n[[layout]]\nname = \"z\"\nshape = [4, 14, 14]\noffset = 0\n");
    let said = lab.succeed(&["mask", "show", "hand.mask"]);
    assert!(said.contains("made by hand") && said.contains("names no experiment") && lab.path("hand.png").exists());
    lab.succeed(&["mask", "show", "hand.mask", "lab.toml", "--out", "pictures"]);
    assert!(lab.path("pictures/hand-strip.png").exists());
    let refused = lab.refuse(&["mask", "show", "hand.mask", "lab.toml", "--row", "absent"]);
    assert!(refused.contains("absent"), "{refused}");
    let refused = lab.refuse(&["mask", "learn", "lab.toml", "--row", "digits/lenet"]);
    assert!(refused.contains("learns a mask"), "{refused}");
}

/// Checks that updates are zero wherever the mask is.
struct OnlyKept<'a>(&'a [bool], std::sync::atomic::AtomicUsize);

impl Observer for OnlyKept<'_> {
    fn step(&self, step: &StepView<'_>) {
        let Some(attempt) = &step.attempt else { return };
        for (j, kept) in self.0.iter().enumerate() {
            assert!(*kept || attempt.update[j] == 0.0, "value {j} moved");
        }
        self.1.fetch_add(attempt.update.iter().filter(|v| **v != 0.0).count(), std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn a_masked_run_moves_only_what_is_kept() {
    let lab = lab();
    let prepared = lab.prepare(&[("run.lanes", json!(1))]);
    Runner::default().run(&prepared, Some(&lab.path("run"))).unwrap();
    let mask = Mask::load(&lab.path(&format!("run/{FILE}"))).unwrap();
    let row: &ReadyRow = prepared.ready().find(|row| row.settings.id == MASKED).unwrap();
    let factors = mask.for_run(row.generator.spec(), row.weights_hash(), false).unwrap();
    let observer = OnlyKept(mask.kept(), 0.into());
    let again = Perturber { observer: &observer, ..row.perturber(Some(&factors)) };
    let positions: Vec<usize> = (0..row.samples.len()).collect();
    let seen: Vec<SampleRecord> =
        again.run(&row.samples.batch(&positions).unwrap()).unwrap().into_iter().map(|sample| sample.record).collect();
    assert!(observer.1.into_inner() > 0, "nothing moved");
    // What the runner did is what was looked at.
    assert_eq!(rows(&lab, "run", MASKED), seen);
}
