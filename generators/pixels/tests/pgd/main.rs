//! Search in pixels beside torchattacks: the same images after the same steps. `make.py` wrote the fixture.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_core::perturb::{Perturber, SampleBatch, SearchSettings};
use fmr_core::registry::{MakeContext, Registry, Settings};
use fmr_core::verdict::{Verdict, VerdictRule, VerdictSettings};
use fmr_core::{ComponentError, Generator, ImagePullBack, Oracle, Scorer, Target, TargetSpec, scorer};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    shape: [usize; 4],
    epsilon: f64,
    alpha: f64,
    l2_epsilon: f64,
    l2_alpha: f64,
    steps: usize,
    conv_weight: Vec<f32>,
    conv_bias: Vec<f32>,
    head_weight: Vec<f32>,
    head_bias: Vec<f32>,
    images: Vec<f32>,
    labels: Vec<usize>,
    aims: Vec<usize>,
    logits: Vec<f32>,
    linf: Vec<Vec<f32>>,
    l2: Vec<Vec<f32>>,
    targeted: Vec<Vec<f32>>,
}

/// The network of `make.py`: convolution, tanh, mean over places, linear layer.
struct Small<'f> {
    fixture: &'f Fixture,
    spec: TargetSpec,
}

impl<'f> Small<'f> {
    fn new(fixture: &'f Fixture) -> Self {
        let spec = TargetSpec { name: "small".to_owned(), classes: fixture.head_bias.len(), differentiable: true };
        Self { fixture, spec }
    }

    /// Each tap of the convolution at a place: positions in the image and in the kernel.
    fn taps(&self, y: usize, x: usize) -> impl Iterator<Item = (usize, usize)> {
        let [_, c, h, w] = self.fixture.shape;
        (0..c).flat_map(move |k| {
            (0..9).filter_map(move |tap| {
                let (dy, dx) = (y + tap / 3, x + tap % 3);
                // Beyond the border there are zeros.
                let inside = (1..=h).contains(&dy) && (1..=w).contains(&dx);
                inside.then(|| ((k * h + dy - 1) * w + dx - 1, k * 9 + tap))
            })
        })
    }

    /// tanh of the convolution `[width, h · w]` of one image.
    fn features(&self, image: &[f32]) -> Vec<Vec<f64>> {
        let [_, c, h, w] = self.fixture.shape;
        let f = self.fixture;
        let at = |m: usize, i: usize| {
            let sum = |(from, tap): (usize, usize)| f64::from(image[from]) * f64::from(f.conv_weight[m * c * 9 + tap]);
            (f64::from(f.conv_bias[m]) + self.taps(i / w, i % w).map(sum).sum::<f64>()).tanh()
        };
        (0..f.conv_bias.len()).map(|m| (0..h * w).map(|i| at(m, i)).collect()).collect()
    }

    fn rows(images: ArrayView4<'_, f32>) -> Vec<Vec<f32>> {
        images.outer_iter().map(|image| image.iter().copied().collect()).collect()
    }
}

impl Target for Small<'_> {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let f = self.fixture;
        let (n, classes, width) = (images.dim().0, self.spec.classes, f.conv_bias.len());
        let mut logits = Array2::zeros((n, classes));
        for (mut row, image) in logits.outer_iter_mut().zip(Self::rows(images)) {
            let features = self.features(&image);
            let mean = |m: usize| features[m].iter().sum::<f64>() / features[m].len() as f64;
            row.iter_mut().enumerate().for_each(|(k, logit)| {
                let sum: f64 = (0..width).map(|m| f64::from(f.head_weight[k * width + m]) * mean(m)).sum();
                *logit = (sum + f64::from(f.head_bias[k])) as f32;
            });
        }
        Ok(logits)
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let (logits, shape, rows) = (self.logits(images)?, images.raw_dim(), Self::rows(images));
        let pull_back: ImagePullBack<'a> = Box::new(move |d_logits: ArrayView2<'_, f32>| {
            let f = self.fixture;
            let [_, c, _, w] = f.shape;
            let (classes, width) = (self.spec.classes, f.conv_bias.len());
            let mut out = Vec::new();
            for (image, d) in rows.iter().zip(d_logits.outer_iter()) {
                let mut gradient = vec![0.0_f64; image.len()];
                for (m, features) in self.features(image).iter().enumerate() {
                    let slope = |k: usize| f64::from(d[k]) * f64::from(f.head_weight[k * width + m]);
                    let slope = (0..classes).map(slope).sum::<f64>() / features.len() as f64;
                    for (i, value) in features.iter().enumerate() {
                        let slope = slope * (1.0 - value * value);
                        for (from, tap) in self.taps(i / w, i % w) {
                            gradient[from] += slope * f64::from(f.conv_weight[m * c * 9 + tap]);
                        }
                    }
                }
                out.extend(gradient.into_iter().map(|v| v as f32));
            }
            Ok(Array4::from_shape_vec(shape, out).unwrap())
        });
        Ok((logits, pull_back))
    }
}

