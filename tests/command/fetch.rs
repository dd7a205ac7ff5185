//! `fmr fetch`: what experiments and models need, from a mirror.

use std::fs;
use std::process::Output;

use crate::support::{EXPERIMENT, Lab};

const MIRROR: &str = "FMR_MIRROR";

/// The laboratory's experiment whose LeNet is published and is not there.
fn lab(file: &str) -> Lab {
    let lab = Lab::new();
    let obtain = format!(
        "weights = \"absent/lenet.safetensors\"\n\
         obtain = {{ what = \"a LeNet\", get = \"a.org\", files = [{{ key = \"weights\", {file} }}] }}"
    );
    lab.write("lab.toml", &EXPERIMENT.replace("weights = \"lenet.safetensors\"", &obtain));
    fs::create_dir_all(lab.path("mirror/a.org/models")).unwrap();
    fs::copy(lab.path("lenet.safetensors"), lab.path("mirror/a.org/models/lenet.safetensors")).unwrap();
    lab
}

fn fetch(lab: &Lab, arguments: &[&str]) -> (bool, String) {
    let output = lab.command(&[&["fetch"], arguments].concat()).env(MIRROR, "mirror").output().unwrap();
    let Output { status, stdout, stderr } = output;
    // Errors are wrapped, lists are not.
    let errors = String::from_utf8(stderr).unwrap().replace('│', " ");
    let errors = errors.split_whitespace().collect::<Vec<_>>().join(" ");
    (status.success(), String::from_utf8(stdout).unwrap() + &errors)
}

#[test]
fn an_experiment_gets_what_it_lacks_and_runs() {
    let lab = lab("url = \"https://a.org/models/lenet.safetensors\", licence = \"MIT\"");
    let printed = lab.succeed(&["check", "lab.toml"]);
    insta::assert_snapshot!(printed, @r"
    missing  digits/lenet: absent/lenet.safetensors (a LeNet: a.org)
    `fmr fetch lab.toml` downloads what is published
    ");
    let refused = lab.refuse(&["run", "lab.toml", "--out", "out"]);
    assert!(refused.contains("`fmr fetch lab.toml` downloads what is published"), "{refused}");

    let (ok, printed) = fetch(&lab, &["lab.toml", "--dry-run"]);
    assert!(ok && !lab.path("absent").exists());
    insta::assert_snapshot!(printed, @r"
    fetch    absent/lenet.safetensors: a LeNet
             from https://a.org/models/lenet.safetensors (121.72 KiB)
             sha256 not published
             licence: MIT
    ");
    let (ok, printed) = fetch(&lab, &["lab.toml"]);
    assert!(ok && printed.contains(", no hash is published"), "{printed}");
    assert!(
        fs::read(lab.path("absent/lenet.safetensors")).unwrap() == fs::read(lab.path("lenet.safetensors")).unwrap()
    );
    assert!(lab.succeed(&["check", "lab.toml"]).starts_with("ready"));
    let (ok, printed) = fetch(&lab, &["lab.toml"]);
    assert!(ok && printed == "present  absent/lenet.safetensors: a LeNet\n", "{printed}");
}

#[test]
fn a_file_that_is_not_the_published_one_is_not_kept() {
    let lab = lab("url = \"https://a.org/models/lenet.safetensors\", sha256 = \"0123456789abcdef\"");
    let (ok, printed) = fetch(&lab, &["lab.toml"]);
    assert!(!ok && printed.contains("absent/lenet.safetensors was not obtained"), "{printed}");
    assert!(!lab.path("absent/lenet.safetensors").exists());
    fs::remove_dir_all(lab.path("mirror/a.org")).unwrap();
    let (ok, printed) = fetch(&lab, &["lab.toml"]);
    assert!(!ok && printed.contains("the mirror mirror does not hold lenet.safetensors"), "{printed}");
}

#[test]
fn an_obtain_for_no_file_is_refused() {
    let lab = lab("url = \"https://a.org/models/lenet.safetensors\"");
    let text = fs::read_to_string(lab.path("lab.toml")).unwrap();
    lab.write("lab.toml", &text.replace("key = \"weights\"", "key = \"weight\""));
    let (ok, printed) = fetch(&lab, &["lab.toml"]);
    assert!(!ok && printed.contains("the keys of its files are weights"), "{printed}");
}

#[test]
fn models_and_data_sets_have_names() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("mirror")).unwrap();
    let (ok, printed) = fetch(&lab, &["mnist", "--to", "there", "--dry-run"]);
    assert!(ok && printed.matches("fetch    there/data/mnist/").count() == 4, "{printed}");
    let (ok, printed) = fetch(&lab, &["resnet50.tv2_in1k", "--dry-run"]);
    assert!(ok && printed.contains("from https://download.pytorch.org/models/resnet50-11ad3fa6.pth"), "{printed}");
    let (ok, printed) = fetch(&lab, &["resnet5o.tv2_in1k"]);
    assert!(!ok && printed.contains("did you mean resnet50.tv2_in1k?"), "{printed}");
    // Nobody publishes a file of this content.
    lab.write("mirror/resnet18-f37072fd.pth", "not weights");
    let (ok, printed) = fetch(&lab, &["resnet18"]);
    assert!(!ok && printed.contains("the published file f37072fd; it is not used"), "{printed}");
}
