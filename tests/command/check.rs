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
    insta::assert_snapshot!(printed, @r"
    ready    digits/lenet: 10 images 3×28×28, 10 classes
    missing  digits/wide: wide.pth (a wide LeNet: train it)
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
        ("unknown key of a component", "model = \"lenet\"", "model = \"lenet\"\nwieghts = 1"),
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
fn errors_of_components_show_the_setting() {
    let lab = Lab::new();
    let cases = [
        ("model = \"lenet\"", "model = \"lenet9\"", "lab.toml:11:9: targets.lenet.model: there is no model \"lenet9\""),
        ("weights = \"vqgan.safetensors\"", "weights = \"clip.safetensors\"", "lab.toml:16:11: generator \"vqgan\""),
        ("weights = \"clip.safetensors\"", "weights = \"lab.toml\"", "lab.toml:20:11: oracle \"clip\""),
        (
            "target = \"lenet\"",
            "target = \"lenet\"\nscorer = { kind = \"crossentropy\" }",
            "did you mean `cross-entropy`?",
        ),
    ];
    for (line, instead, wanted) in cases {
        lab.write("lab.toml", &EXPERIMENT.replace(line, instead));
        let said = lab.refuse(&["check", "lab.toml"]);
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn a_folder_that_holds_a_run_is_refused_before_any_work() {
    let lab = Lab::new();
    lab.succeed(&["run", "lab.toml", "--out", "out"]);
    // Nothing is prepared: weights that are gone meanwhile are not missed.
    std::fs::remove_file(lab.path("vqgan.safetensors")).unwrap();
    let refused = lab.refuse(&["run", "lab.toml", "--out", "out"]);
    assert!(refused.contains("out already holds a run: resume it with `fmr resume out`"), "{refused}");
}

#[test]
fn a_wrong_file_begins_no_run() {
    let lab = Lab::new();
    lab.write("lab.toml", &EXPERIMENT.replace("budget = 6", "budget = 0"));
    lab.refuse(&["run", "lab.toml", "--out", "out"]);
    assert!(!lab.path("out").exists());
    lab.refuse(&["run", "absent.toml"]);
}
