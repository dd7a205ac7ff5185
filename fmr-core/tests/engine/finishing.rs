//! Generators that make something else of the latents that searches end with.

use fmr_core::perturb::Perturbed;
use fmr_core::{
    ComponentError, Generator, GeneratorSpec, LatentPullBack, Oracle as _, Outcome, Target as _, logits::argmax,
};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Axis};

use super::toy::{Curved, Toy};

/// [`Curved`], whose final latents are rounded to multiples of `grid`.
struct Rounded {
    inner: Curved,
    grid: f32,
    /// A latent value above which rounding fails.
    fails_above: f32,
}

impl Rounded {
    fn to(grid: f32) -> Self {
        Self { inner: Curved::new(), grid, fails_above: f32::INFINITY }
    }
}

impl Generator for Rounded {
    fn spec(&self) -> &GeneratorSpec {
        self.inner.spec()
    }

    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        self.inner.encode(images, labels)
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        self.inner.decode(latents, labels)
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        self.inner.decode_with_pullback(latents, labels)
    }

    fn finish(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Option<Array2<f32>>, ComponentError> {
        if latents.iter().any(|v| *v > self.fails_above) {
            return Err(ComponentError::new("generator \"rounded\"", "finish latents", "a latent is too large"));
        }
        Ok(Some(latents.mapv(|v| (v / self.grid).round() * self.grid)))
    }
}

const SEARCH: &str = "budget = 6\nstep-size = 0.05";

fn run(toy: &Toy) -> Vec<Perturbed> {
    toy.perturber().run(&toy.samples(&(0..40).collect::<Vec<_>>())).unwrap()
}

fn rounded(grid: f32) -> Toy {
    Toy { generator: Box::new(Rounded::to(grid)), ..Toy::new(SEARCH) }
}

#[test]
fn finished_images_are_judged_and_recorded_anew() {
    let (plain, toy) = (run(&Toy::new(SEARCH)), rounded(0.5));
    let mut counts = [0; 3];
    for (before, after) in plain.iter().zip(run(&toy)) {
        let (a, b) = (&before.record, &after.record);
        assert_eq!(
            (&a.steps, a.outcome, a.ended_at, a.latent_moved),
            (&b.steps, b.outcome, b.ended_at, b.latent_moved)
        );
        counts[b.finished.map_or(2, usize::from)] += 1;
        if b.finished != Some(true) {
            assert_eq!(b.finished.is_none(), b.outcome == Outcome::ReconstructionRejected);
            assert_eq!((&before.final_image, &before.final_latent), (&after.final_image, &after.final_latent));
            continue;
        }
        let wanted = before.final_latent.mapv(|v| (v / 0.5).round() * 0.5);
        assert_eq!(after.final_latent, wanted);
        let image = toy.generator.decode(wanted.view().insert_axis(Axis(0)), &[0]).unwrap();
        assert_eq!(after.final_image, image.index_axis(Axis(0), 0));
        let logits = toy.target.logits(image.view()).unwrap();
        assert_eq!(after.final_logits(), logits.row(0));
        assert_eq!(b.final_prediction, Some(argmax(logits.row(0))));
        assert_eq!(b.final_oracle, Some(argmax(toy.oracle.judge(image.view()).unwrap().row(0))));
        assert_eq!(b.final_oracle, Some(b.label));
    }
    assert!(counts.iter().all(|n| *n > 0), "refused, accepted, not finished: {counts:?}");
}

#[test]
fn finishing_does_not_depend_on_the_batch() {
    let toy = rounded(0.5);
    for (i, together) in run(&toy).into_iter().enumerate() {
        let alone = toy.perturber().run(&toy.samples(&[i])).unwrap().remove(0);
        assert_eq!((alone.record, alone.final_image), (together.record, together.final_image));
    }
}

#[test]
fn what_cannot_be_finished_fails_alone_and_keeps_its_steps() {
    let generator = |grid, fails_above| Box::new(Rounded { fails_above, ..Rounded::to(grid) });
    let plain = run(&Toy::new(SEARCH));
    for (generator, what, outcome) in [
        (generator(0.5, 1.0), "a latent is too large", Outcome::ComponentFailed),
        (generator(0.0, f32::INFINITY), "latent after finishing", Outcome::Failed),
    ] {
        let found = run(&Toy { generator, ..Toy::new(SEARCH) });
        let failed: Vec<_> = found.iter().zip(&plain).filter(|(f, _)| f.record.outcome == outcome).collect();
        assert!(!failed.is_empty());
        for (found, plain) in failed {
            assert!(found.record.error.as_ref().unwrap().contains(what), "{:?}", found.record.error);
            assert_eq!((&found.record.steps, &found.final_image), (&plain.record.steps, &plain.final_image));
        }
    }
}
