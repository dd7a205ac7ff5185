//! Targets and oracles against each other, from the experiment file to the printed table.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../command/support.rs"]
#[expect(dead_code, reason = "some of it serves other tests")]
mod support;

use fmr::core::logits::prediction;
use fmr::experiment::{Changes, Experiment};
use fmr::store::{JudgeRole, RunStore};
use ndarray::ArrayView1;
use support::{EXPERIMENT, Lab};

/// The laboratory with a second target: the same LeNet under a different input, so that its answers differ.
fn lab(rows: &str) -> Lab {
    let lab = Lab::new();
    let other = "[targets.dim]\nkind = \"zoo\"\nlabel = \"dim LeNet\"\nmodel = \"lenet\"\nweights = \"lenet.safetensors\"\n\
                 preprocess = { mean = [0.5, 0.5, 0.5], std = [0.9, 0.9, 0.9] }\n\n[generators.vqgan]\n";
    let (head, _) = EXPERIMENT.split_once("[[rows]]").unwrap();
    // Every image is produced, so that every target has an FMR.
    let head = head.replace("[generators.vqgan]\n", other).replace("share = 0.999", "share = 0.1");
    lab.write("lab.toml", &format!("{head}{rows}"));
    lab
}

const BOTH: &str = "[[rows]]\ndata = \"digits\"\ntarget = [\"lenet\", \"dim\"]\n";

