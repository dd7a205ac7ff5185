//! A sample carries everything that target and oracle said about its three images.

use fmr_core::perturb::{Answer, Perturbed};
use fmr_core::{Oracle, Outcome, Target};
use ndarray::{Array3, Axis};

use super::toy::{Curved, Toy};

fn run(toy: &Toy) -> Vec<Perturbed> {
    toy.perturber().run(&toy.samples(&(0..40).collect::<Vec<_>>())).unwrap()
}

/// What the toy's components say about an image.
fn asked(toy: &Toy, image: &Array3<f32>) -> Answer {
    let image = image.view().insert_axis(Axis(0));
    let (logits, oracle) = (toy.target.logits(image).unwrap(), toy.oracle.judge(image).unwrap());
    Answer { logits: logits.row(0).to_owned(), oracle: oracle.row(0).to_owned() }
}

#[test]
fn answers_are_those_about_the_images_that_are_handed_over() {
    for search in [
        "budget = 12\nstep-size = 0.1",
        "budget = 12\nstep-size = 0.1\nselect = \"max-score\"\nrestarts = 2\nrestart-noise = 0.2",
        "budget = 8\nstep-size = 0.1\nstart = { kind = \"fgsm\", epsilon = 0.1 }",
        "budget = 0",
    ] {
        let toy = Toy::new(search);
        let found = run(&toy);
        assert!(found.iter().any(|one| one.record.outcome == Outcome::ReconstructionRejected));
        for one in &found {
            assert_eq!(one.answers.original, asked(&toy, &one.original), "{search}");
            assert_eq!(one.answers.reconstruction, asked(&toy, &one.reconstruction), "{search}");
            assert_eq!(one.answers.final_image, asked(&toy, &one.final_image), "{search}");
        }
    }
}

#[test]
fn after_a_failure_before_the_search_there_are_no_answers() {
    let toy = Toy { generator: Box::new(Curved::failing_above(1.2)), ..Toy::new("budget = 3\nstep-size = 0.05") };
    let found = run(&toy);
    let failed: Vec<_> = found.iter().filter(|one| one.record.component_failed() && one.record.ended_at == 0).collect();
    assert!(!failed.is_empty());
    for one in failed {
        assert_eq!(one.answers, fmr_core::perturb::Answers::default());
        assert!(one.final_logits().is_empty());
    }
}
