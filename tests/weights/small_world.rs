//! The small models of the repository: each must be what it is said to be, on real images that it never saw.

use std::path::Path;

use fmr::core::logits::argmax;
use fmr::experiment::{Changes, Experiment};
use fmr::{Prepared, ReadyRow, prepare, registry};
use ndarray::{Array2, ArrayView4};

/// Images looked at: enough that what is measured is within a few points of what was stated.
const IMAGES: usize = 100;
/// Largest distance of a share of [`IMAGES`] images from a stated one: four standard deviations where half are right.
const SLACK: f64 = 0.2;

/// The rows of Table 1 that run from the repository alone.
fn rows() -> Prepared {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("experiments/table1.toml");
    let changes = Changes { limit: Some(IMAGES), ..Changes::default() };
    prepare(Experiment::read(&file, &changes).unwrap(), &registry()).unwrap()
}

fn images(row: &ReadyRow) -> fmr::core::perturb::SampleBatch {
    row.samples.batch(&(0..row.samples.len()).collect::<Vec<_>>()).unwrap()
}

fn share(answers: &Array2<f32>, labels: &[usize]) -> f64 {
    let right = answers.outer_iter().zip(labels).filter(|(row, label)| argmax(row.view()) == **label).count();
    right as f64 / labels.len() as f64
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
fn classifiers_and_the_oracle_are_as_good_as_stated() {
    let prepared = rows();
    assert!(prepared.ready().count() > 0, "no row of Table 1 runs from the repository");
    for row in prepared.ready() {
        let batch = images(row);
        let found = share(&row.target.logits(batch.images.view()).unwrap(), &batch.labels);
        let wanted = stated(row, &prepared, "target", |key| key.ends_with("accuracy"));
        println!("{}: target {found:.2}, {wanted:.3} stated", row.settings.id);
        assert!((found - wanted).abs() <= SLACK, "{}: {found} instead of {wanted}", row.settings.id);

        let judged = row.oracle.judge(batch.images.view()).unwrap();
        assert!(judged.outer_iter().all(|row| (row.sum() - 1.0).abs() < 1e-4 && row.iter().all(|p| *p >= 0.0)));
        let found = share(&judged, &batch.labels);
        let wanted =
            stated(row, &prepared, "oracle", |key| key.starts_with(&row.settings.data) && key.ends_with("accuracy"));
        println!("{}: oracle {found:.2}, {wanted:.3} stated", row.settings.id);
        assert!((found - wanted).abs() <= SLACK, "{}: {found} instead of {wanted}", row.settings.id);
    }
}

/// Closer to its image than the image's own mean colour is, and still what it was to the target.
#[test]
fn reconstructions_look_like_their_images() {
    let prepared = rows();
    for row in prepared.ready() {
        let batch = images(row);
        let latents = row.generator.encode(batch.images.view(), &batch.labels).unwrap();
        let again = row.generator.decode(latents.view(), &batch.labels).unwrap().mapv(|v| v.clamp(0.0, 1.0));
        let square = |a: ArrayView4<'_, f32>, b: ArrayView4<'_, f32>| (&a - &b).mapv(|d| d * d).mean().unwrap();
        let mean = batch.images.mean().unwrap();
        let mean = batch.images.mapv(|_| mean);
        let (error, spread) = (square(again.view(), batch.images.view()), square(mean.view(), batch.images.view()));
        let found = share(&row.target.logits(again.view()).unwrap(), &batch.labels);
        println!("{}: reconstructed with mean square {error:.4} of {spread:.4}, target {found:.2}", row.settings.id);
        assert!(error < 0.25 * spread, "{}: {error} of {spread}", row.settings.id);
        let wanted = stated(row, &prepared, "target", |key| key.ends_with("accuracy"));
        assert!(found > wanted - 0.5, "{}: {found} instead of {wanted}", row.settings.id);
    }
}