/// Has no say: the verdict lets every image stand.
struct Silent(usize);

impl Oracle for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    fn set_classes(&mut self, _: &[String], _: &[String]) -> Result<(), ComponentError> {
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        Ok(Array2::from_elem((images.dim().0, self.0), 1.0 / self.0 as f32))
    }
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("images.json")).unwrap()
}

/// Largest difference from the wanted images after each number of steps.
fn worst(fixture: &Fixture, search: &str, scorer: &dyn Fn(usize) -> Box<dyn Scorer>, wanted: &[Vec<f32>]) -> f32 {
    let mut registry = Registry::default();
    fmr_pixels::register(&mut registry);
    let [n, c, h, w] = fixture.shape;
    let context = MakeContext::new(&registry, [c, h, w]);
    let pixels = registry.make::<dyn Generator>("pixels", &Settings::default(), &context).unwrap();
    let target = Small::new(fixture);
    let oracle = Silent(target.spec.classes);
    let names: Vec<String> = (0..target.spec.classes).map(|k| k.to_string()).collect();
    let all = VerdictSettings { rule: VerdictRule::Relative, share: 0.0, ..VerdictSettings::default() };
    let verdict = Verdict::new(all, &names);
    let images = Array4::from_shape_vec((n, c, h, w), fixture.images.clone()).unwrap();
    let mut worst = 0.0_f32;
    for (i, image) in images.outer_iter().enumerate() {
        let scorer = scorer(i);
        for steps in 1..=fixture.steps {
            let search: SearchSettings = toml::from_str(&format!("budget = {steps}\n{search}")).unwrap();
            let perturber = Perturber {
                generator: &*pixels,
                oracle: &oracle,
                target: &target,
                scorer: &*scorer,
                search: &search,
                verdict: &verdict,
                classes: names.len(),
                mask: None,
                spread: None,
                observer: &(),
                cache: None,
            };
            let batch = SampleBatch {
                images: image.to_owned().insert_axis(ndarray::Axis(0)),
                pictures: Vec::new(),
                labels: vec![fixture.labels[i]],
                indices: vec![i],
                keys: vec![i.to_string()],
                seeds: vec![0],
            };
            let sample = perturber.run(&batch).unwrap().remove(0);
            assert_eq!(sample.record.accepted_updates, steps);
            let of_image = c * h * w;
            let wanted = &wanted[steps - 1][i * of_image..(i + 1) * of_image];
            let differences = sample.final_image.iter().zip(wanted).map(|(a, b)| (a - b).abs());
            worst = differences.fold(worst, f32::max);
        }
    }
    worst
}

fn cross_entropy(_: usize) -> Box<dyn Scorer> {
    Box::new(scorer::CrossEntropy)
}

fn linf(f: &Fixture) -> String {
    format!("step-size = {}\nprojection = {{ norm = \"linf\", radius = {}, within = [0.0, 1.0] }}", f.alpha, f.epsilon)
}

#[test]
fn the_network_is_that_of_the_fixture() {
    let f = fixture();
    let [n, c, h, w] = f.shape;
    let images = Array4::from_shape_vec((n, c, h, w), f.images.clone()).unwrap();
    let logits = Small::new(&f).logits(images.view()).unwrap();
    assert!(logits.iter().zip(&f.logits).all(|(a, b)| (a - b).abs() < 1e-6), "{logits:?} {:?}", f.logits);
}

#[test]
fn signs_in_a_ball_are_pgd() {
    let f = fixture();
    let worst = worst(&f, &linf(&f), &cross_entropy, &f.linf);
    assert!(worst < 1e-6, "{worst}");
}

#[test]
fn a_targeted_scorer_is_targeted_pgd() {
    let f = fixture();
    let aims = f.aims.clone();
    let targeted = move |i: usize| -> Box<dyn Scorer> {
        Box::new(scorer::Targeted { class: scorer::TargetClass::Index(aims[i]) })
    };
    let worst = worst(&f, &linf(&f), &targeted, &f.targeted);
    assert!(worst < 1e-6, "{worst}");
}

#[test]
fn gradients_of_length_one_in_a_euclidean_ball_are_pgd_l2() {
    let f = fixture();
    let search = format!(
        "rule = \"normalized\"\nstep-size = {}\nprojection = {{ norm = \"l2\", radius = {}, within = [0.0, 1.0] }}",
        f.l2_alpha, f.l2_epsilon
    );
    let worst = worst(&f, &search, &cross_entropy, &f.l2);
    assert!(worst < 1e-6, "{worst}");
}
