//! The report of a synthetic run in every form.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_experiment::World;
use insta::assert_snapshot;

use crate::toy::{masked_results, masked_run, report, run, run_of, store};
use crate::{FORMAT, Report, Results, RowState, TextOptions, write};

#[test]
fn the_printed_report() {
    let (_home, store) = store();
    let text = report(&Results::read(&store).unwrap()).to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 104), "{text}");
    assert_snapshot!(text);
}

#[test]
fn the_report_as_markdown() {
    let (_home, store) = store();
    assert_snapshot!(report(&Results::read(&store).unwrap()).to_markdown());
}

#[test]
fn the_report_as_latex() {
    let (_home, store) = store();
    assert_snapshot!(report(&Results::read(&store).unwrap()).to_latex());
}

#[test]
fn the_main_table_as_csv() {
    let (_home, store) = store();
    assert_snapshot!(report(&Results::read(&store).unwrap()).grids[0].to_csv().unwrap());
}

#[test]
fn details_are_printed_on_request() {
    let (_home, store) = store();
    let report = report(&Results::read(&store).unwrap());
    let options = TextOptions { details: true, ..TextOptions::default() };
    let text = report.to_text(&options);
    let from = text.find("Class by class").unwrap();
    assert_snapshot!(&text[from..text.find("Validity").unwrap()]);
    assert!(!report.to_string().contains("Class by class"));
}

#[test]
fn a_narrow_terminal_stacks_the_rows() {
    let (_home, store) = store();
    let report = report(&Results::read(&store).unwrap());
    for width in [40, 60, 72] {
        let text = report.to_text(&TextOptions { width, details: true });
        let long = |line: &&str| line.chars().count() > width && line.split_whitespace().count() > 2;
        assert_eq!(text.lines().find(long), None, "{width}\n{text}");
    }
    assert_snapshot!(report.to_text(&TextOptions { width: 60, details: false }));
}

#[test]
fn rows_of_several_worlds_are_told_apart() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let mut entries = run(&results).entries;
    entries[1].world = World::Other;
    assert_snapshot!(run_of(entries).caption.worlds.join("\n"));
}

#[test]
fn a_report_of_missing_rows_has_no_counts() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let entries = run(&results).entries.into_iter().filter(|entry| entry.measured.is_none()).take(1).collect();
    let report = run_of(entries).report();
    assert_snapshot!(report);
    assert!(!report.to_markdown().contains("Validity"));
}

#[test]
fn rows_that_cannot_run_or_are_unfinished_say_so() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let mut entries = run(&results).entries;
    entries[0].state = RowState::Unfinished { done: 40, of: 100 };
    entries[3].state = RowState::CannotRun { reason: "No model has this name.".to_owned() };
    let report = run_of(entries).report();
    let sentence = "Only 40 of 100 images are done so far: the figures are of these.";
    for text in [report.to_string(), report.to_markdown()] {
        assert!(text.contains(sentence) && text.contains("ImageNet · ViT: No model has this name."), "{text}");
    }
    let csv = report.grids[0].to_csv().unwrap();
    assert!(csv.contains("unfinished: 40 of 100") && csv.contains("cannot run: No model has this name."), "{csv}");
}

#[test]
fn long_names_are_stacked() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let mut entries = run(&results).entries;
    entries.remove(0);
    entries[0].data = "9-class ImageNet, balanced".to_owned();
    entries[0].model = "ResNet18, half width".to_owned();
    let text = run_of(entries).report().to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 104), "{text}");
    assert_snapshot!(text.split("\nValidity").next().unwrap());
}

/// What a report says of masks: one chosen by sparsity, with what its strength would give; one that keeps nothing.
#[test]
fn the_tables_of_masks() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let rows = masked_results(&results);
    let report = masked_run(&rows).report();
    let text = report.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 104), "{text}");
    assert_snapshot!(&text[text.find("Masks: which").unwrap()..]);
    assert_snapshot!("masks_csv", report.grid("masks").unwrap().to_csv().unwrap());
}

#[test]
fn json_is_versioned_and_read_back() {
    let (_home, store) = store();
    let report = report(&Results::read(&store).unwrap());
    let text = report.to_json().unwrap();
    assert!(text.starts_with(&format!("{{\n  \"format\": \"{FORMAT}\"")));
    assert_eq!(Report::from_json(&text).unwrap(), report);
    let other = text.replacen(FORMAT, "fmr-table/9", 1);
    assert_snapshot!(Report::from_json(&other).unwrap_err(), @r#"the JSON has the format "fmr-table/9"; this version reads "fmr-table/2""#);
    assert_snapshot!(Report::from_json("{}").unwrap_err(), @r#"the JSON has the format "none"; this version reads "fmr-table/2""#);
    assert_snapshot!("cell_json", serde_json::to_string_pretty(&report.grids[0].rows[0].cells["pa"]).unwrap());
}

#[test]
fn a_file_that_cannot_be_written_costs_no_other() {
    let (home, store) = store();
    let results = Results::read(&store).unwrap();
    let dir = home.path().join("out");
    std::fs::create_dir_all(dir.join("report.html/in-the-way")).unwrap();
    let written = write(&dir, report(&results), &results, 2);
    assert_eq!(written.problems.len(), 1, "{:?}", written.problems);
    assert!(written.problems[0].to_string().contains("report.html"));
    for name in [
        "table.txt",
        "table.md",
        "table.tex",
        "table.csv",
        "table.json",
        "tables/endings.csv",
        "sheet-cifar-resnet.png",
    ] {
        assert!(dir.join(name).is_file(), "{name}");
    }
}
