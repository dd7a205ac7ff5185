//! The small models of the repository: each must be what it is said to be, on real images that it never saw. Everything is
//! deterministic, so the figures are whole numbers and exact.

use std::fmt::Write as _;
use std::path::Path;

use fmr::core::logits::argmax;
use fmr::experiment::{Changes, Experiment};
use fmr::{Prepared, ReadyRow, prepare, registry};
use ndarray::{Array2, ArrayView4};

/// Images of each data set that are looked at.
const IMAGES: usize = 100;
/// Largest distance of a share of [`IMAGES`] images from the one that a recipe states of all of them: four standard
/// deviations of a share of nine in ten.
const SLACK: f64 = 0.12;

/// The rows of Table 1 that run from the repository alone.
fn rows() -> Prepared {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("experiments/table1.toml");
    let changes = Changes { limit: Some(IMAGES), ..Changes::default() };
    prepare(Experiment::read(&file, &changes).unwrap(), &registry()).unwrap()
}

/// Those that the paper has figures for. The others differ in their step size alone.
fn of_the_paper(prepared: &Prepared) -> impl Iterator<Item = &ReadyRow> {
    prepared.ready().filter(|row| row.settings.paper.is_some())
}

fn images(row: &ReadyRow) -> fmr::core::perturb::SampleBatch {
    row.samples.batch(&(0..row.samples.len()).collect::<Vec<_>>()).unwrap()
}

fn right(answers: &Array2<f32>, labels: &[usize]) -> usize {
    answers.outer_iter().zip(labels).filter(|(row, label)| argmax(row.view()) == **label).count()
}

/// What the recipe of the model that `role` names measured.
fn stated(row: &ReadyRow, prepared: &Prepared, role: &str, key: impl Fn(&str) -> bool) -> f64 {
    let e = &prepared.experiment;
    let table = match role {
        "target" => &e.targets[&row.settings.target],
        _ => &e.oracles[&row.settings.oracle],
    };
    let weights = e.base.join(table.settings.0["weights"].as_str().unwrap());
    let text = std::fs::read_to_string(weights.with_extension("json")).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
    let found = facts["quality"].as_object().unwrap().iter().find(|(name, _)| key(name));
    found.unwrap_or_else(|| panic!("{} states no such quality", weights.display())).1.as_f64().unwrap()
}

#[test]
fn models_are_right_on_as_many_images_as_they_were() {
    let prepared = rows();
    let mut counts = String::new();
    for row in of_the_paper(&prepared) {
        let batch = images(row);
        let of = |answers: &Array2<f32>| right(answers, &batch.labels);
        let target = of(&row.target.logits_of_pictures(&batch.pictures).unwrap().unwrap());
        let oracle = of(&row.oracle.judge_pictures(&batch.pictures).unwrap().unwrap());
        let latents = row.generator.encode(batch.images.view(), &batch.labels).unwrap();
        let again = row.generator.decode(latents.view(), &batch.labels).unwrap().mapv(|v| v.clamp(0.0, 1.0));
        let rebuilt = of(&row.target.logits(again.view()).unwrap());
        let judged = of(&row.oracle.judge(again.view()).unwrap());
        let name = &row.settings.id;
        writeln!(counts, "{name}: originals {target} {oracle}, reconstructions {rebuilt} {judged}").unwrap();

        let accuracy = |key: &str| key.ends_with("accuracy");
        let of_data = |key: &str| key.starts_with(&row.settings.data) && accuracy(key);
        let wanted = [stated(row, &prepared, "target", accuracy), stated(row, &prepared, "oracle", of_data)];
        for (found, wanted) in [target, oracle].map(|n| n as f64 / IMAGES as f64).into_iter().zip(wanted) {
            assert!((found - wanted).abs() <= SLACK, "{name}: {found} instead of the {wanted} that its recipe states");
        }
    }
    // Of 100 images, right: the target, the oracle.
    insta::assert_snapshot!(counts, @r"
    mnist/lenet: originals 100 100, reconstructions 100 100
    cifar10/resnet18-cifar: originals 91 88, reconstructions 88 83
    ");
}

/// A reconstruction is closer to its image than the image's own mean colour is.
#[test]
fn reconstructions_look_like_their_images() {
    let prepared = rows();
    for row in of_the_paper(&prepared) {
        let batch = images(row);
        let latents = row.generator.encode(batch.images.view(), &batch.labels).unwrap();
        let again = row.generator.decode(latents.view(), &batch.labels).unwrap().mapv(|v| v.clamp(0.0, 1.0));
        let square = |a: ArrayView4<'_, f32>, b: ArrayView4<'_, f32>| (&a - &b).mapv(|d| d * d).mean().unwrap();
        let mean = batch.images.mean().unwrap();
        let mean = batch.images.mapv(|_| mean);
        let (error, spread) = (square(again.view(), batch.images.view()), square(mean.view(), batch.images.view()));
        println!("{}: reconstructed with mean square {error:.4} of {spread:.4}", row.settings.id);
        assert!(error < 0.1 * spread, "{}: {error} of {spread}", row.settings.id);
    }
}
