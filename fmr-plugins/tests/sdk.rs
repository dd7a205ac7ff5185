//! Rust components through the border and back, inside one process: what `export!` makes, driven by the host's side.
//!
//! The valgrind test runs this file again under a memory checker.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{context, images, settings};
use fmr_core::perturb::{Perturbed, Perturber, SampleBatch, SearchSettings};
use fmr_core::registry::{MakeContext, MakeError, Settings};
use fmr_core::verdict::{Verdict, VerdictSettings};
use fmr_core::{
    ComponentError, Generator, GeneratorSpec, ImagePullBack, LatentBlock, LatentPullBack, Oracle, Outcome, Scorer,
    SettingError, Target, TargetSpec,
};
use fmr_plugins::host::{Library, Limits};
use ndarray::{Array1, Array2, Array4, ArrayView2, ArrayView4, Axis, array};

#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SquareSettings {
    scale: f32,
    /// How to misbehave.
    #[serde(default)]
    fault: String,
}

/// Logits are sums of squares of a third of the pixels each.
struct Square {
    spec: TargetSpec,
    settings: SquareSettings,
}

impl Square {
    fn new(settings: SquareSettings, context: &MakeContext<'_>) -> Result<Self, MakeError> {
        if settings.scale == 0.0 {
            return Err(SettingError::new("scale", "is 0, must be another number").into());
        }
        assert_ne!(settings.fault, "panic in create");
        assert_eq!(context.image, [3, 4, 5]);
        Ok(Self { spec: TargetSpec { name: "square".into(), classes: 3, differentiable: true }, settings })
    }
}

impl Target for Square {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let fail = |problem: &str| ComponentError::new("target \"square\"", "do sums", problem);
        match self.settings.fault.as_str() {
            "panic" => panic!("no more {}", "pixels"),
            "panic with a payload that panics" => std::panic::panic_any(Bomb),
            "error" => return Err(fail("the moon is full")),
            "dark images" => assert!(images.iter().all(|v| *v > 0.2), "too dark"),
            "shape" => return Ok(Array2::zeros((images.dim().0, 4))),
            "slow" => {
                while !fmr_plugins::call::cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Err(fail("stopped"));
            }
            "call" => {
                fmr_plugins::call::progress(1, 2);
                fmr_plugins::call::log(fmr_plugins::call::Level::Info, "hello");
                let call = (fmr_plugins::call::seed(), fmr_plugins::call::threads());
                assert_eq!(call, (7, Some(3)));
            }
            "budget" => {
                let two = NonZeroUsize::new(2);
                assert_eq!((fmr_plugins::call::threads(), fmr_core::threads::budget()), (Some(2), two));
                // What the call began with saw it too, on this thread.
                assert_eq!(BEGUN_WITH.take(), two);
            }
            _ => {}
        }
        let per_channel = images.mapv(|v| v * v).sum_axis(Axis(3)).sum_axis(Axis(2));
        Ok(per_channel * self.settings.scale)
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let (logits, images) = (self.logits(images)?, images.to_owned());
        let pull = move |cotangent: ArrayView2<'_, f32>| {
            assert_ne!(self.settings.fault, "panic in pull-back");
            Ok(images * 2.0 * self.settings.scale * cotangent.insert_axis(Axis(2)).insert_axis(Axis(3)))
        };
        Ok((logits, Box::new(pull)))
    }
}

/// A panic's payload that panics again when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("twice");
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Latents are the pixels, in two blocks.
struct Pixels(GeneratorSpec);

impl Pixels {
    fn new(_: Nothing, context: &MakeContext<'_>) -> Result<Self, SettingError> {
        let block = |name: &str, shape: Vec<usize>, offset| LatentBlock { name: name.into(), shape, offset };
        let latent = vec![block("first", vec![4, 5], 0), block("rest", vec![2, 4, 5], 20)];
        Ok(Self(GeneratorSpec { name: "pixels".into(), image: context.image, latent }))
    }
}

impl Generator for Pixels {
    fn spec(&self) -> &GeneratorSpec {
        &self.0
    }

    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let mut rows = images.to_shape((labels.len(), 60)).unwrap().into_owned();
        rows.rows_mut().into_iter().zip(labels).for_each(|(mut row, label)| row += *label as f32);
        Ok(rows)
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        let mut rows = latents.to_owned();
        rows.rows_mut().into_iter().zip(labels).for_each(|(mut row, label)| row -= *label as f32);
        Ok(rows.into_shape_with_order((labels.len(), 3, 4, 5)).unwrap())
    }

    fn finish(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Option<Array2<f32>>, ComponentError> {
        Ok(Some(latents.to_owned()))
    }

    fn quantized(&self, latents: ArrayView2<'_, f32>) -> Result<Option<Array2<f32>>, ComponentError> {
        Ok(Some(latents.mapv(|v| 0.5 * v)))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        let pull = |c: ArrayView4<'_, f32>| Ok(c.to_shape((c.dim().0, 60)).unwrap().into_owned());
        Ok((self.decode(latents, labels)?, Box::new(pull)))
    }
}

