//! What moves, in which unit, and how far: units of steps, frozen blocks, projections, and PGD as a special case.

use fmr_core::perturb::{BlockSpread, Perturber, SearchSettings, Spread};
use fmr_core::verdict::{Verdict, VerdictRule, VerdictSettings};
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentBlock, LatentPullBack, Target};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Axis};

use crate::toy::{CLASSES, Curved, IMAGE, LATENT, PIXELS, Toy};

/// A generator of two blocks: the first two values, and the others.
struct Blocks {
    inner: Curved,
    spec: GeneratorSpec,
}

impl Blocks {
    fn new() -> Self {
        let inner = Curved::new();
        let block = |name: &str, len, offset| LatentBlock { name: name.into(), shape: vec![len], offset };
        let latent = vec![block("style", 2, 0), block("rest", LATENT - 2, 2)];
        Self { spec: GeneratorSpec { latent, ..inner.spec().clone() }, inner }
    }
}

impl Generator for Blocks {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
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
}

/// Latents that are the pixels.
struct Pixels(GeneratorSpec);

impl Pixels {
    fn new() -> Self {
        let latent = vec![LatentBlock { name: "pixels".into(), shape: IMAGE.to_vec(), offset: 0 }];
        Self(GeneratorSpec { name: "pixels".into(), image: IMAGE, latent })
    }
}

fn rows(images: ArrayView4<'_, f32>) -> Array2<f32> {
    Array2::from_shape_vec((images.dim().0, PIXELS), images.iter().copied().collect()).unwrap()
}

impl Generator for Pixels {
    fn spec(&self) -> &GeneratorSpec {
        &self.0
    }

    fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
        Ok(rows(images))
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Array4<f32>, ComponentError> {
        let [c, h, w] = IMAGE;
        Ok(Array4::from_shape_vec((latents.nrows(), c, h, w), latents.iter().copied().collect()).unwrap())
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        Ok((self.decode(latents, labels)?, Box::new(|gradient: ArrayView4<'_, f32>| Ok(rows(gradient)))))
    }
}

fn toy(search: &str, generator: impl Generator + 'static) -> Toy {
    let names: Vec<String> = (0..CLASSES).map(|c| format!("class {c}")).collect();
    // The oracle lets every image stand, so that every search uses up its budget.
    let all = VerdictSettings { rule: VerdictRule::Relative, share: 0.0, ..VerdictSettings::default() };
    Toy { generator: Box::new(generator), verdict: Verdict::new(all, &names), ..Toy::new(search) }
}

fn spread(deviations: [f64; 2]) -> Spread {
    let block = |name: &str, values, deviation| BlockSpread { name: name.into(), values, deviation };
    Spread { images: 9, blocks: vec![block("style", 2, deviations[0]), block("rest", LATENT - 2, deviations[1])] }
}

#[test]
fn steps_in_spreads_move_each_block_by_its_own_unit() {
    let mut toy = toy("step-unit = \"spread\"\nstep-size = 0.25\nbudget = 1", Blocks::new());
    toy.spread = Some(spread([0.5, 2.0]));
    for sample in toy.perturber().run(&toy.samples(&[0, 1, 2])).unwrap() {
        let moved = &sample.final_latent - &sample.first_latent;
        let close = |value: f32, wanted: f32| (value.abs() - wanted).abs() < 1e-6;
        assert!(
            moved.iter().take(2).all(|v| close(*v, 0.125)) && moved.iter().skip(2).all(|v| close(*v, 0.5)),
            "{moved}"
        );
        assert!((sample.record.latent_moved - 0.5).abs() < 1e-6);
        assert!((sample.record.moved_spreads.unwrap() - 0.25).abs() < 1e-6);
    }
}

#[test]
fn a_spread_of_one_changes_nothing_but_what_is_known() {
    let plain = toy("step-size = 0.05\nbudget = 6\nrule = \"adam\"", Blocks::new());
    let mut units = toy("step-size = 0.05\nbudget = 6\nrule = \"adam\"\nstep-unit = \"spread\"", Blocks::new());
    units.spread = Some(spread([1.0, 1.0]));
    let batch = plain.samples(&[0, 1, 2, 3]);
    for (a, b) in plain.perturber().run(&batch).unwrap().into_iter().zip(units.perturber().run(&batch).unwrap()) {
        assert_eq!((&a.final_latent, &a.record.steps), (&b.final_latent, &b.record.steps));
        assert_eq!((a.record.moved_spreads, b.record.moved_spreads), (None, Some(b.record.latent_moved)));
    }
}

#[test]
fn a_search_in_spreads_needs_them_and_those_of_its_own_generator() {
    let mut toy = toy("step-unit = \"spread\"", Blocks::new());
    let error = |toy: &Toy| toy.perturber().run(&toy.samples(&[0])).unwrap_err().to_string();
    assert!(error(&toy).contains("nobody says how far latents spread"));
    toy.spread = Some(Spread { blocks: spread([1.0, 1.0]).blocks[..1].to_vec(), images: 9 });
    assert!(error(&toy).contains("a different generator"));
}

#[test]
fn frozen_blocks_stay_also_in_restarts() {
    let search = "frozen-blocks = [\"style\"]\nstep-size = 0.1\nbudget = 3\nrestarts = 2\nrestart-noise = 0.5";
    let toy = toy(search, Blocks::new());
    for sample in toy.perturber().run(&toy.samples(&[0, 1, 2, 3, 4])).unwrap() {
        let moved = &sample.final_latent - &sample.first_latent;
        assert!(moved.iter().take(2).all(|v| *v == 0.0) && moved.iter().any(|v| *v != 0.0), "{moved}");
    }
    let refused = |names: &str| {
        let search: SearchSettings = toml::from_str(&format!("frozen-blocks = {names}")).unwrap();
        search.frozen(Blocks::new().spec()).unwrap_err().to_string()
    };
    assert!(refused("[\"stile\"]").contains("stile"), "{}", refused("[\"stile\"]"));
    assert!(refused("[\"style\", \"rest\"]").contains("not all"));
}

#[test]
fn no_latent_leaves_its_ball() {
    for (norm, radius) in [("linf", 0.07), ("l2", 0.12)] {
        let search = format!(
            "step-size = 0.05\nbudget = 8\nrestarts = 1\nrestart-noise = 0.4\nprojection = {{ norm = \"{norm}\", radius = {radius} }}"
        );
        let toy = toy(&search, Blocks::new());
        for sample in toy.perturber().run(&toy.samples(&[0, 1, 2, 3])).unwrap() {
            let moved = &sample.final_latent - &sample.first_latent;
            let length = match norm {
                "linf" => moved.iter().fold(0.0_f64, |most, v| most.max(f64::from(v.abs()))),
                _ => moved.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt(),
            };
            assert!(length <= radius + 1e-6 && length > 0.0, "{length} of {radius}");
        }
    }
}

/// Projected gradient descent as Madry and others describe it: x ← clip(x0 ± ε, x + α · sign(∇ loss)), within [0, 1].
fn pgd(
    target: &dyn Target,
    image: ArrayView4<'_, f32>,
    label: usize,
    [epsilon, alpha]: [f32; 2],
    steps: usize,
) -> Array4<f32> {
    let mut x = image.to_owned();
    for _ in 0..steps {
        let (logits, pull_back) = target.logits_with_pullback(x.view()).unwrap();
        // Cross-entropy: softmax less the label.
        let logits = logits.row(0);
        let most = logits.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
        let sum: f32 = logits.iter().map(|v| (v - most).exp()).sum();
        let mut gradient = Array2::from_shape_fn((1, CLASSES), |(_, k)| (logits[k] - most).exp() / sum);
        gradient[[0, label]] -= 1.0;
        let dx = pull_back(gradient.view()).unwrap();
        ndarray::Zip::from(&mut x).and(&dx).and(image).for_each(|x, d, original| {
            let step = if *d > 0.0 {
                alpha
            } else if *d < 0.0 {
                -alpha
            } else {
                0.0
            };
            let moved = (*x + step - original).clamp(-epsilon, epsilon);
            *x = (original + moved).clamp(0.0, 1.0);
        });
    }
    x
}

#[test]
fn pixels_signs_and_a_ball_are_projected_gradient_descent() {
    let search = "step-size = 0.02\nbudget = 20\nprojection = { norm = \"linf\", radius = 0.1, within = [0.0, 1.0] }";
    let toy = toy(search, Pixels::new());
    let batch = toy.samples(&(0..12).collect::<Vec<_>>());
    let perturber: Perturber<'_> = toy.perturber();
    for (i, sample) in perturber.run(&batch).unwrap().into_iter().enumerate() {
        let image = batch.images.index_axis(Axis(0), i).insert_axis(Axis(0));
        let wanted = pgd(&toy.target, image, batch.labels[i], [0.1, 0.02], 20);
        let difference = |(a, b): (&f32, &f32)| (a - b).abs();
        let worst = sample.final_image.iter().zip(&wanted).map(difference).fold(0.0, f32::max);
        assert!(worst < 1e-6, "sample {i}: {worst}");
    }
    let unknown: Result<SearchSettings, _> = toml::from_str("projection = { radius = 1.0, around = \"origin\" }");
    assert!(unknown.is_err());
}