/// A table of the printed text, without its title.
fn table(printed: &str, title: &str) -> String {
    let at = printed.find(title).unwrap_or_else(|| panic!("{title}: {printed}"));
    printed[at..].lines().skip(1).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A text in one line, without the frame of an error.
fn in_a_line(text: &str) -> String {
    text.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn targets_of_one_run_and_of_two_are_compared_alike() {
    let both = lab(BOTH);
    let report = both.succeed(&["run", "lab.toml", "--out", "run"]);
    let compared = both.succeed(&["compare", "run"]);
    let pairs = table(&compared, "Targets against each other");
    assert!(pairs.contains("lenet") && pairs.contains("dim LeNet"), "{pairs}");
    assert_eq!(table(&report, "Targets against each other"), pairs);
    assert!(compared.contains("relative") && compared.contains("probability of the rank"), "{compared}");
    assert!(both.path("run/tables/ranking.csv").is_file() && both.path("run/tables/pairs.csv").is_file());
    for (name, target) in [("one", "lenet"), ("two", "dim")] {
        let one = lab(&format!("[[rows]]\ndata = \"digits\"\ntarget = \"{target}\"\n"));
        std::fs::copy(one.path("lab.toml"), both.path("lab.toml")).unwrap();
        both.succeed(&["run", "lab.toml", "--out", name]);
    }
    let of_two = both.succeed(&["compare", "one", "two"]);
    assert_eq!(table(&of_two, "Targets against each other"), pairs);
}

#[test]
fn rows_that_cannot_be_compared_are_refused_with_the_reason() {
    let lab = lab("[[rows]]\ndata = \"digits\"\ntarget = \"lenet\"\n\n[[rows]]\ndata = \"digits\"\ntarget = \"dim\"\n\
                   search = { budget = 3 }\n");
    let report = lab.succeed(&["run", "lab.toml", "--out", "run"]);
    assert!(!report.contains("Which target is better"), "{report}");
    let refused = in_a_line(&lab.refuse(&["compare", "run"]));
    assert!(
        refused.contains("no two rows can be compared") && refused.contains("search.budget (6 and 3)"),
        "{refused}"
    );
}

#[test]
fn step_sizes_make_a_curve_with_an_area() {
    let lab = lab(
        "[[rows]]\ndata = \"digits\"\ntarget = [\"lenet\", \"dim\"]\nvary = { \"search.step-size\" = [0.01, 0.05, 0.2] }\n",
    );
    let printed = lab.succeed(&["run", "lab.toml", "--out", "run"]);
    let area = table(&printed, "Area under the curve of FMR against step size");
    assert!(area.contains("dim LeNet") && area.contains("0.01, 0.05, 0.2") && area.contains("n"), "{area}");
    // Each step size is a setting of its own.
    assert!(in_a_line(&printed).contains("digits, step size 0.05"), "{printed}");
    for name in ["fmr-step-size", "pa-step-size", "vr-step-size", "fmr-pixels", "updates-1"] {
        let svg = std::fs::read_to_string(lab.path(&format!("run/figures/{name}.svg"))).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("dim LeNet") && svg.contains("<polygon"), "{name}: {svg}");
        let png = std::fs::read(lab.path(&format!("run/figures/{name}.png"))).unwrap();
        assert!(image::load_from_memory(&png).unwrap().width() > 600, "{name}");
    }
    // The spread is not known, so that there is no figure against it.
    assert!(!lab.path("run/figures/fmr-latent.svg").exists());
    let page = std::fs::read_to_string(lab.path("run/report.html")).unwrap();
    assert!(page.contains("class=\"plot\"") && page.contains("FMR against step size"));
}

#[test]
fn images_made_for_one_target_and_shown_to_others_make_a_heat_map() {
    let lab = lab(&format!("{BOTH}\n[evaluate]\nalso = [\"lenet\", \"dim\"]\n"));
    let printed = lab.succeed(&["run", "lab.toml", "--out", "run"]);
    let matrix = table(&printed, "FMR by the target made for");
    let rows = matrix.lines().filter(|line| line.contains("LeNet") || line.contains("lenet")).count();
    assert!(rows >= 3, "{matrix}");
    let page = std::fs::read_to_string(lab.path("run/report.html")).unwrap();
    let map = &page[page.find("confusion heat").unwrap()..];
    assert_eq!(map[..map.find("</svg>").unwrap()].matches("<rect").count(), 4);
}

#[test]
fn further_oracles_judge_a_finished_run() {
    let lab = lab(BOTH);
    lab.succeed(&["run", "lab.toml", "--out", "run"]);
    // The run has an oracle of this name; the further one has a prompt of its own, and gets a name of its own.
    lab.write(
        "more.toml",
        "[oracles.clip]\nlabel = \"photos\"\nkind = \"clip\"\nweights = \"clip.safetensors\"\n\
                            templates = [\"a photo of the digit {class}\"]\n",
    );
    let printed = lab.succeed(&["transfer", "run", "--oracle", "more.toml"]);
    let oracles = in_a_line(&printed[printed.find("The images as further oracles see them").unwrap()..]);
    for part in ["photos", "images in between are not kept", "Targets under each oracle", "under photos"] {
        assert!(oracles.contains(part), "{part}: {printed}");
    }
    // The figures are those of the answers, and the run's own are what they were.
    let store = RunStore::read(&lab.path("run")).unwrap();
    let judges = store.judges().unwrap();
    let judge = judges.iter().find(|judge| judge.role == JudgeRole::Oracle && judge.name == "photos").unwrap();
    let experiment = Experiment::read(&lab.path("lab.toml"), &Changes::default()).unwrap();
    let report = fmr::report::report(&experiment, &store).unwrap();
    for (at, row) in store.plan().rows.iter().enumerate() {
        let records = store.records(&row.id).unwrap();
        let sees = |index: usize, label: usize| {
            let last = store.shown(&row.id, index).unwrap().final_image.judged;
            let answer = store.answer(judge, &row.classes, &last).unwrap().unwrap();
            prediction(ArrayView1::from(&answer)) == Some(label)
        };
        let produced = records.iter().filter(|r| r.reconstruction_accepted && r.accepted_updates > 0);
        let stands = produced.filter(|r| sees(r.index, r.label)).count();
        let cell = |row: usize, column: &str| report.grid("oracles").unwrap().cell(row, column).unwrap().number();
        assert_eq!(cell(2 * at + 1, "vr"), Some(stands as f64 / records.len() as f64));
        let own = report.grids[0].cell(at, "fmr").unwrap().number();
        assert_eq!(cell(2 * at, "fmr"), own);
    }
    // By name, from the run's own file, there is none; nor does an unknown judge pass.
    let refused = in_a_line(&lab.refuse(&["transfer", "run", "--oracle", "clib"]));
    assert!(refused.contains("clib") && refused.contains("clip"), "{refused}");
    let refused = in_a_line(&lab.refuse(&["transfer", "run", "--oracle", "lab-of-nobody.toml"]));
    assert!(refused.contains("there is no such file"), "{refused}");
}