/// Always sure of the class with the longest name.
struct Longest(Vec<String>);

impl Longest {
    fn new(_: Nothing, _: &MakeContext<'_>) -> Result<Self, ComponentError> {
        Ok(Self(vec![]))
    }
}

impl Oracle for Longest {
    fn name(&self) -> &str {
        "longest"
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        assert_eq!(templates, ["an image of {class}"]);
        if names.iter().any(|n| n == "unicorn") {
            return Err(ComponentError::new(self.name(), "set classes", "does not know \"unicorn\""));
        }
        self.0 = names.to_vec();
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        let best = (0..self.0.len()).max_by_key(|i| self.0[*i].len()).unwrap();
        Ok(Array2::from_shape_fn((images.dim().0, self.0.len()), |(_, k)| f32::from(u8::from(k == best))))
    }
}

/// The true logit, lowered.
struct Lower;

impl Scorer for Lower {
    fn name(&self) -> &str {
        "lower"
    }

    fn score(
        &self,
        logits: ArrayView2<'_, f32>,
        clean: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array1<f32>, Array2<f32>), ComponentError> {
        let mut gradients = Array2::zeros(logits.dim());
        let score = |i: usize| clean[[i, labels[i]]] - logits[[i, labels[i]]];
        (0..labels.len()).for_each(|i| gradients[[i, labels[i]]] = -1.0);
        Ok(((0..labels.len()).map(score).collect(), gradients))
    }
}

thread_local! {
    static BEGUN_WITH: Cell<Option<NonZeroUsize>> = const { Cell::new(None) };
}

fn begin() {
    BEGUN_WITH.set(fmr_core::threads::budget());
}

fmr_plugins::export! {
    before: begin,
    target "square": SquareSettings => Square::new,
    generator "pixels": Nothing => Pixels::new,
    oracle "longest": Nothing => Longest::new,
    scorer "lower": Nothing => |_, _: &MakeContext<'_>| Ok::<_, SettingError>(Lower),
}

fn library() -> Arc<Library> {
    // SAFETY: the function of `export!`.
    unsafe { Library::linked("sdk", fmr_plugin_v1) }.unwrap()
}

fn make(json: &str, limits: &Limits) -> Result<Box<dyn Target>, MakeError> {
    library().target(None, &settings(json), &context(), limits)
}

