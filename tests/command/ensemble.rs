//! An ensemble as the oracle of an experiment: its members' answers are kept and reported.

use fmr::Runner;
use fmr::store::RunStore;

use crate::support::{EXPERIMENT, Lab, records};

/// The laboratory with two CLIPs of different prompts that judge together.
fn lab(rule: &str) -> Lab {
    let lab = Lab::new();
    let one = "[oracles.clip]\nkind = \"clip\"\nweights = \"clip.safetensors\"\n";
    let two = format!(
        "[oracles.panel]\nkind = \"ensemble\"\nrule = \"{rule}\"\n\n\
         [[oracles.panel.members]]\nkind = \"clip\"\nlabel = \"an image\"\nweights = \"clip.safetensors\"\n\n\
         [[oracles.panel.members]]\nkind = \"clip\"\nlabel = \"digit\"\nweights = \"clip.safetensors\"\n\
         templates = [\"the digit {{class}}, by hand\"]\n"
    );
    let text = EXPERIMENT.replace(one, &two);
    assert_ne!(text, EXPERIMENT);
    lab.write("lab.toml", &text);
    lab
}

#[test]
fn members_judge_every_image_of_a_run() {
    let lab = lab("mean");
    let prepared = lab.prepare(&[]);
    let run = Runner::default().run(&prepared, Some(&lab.path("run"))).unwrap();
    let row = prepared.ready().next().unwrap();
    let members = row.oracle.members();
    assert_eq!(members.iter().map(|(label, _)| *label).collect::<Vec<_>>(), ["an image", "digit"]);
    for record in run.store.records(&row.plan.id).unwrap() {
        let shown = run.store.shown(&row.plan.id, record.index).unwrap();
        let last = if record.final_from.is_some() { &shown.final_image } else { &shown.original };
        for image in [&shown.original, &shown.reconstruction, last] {
            let answers: Vec<Vec<f32>> = members
                .iter()
                .enumerate()
                .map(|(place, (label, _))| {
                    let judge = row.plan.member(place, label);
                    run.store.answer(&judge, &row.plan.classes, &image.judged).unwrap().unwrap()
                })
                .collect();
            assert_ne!(answers[0], answers[1], "the prompts differ");
            for (class, p) in image.answer.oracle.iter().enumerate() {
                assert!((p - (answers[0][class] + answers[1][class]) / 2.0).abs() < 1e-6);
            }
        }
    }
    drop(run);
    let printed = lab.succeed(&["report", "run"]);
    let at = printed.find("The images as further oracles see them").unwrap_or_else(|| panic!("{printed}"));
    assert!(printed[at..].contains("an image") && printed[at..].contains("digit"), "{printed}");
}

#[test]
fn a_run_of_an_ensemble_resumes_to_the_same_answers() {
    let (whole, parts) = (lab("majority"), lab("majority"));
    whole.succeed(&["run", "lab.toml", "--out", "run"]);
    // A run that was killed before its first batch.
    let plan = RunStore::read(&whole.path("run")).unwrap().plan().clone();
    drop(RunStore::create(&parts.path("run"), &plan).unwrap());
    parts.succeed(&["resume", "run"]);
    assert_eq!(records(&whole.path("run")), records(&parts.path("run")));
    let judged = |lab: &Lab| lab.succeed(&["report", "run", "--print"]).replace(&*lab.path("").to_string_lossy(), "");
    let table = |text: String| text[text.find("The images as further oracles see them").unwrap()..].to_owned();
    let cut = |text: String| text.lines().take(8).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cut(table(judged(&whole))), cut(table(judged(&parts))));
}

#[test]
fn a_member_that_is_wrong_is_named_with_its_place() {
    let lab = lab("mean");
    let text = std::fs::read_to_string(lab.path("lab.toml")).unwrap();
    lab.write(
        "lab.toml",
        &text.replacen("kind = \"clip\"\nlabel = \"digit\"", "kind = \"clap\"\nlabel = \"digit\"", 1),
    );
    let refused = lab.refuse(&["check", "lab.toml"]);
    assert!(refused.contains("clap"), "{refused}");
    lab.write(
        "lab.toml",
        &text.replacen(
            "label = \"digit\"\nweights = \"clip.safetensors\"",
            "label = \"digit\"\nweights = \"gone.safetensors\"",
            1,
        ),
    );
    let refused = lab.refuse(&["check", "lab.toml"]);
    assert!(refused.contains("lab.toml:30:11: there is no file") && refused.contains("gone.safetensors"), "{refused}");
}
