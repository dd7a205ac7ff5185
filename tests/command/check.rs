//! What `fmr check` says of wrong experiment files.

use crate::support::{EXPERIMENT, Lab};

#[test]
fn a_sound_file_passes_and_rows_with_missing_files_are_named() {
    let lab = Lab::new();
    let text = format!(
        "{EXPERIMENT}\n[targets.wide]\nkind = \"zoo\"\nmodel = \"lenet\"\nweights = \"wide.pth\"\n\
         obtain = {{ what = \"a wide LeNet\", get = \"train it\" }}\n[[rows]]\ntarget = \"wide\"\n"
    );
    lab.write("lab.toml", &text);
    let printed = lab.succeed(&["check", "lab.toml"]);
    insta::assert_snapshot!(printed.replace(&*lab.path("").to_string_lossy(), "LAB/"), @r"
    ready    digits/lenet: 10 images 3×28×28, 10 classes
    missing  digits/wide: LAB/wide.pth
    ");
}

#[test]
fn errors_show_the_line_and_what_would_be_right() {
    let lab = Lab::new();
    let cases = [
        ("unknown key", "step-size = 0.05", "step-sise = 0.05"),
        ("wrong type", "budget = 6", "budget = \"six\""),
        ("budget of 0", "budget = 6", "budget = 0"),
        ("no TOML", "budget = 6", "budget ="),
        ("missing file", "weights = \"lenet.safetensors\"", "weights = \"lenett.safetensors\""),
        ("unknown kind", "kind = \"vqgan\"", "kind = \"vqgn\""),
        ("unknown model", "model = \"lenet\"", "model = \"lenet9\""),
        ("unknown key of a component", "model = \"lenet\"", "model = \"lenet\"\nwieghts = 1"),
        ("weights of another model", "weights = \"vqgan.safetensors\"", "weights = \"clip.safetensors\""),
        ("damaged data", "images = \"images.gz\"", "images = \"labels.gz\""),
        ("classes that are too many", "limit = 10", "limit = 10\nclasses = [\"0\", \"1\"]"),
        ("class names that are too few", "limit = 10", "limit = 10\nclass-names = [\"zero\"]"),
        ("template without a class", "kind = \"clip\"", "kind = \"clip\"\ntemplates = [\"an image\"]"),
        ("unknown target", "target = \"lenet\"", "target = \"lent\""),
        ("unknown device", "batch = 2", "batch = 2\ndevice = \"abacus\""),
    ];
    let mut said = String::new();
    for (what, line, instead) in cases {
        assert!(EXPERIMENT.contains(line), "{line}");
        lab.write("lab.toml", &EXPERIMENT.replace(line, instead));
        said += &format!("# {what}\n{}\n", lab.refuse(&["check", "lab.toml"]));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_wrong_file_begins_no_run() {
    let lab = Lab::new();
    lab.write("lab.toml", &EXPERIMENT.replace("budget = 6", "budget = 0"));
    lab.refuse(&["run", "lab.toml", "--out", "out"]);
    assert!(!lab.path("out").exists());
    lab.refuse(&["run", "absent.toml"]);
}