fn faulty(fault: &str) -> Box<dyn Target> {
    make(&format!(r#"{{"scale": 2, "fault": "{fault}"}}"#), &Limits::default()).unwrap()
}

/// Gives the message of a target's failure at its first and at its second call.
fn failures(target: &dyn Target) -> (String, String) {
    let fail = || target.logits(images(2).view()).unwrap_err().to_string();
    (fail(), fail())
}

#[test]
fn the_library_says_what_it_holds() {
    insta::assert_snapshot!(library(), @r#"
    fmr-plugins 0.2.0 (interface 1.1)
      file    sdk
      target    square
        fault: string
        scale: number, required
      generator pixels
      oracle    longest
      scorer    lower
    "#);
}

#[test]
fn a_target_through_the_border_gives_the_same_bits() {
    let (there, here) = (faulty(""), Square::new(settings(r#"{"scale": 2}"#).parse().unwrap(), &context()).unwrap());
    assert_eq!(there.spec(), here.spec());
    for n in [1, 2, 7] {
        let x = images(n);
        assert_eq!(there.logits(x.view()).unwrap(), here.logits(x.view()).unwrap());
        let cotangent = Array2::from_shape_fn((n, 3), |(i, k)| (i + 2 * k) as f32 - 1.5);
        let pull = |t: &dyn Target| {
            let (logits, pull) = t.logits_with_pullback(x.view()).unwrap();
            (logits, pull(cotangent.view()).unwrap())
        };
        assert_eq!(pull(&*there), pull(&here));
    }
    // A view that is not laid out row by row, and an empty one.
    let x = images(4);
    let every_other = x.slice(ndarray::s![..;-2, .., .., ..]);
    assert_eq!(there.logits(every_other).unwrap(), here.logits(every_other).unwrap());
    assert_eq!(there.logits(images(0).view()).unwrap().dim(), (0, 3));
    let (logits, pull) = there.logits_with_pullback(images(0).view()).unwrap();
    assert_eq!((logits.dim(), pull(logits.view()).unwrap().dim()), ((0, 3), (0, 3, 4, 5)));
}

#[test]
fn a_generator_through_the_border_gives_the_same_bits() {
    let here = Pixels::new(Nothing {}, &context()).unwrap();
    let there = library().generator(None, &Settings::default(), &context(), &Limits::default()).unwrap();
    assert_eq!(there.spec(), here.spec());
    let (x, labels) = (images(3), [2, 0, 1]);
    let z = there.encode(x.view(), &labels).unwrap();
    assert_eq!(z, here.encode(x.view(), &labels).unwrap());
    assert_eq!(there.decode(z.view(), &labels).unwrap(), here.decode(z.view(), &labels).unwrap());
    assert_eq!(there.finish(z.view(), &labels).unwrap().as_ref(), Some(&z));
    assert_eq!(there.quantized(z.view()).unwrap(), Some(0.5 * &z));
    let (images, pull) = there.decode_with_pullback(z.view(), &labels).unwrap();
    assert_eq!(pull(images.view()).unwrap(), images.to_shape((3, 60)).unwrap());
    assert!(there.decode(z.view(), &[0]).unwrap_err().to_string().contains("1 labels for 3 samples"));
    assert!(
        there.decode(z.slice(ndarray::s![.., 1..]), &labels).unwrap_err().to_string().contains("59 values, not 60")
    );
}

#[test]
fn an_oracle_and_a_scorer_through_the_border() {
    let mut oracle = library().oracle(Some("longest"), &Settings::default(), &context(), &Limits::default()).unwrap();
    let names = |n: &[&str]| n.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let templates = names(&["an image of {class}"]);
    assert!(oracle.judge(images(1).view()).unwrap_err().to_string().contains("classes are not set"));
    let error = oracle.set_classes(&names(&["cat", "unicorn"]), &templates).unwrap_err();
    assert_eq!(error.to_string(), "oracle \"longest\" of sdk: set classes: does not know \"unicorn\"");
    oracle.set_classes(&names(&["cat", "Zebra crossing, früh", "dog"]), &templates).unwrap();
    assert_eq!(oracle.judge(images(2).view()).unwrap(), array![[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]);

    let scorer = library().scorer(None, &Settings::default(), &context(), &Limits::default()).unwrap();
    let (logits, clean) = (array![[1.0_f32, 2.0], [3.0, 5.0]], array![[0.0_f32, 0.0], [1.0, 1.0]]);
    let (scores, gradients) = scorer.score(logits.view(), clean.view(), &[1, 0]).unwrap();
    assert_eq!((scores, gradients), (array![-2.0, -2.0], array![[0.0, -1.0], [-1.0, 0.0]]));
}

#[test]
fn settings_are_refused_by_key() {
    let refused = |json: &str| make(json, &Limits::default()).err().unwrap().to_string();
    insta::assert_snapshot!(refused(r#"{"scale": 1, "sclae": 2}"#), @"sclae: is not a known key; the keys are scale, fault");
    insta::assert_snapshot!(refused("{}"), @"scale: is missing");
    insta::assert_snapshot!(refused(r#"{"scale": "x"}"#), @r#"scale: is "x", must be a number"#);
    insta::assert_snapshot!(refused(r#"{"scale": 0}"#), @"scale: is 0, must be another number");
    let panicked = refused(r#"{"scale": 1, "fault": "panic in create"}"#);
    assert!(panicked.starts_with(r#"target "square" of sdk: make it of its settings: panicked: "#), "{panicked}");
}

#[test]
fn failures_name_the_component_and_the_reason() {
    insta::assert_snapshot!(failures(&*faulty("error")).0, @r#"target "square" of sdk: do sums: the moon is full"#);
    insta::assert_snapshot!(failures(&*faulty("shape")).0, @r#"target "square" of sdk: logits of 2 images: it gave logits of shape [2, 4], but [2, 3] follows from what it says of itself and from the batch"#);
}

#[test]
fn a_panic_is_caught_and_the_component_made_anew() {
    let (first, second) = failures(&*faulty("panic"));
    assert!(first.starts_with(r#"target "square" of sdk: logits of 2 images: panicked: no more pixels ("#), "{first}");
    assert_eq!(first, second);
    let (first, _) = failures(&*faulty("panic with a payload that panics"));
    assert!(first.contains("panicked: a value that is not text ("), "{first}");

    let target = faulty("panic in pull-back");
    let (logits, pull) = target.logits_with_pullback(images(1).view()).unwrap();
    let (_, other) = target.logits_with_pullback(images(1).view()).unwrap();
    assert!(pull(logits.view()).unwrap_err().problem.starts_with("panicked: "));
    // The instance is poisoned, with what it saved; the next forward has another one.
    assert!(other(logits.view()).unwrap_err().problem.starts_with("an earlier call panicked"));
    assert_eq!(target.logits(images(1).view()).unwrap(), logits);
}

#[test]
fn the_call_carries_seed_threads_progress_and_log() {
    let limits = Limits { threads: 3, ..Limits::default() };
    make(r#"{"scale": 1, "fault": "call"}"#, &limits).unwrap().logits(images(1).view()).unwrap();
}

#[test]
fn a_call_has_the_budget_of_the_thread_that_makes_it() {
    let target = faulty("budget");
    let before = fmr_core::threads::set_budget(NonZeroUsize::new(2));
    target.logits(images(1).view()).unwrap();
    fmr_core::threads::set_budget(before);
    assert!(target.logits(images(1).view()).is_err());
}

#[test]
fn calls_stop_at_their_limit_and_when_told() {
    let limits = Limits { time: Some(Duration::from_millis(30)), ..Limits::default() };
    let slow = make(r#"{"scale": 1, "fault": "slow"}"#, &limits).unwrap();
    insta::assert_snapshot!(slow.logits(images(1).view()).unwrap_err(), @r#"target "square" of sdk: do sums: it took longer than 0.03 s and was stopped; raise `time-limit`"#);
    // A call that obeys leaves the component in order. That its time was over is a failure.
    let again = slow.logits(images(1).view()).unwrap_err();
    assert!(!again.to_string().contains("never returned") && !again.cancelled, "{again}");

    let cancel = Arc::new(AtomicBool::new(false));
    let limits = Limits { cancel: Some(Arc::clone(&cancel)), ..Limits::default() };
    let slow = make(r#"{"scale": 1, "fault": "slow"}"#, &limits).unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| slow.logits(images(1).view()).unwrap_err());
        std::thread::sleep(Duration::from_millis(20));
        cancel.store(true, Ordering::Relaxed);
        let error = call.join().unwrap();
        assert!(error.problem == "stopped" && error.cancelled, "{error}");
    });
    // What does not look is not stopped, and gives what it gives.
    let sound = make(r#"{"scale": 1}"#, &limits).unwrap();
    assert!(sound.logits(images(1).view()).is_ok());
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_told_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let base = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(b"/caf\xe9"));
    let context = context().with_base(base);
    let refused = library().target(None, &settings(r#"{"scale": 1}"#), &context, &Limits::default()).err().unwrap();
    assert!(refused.to_string().contains("which is not UTF-8"), "{refused}");
}

#[test]
fn several_threads_share_a_component() {
    let target = faulty("");
    let alone = target.logits(images(5).view()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let (logits, pull) = target.logits_with_pullback(images(5).view()).unwrap();
                    assert_eq!(logits, alone);
                    pull(logits.view()).unwrap();
                }
            });
        }
    });
}

/// Perturbs four samples; the oracle sees the second class, always.
fn perturb(target: &dyn Target, images: Array4<f32>) -> Vec<Perturbed> {
    let generator = library().generator(None, &Settings::default(), &context(), &Limits::default()).unwrap();
    let mut oracle = library().oracle(None, &Settings::default(), &context(), &Limits::default()).unwrap();
    let classes = ["a", "long", "b"].map(str::to_owned);
    oracle.set_classes(&classes, &["an image of {class}".to_owned()]).unwrap();
    let scorer = library().scorer(None, &Settings::default(), &context(), &Limits::default()).unwrap();
    let verdict = Verdict::new(VerdictSettings::default(), &classes);
    let search = SearchSettings { budget: 3, ..SearchSettings::default() };
    let batch = SampleBatch {
        images,
        pictures: Vec::new(),
        labels: vec![1; 4],
        indices: (0..4).collect(),
        keys: (0..4).map(|i| i.to_string()).collect(),
        seeds: vec![0; 4],
    };
    let perturber = Perturber {
        generator: &*generator,
        oracle: &*oracle,
        target,
        scorer: &*scorer,
        search: &search,
        verdict: &verdict,
        classes: 3,
        mask: None,
        spread: None,
        observer: &(),
        cache: None,
    };
    perturber.run(&batch).unwrap()
}

#[test]
fn a_panic_on_one_sample_costs_that_sample_alone() {
    let mut x = images(4).mapv(|v| 0.5 + 0.3 * v);
    x[[2, 0, 0, 0]] = 0.0;
    let (sound, faulty) = (perturb(&*faulty(""), x.clone()), perturb(&*faulty("dark images"), x));
    for i in [0, 1, 3] {
        assert_eq!(faulty[i].record, sound[i].record);
        assert_eq!(faulty[i].final_image, sound[i].final_image);
        assert_ne!(faulty[i].final_image, faulty[i].original);
    }
    assert_eq!(faulty[2].record.outcome, Outcome::ComponentFailed);
    assert!(faulty[2].record.error.as_ref().unwrap().contains("panicked: too dark"));
}
