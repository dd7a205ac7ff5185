//! Algorithm 1: the engine itself against every iterate of the traces.

use std::sync::Mutex;

use fmr_core::logits::argmax;
use fmr_core::metrics::{MetricsSettings, Produced, Reading, Summary};
use fmr_core::perturb::{
    Clamp, Observer, Perturbed, Perturber, SampleBatch, SearchSettings, Start, StartKind, StartSaOn, StepView,
};
use fmr_core::scorer::{ScorerKind, ScorerSettings, TargetClass};
use fmr_core::verdict::{Verdict, VerdictSettings};
use fmr_core::{SampleRecord, Target};
use ndarray::{Array4, ArrayView1, Axis};
use serde_json::{Map, Value};

use super::cases::Case;
use super::tally::Tally;
use super::world::{AffineClassifier, AffineGenerator, Fault, FirstEncode, Sample, World, WorldFile};

/// One step as the observer saw it, in double precision.
struct Step {
    t: usize,
    latent_before: Vec<f64>,
    score: f64,
    gradient: Vec<f64>,
    attempt: Option<Attempt>,
}

struct Attempt {
    update: Vec<f64>,
    latent: Vec<f64>,
    image: Vec<f64>,
    oracle: Vec<f64>,
    logits: Vec<f64>,
    accepted: bool,
}

fn wide(row: ArrayView1<'_, f32>) -> Vec<f64> {
    row.iter().map(|v| f64::from(*v)).collect()
}

/// Keeps all steps of the one sample that is perturbed.
#[derive(Default)]
struct Keep(Mutex<Vec<Step>>);

impl Observer for Keep {
    fn step(&self, view: &StepView<'_>) {
        let attempt = view.attempt.as_ref().map(|a| Attempt {
            update: wide(a.update),
            latent: wide(a.latent),
            image: a.image.iter().map(|v| f64::from(*v)).collect(),
            oracle: wide(a.oracle),
            logits: wide(a.logits),
            accepted: a.accepted,
        });
        let step = Step {
            t: view.t,
            latent_before: wide(view.latent_before),
            score: f64::from(view.score),
            gradient: wide(view.gradient),
            attempt,
        };
        self.0.lock().unwrap().push(step);
    }
}

/// Settings of a trace.
struct Settings {
    search: SearchSettings,
    scorer: ScorerKind,
    mask: Option<Vec<f32>>,
    faults: Vec<Fault>,
}

impl Settings {
    /// The words of the traces are the experiment file's, with underscores.
    fn read(settings: &Map<String, Value>) -> Self {
        let mut search = Map::new();
        let (mut scorer, mut mask, mut faults, mut epsilon) = (ScorerKind::default(), None, Vec::new(), 0.0);
        for (key, value) in settings {
            let value = value.clone();
            match key.as_str() {
                "scorer" => scorer = serde_json::from_value(value).unwrap(),
                "mask" => mask = serde_json::from_value(value).unwrap(),
                "faults" => faults = serde_json::from_value(value).unwrap(),
                "fgsm_epsilon" => epsilon = value.as_f64().unwrap(),
                // An unknown key is refused by the search's own reading.
                _ => drop(search.insert(key.replace('_', "-"), value)),
            }
        }
        let mut search: SearchSettings = serde_json::from_value(Value::Object(search)).unwrap();
        search.clamp = Clamp::None;
        if epsilon != 0.0 {
            search.start = Start { kind: StartKind::Fgsm, epsilon, sa_on: StartSaOn::Original, ..Start::default() };
        }
        Self { search, scorer, mask, faults }
    }
}

/// Runs the engine on some samples.
fn run(
    world: &World,
    settings: &Settings,
    samples: &[&Sample],
    observer: &dyn Observer,
) -> (Vec<Perturbed>, FirstEncode) {
    let faults = settings.faults.iter().filter(|f| samples.iter().any(|s| s.id == f.sample)).cloned().collect();
    let generator = AffineGenerator::new(world, faults);
    let (target, oracle) = (AffineClassifier::target(world), AffineClassifier::oracle(world));
    let aim = samples[0].target_class.map_or(TargetClass::SecondBest, TargetClass::Index);
    let scorer = ScorerSettings { kind: settings.scorer, target: aim }.build();
    let verdict = Verdict::new(VerdictSettings::default(), &world.classes);
    let perturber = Perturber {
        generator: &generator,
        oracle: &oracle,
        target: &target,
        scorer: scorer.as_ref(),
        search: &settings.search,
        verdict: &verdict,
        classes: world.classes.len(),
        mask: settings.mask.as_deref(),
        spread: None,
        observer,
        cache: None,
    };
    let [c, h, w] = world.image_shape;
    let pixels = samples.iter().flat_map(|s| s.image.iter().copied()).collect();
    let batch = SampleBatch {
        images: Array4::from_shape_vec((samples.len(), c, h, w), pixels).unwrap(),
        pictures: Vec::new(),
        labels: samples.iter().map(|s| s.label).collect(),
        indices: samples.iter().map(|s| s.id).collect(),
        keys: samples.iter().map(|s| s.id.to_string()).collect(),
        seeds: samples.iter().map(|s| s.id as u64).collect(),
    };
    let perturbed = perturber.run(&batch).unwrap();
    (perturbed, generator.into_first())
}

/// Compares all traces of a case.
pub(crate) fn compare(case: &Case, tally: &mut Tally) {
    let WorldFile { world, samples } = serde_json::from_value(case.json("world.json")).unwrap();
    let description = case.description();
    let listed = |key: &str| {
        let names = description.get(key).and_then(toml::Value::as_array).into_iter().flatten();
        names.map(|t| t.as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    let (traces, exact) = (listed("traces"), listed("exact_in_float32"));
    let there: Vec<String> =
        case.stems(".json").iter().filter_map(|n| n.strip_prefix("trace_")).map(str::to_owned).collect();
    for name in traces.iter().filter(|t| !there.contains(t)) {
        tally.holds(&format!("trace_{name}.json is there"), false);
    }
    for name in &there {
        let trace = case.json(&format!("trace_{name}.json"));
        for key in trace.as_object().unwrap().keys() {
            if !["settings", "metrics", "second_target_metrics", "results"].contains(&key.as_str()) {
                tally.not_understood(&format!("{name}: {key}"));
            }
        }
        compare_trace(name, &world, &samples, &trace, exact.contains(name), tally);
    }
}

fn compare_trace(name: &str, world: &World, samples: &[Sample], trace: &Value, exact: bool, tally: &mut Tally) {
    let settings = Settings::read(trace["settings"].as_object().unwrap());
    let second = AffineClassifier::second_target(world);
    let mut seen = Vec::new();
    for expected in trace["results"].as_array().unwrap() {
        let id = expected["sample"].as_u64().unwrap() as usize;
        let sample = samples.iter().find(|s| s.id == id).unwrap();
        let steps = Keep::default();
        let (mut perturbed, first) = run(world, &settings, &[sample], &steps);
        let one = perturbed.remove(0);
        let steps = steps.0.into_inner().unwrap();
        let classes = [&one.original, &one.final_image].map(|image| {
            let image = image.view().insert_axis(Axis(0));
            argmax(second.logits(image).unwrap().row(0))
        });
        seen.push((expected, Seen { world, settings: &settings, sample, one, first, steps, second: classes, exact }));
    }
    let records: Vec<SampleRecord> = seen.iter().map(|(_, s)| s.one.record.clone()).collect();
    for (expected, one) in &seen {
        one.compare(&format!("{name}, sample {}", one.sample.id), expected, &records, tally);
    }
    for (rule, expected) in trace["metrics"].as_object().unwrap() {
        compare_metrics(&format!("{name}, {rule}"), rule, &records, &world.classes, expected, tally);
    }
    if let Some(expected) = trace.get("second_target_metrics") {
        let shown = |(_, s): &(&Value, Seen<'_>)| SampleRecord {
            clean_prediction: Some(s.second[0]),
            final_prediction: Some(s.second[1]),
            ..s.one.record.clone()
        };
        let shown: Vec<SampleRecord> = seen.iter().map(shown).collect();
        compare_metrics(&format!("{name}, bystander"), "first_step", &shown, &world.classes, expected, tally);
    }
    if settings.faults.is_empty() {
        let alone: Vec<&Perturbed> = seen.iter().map(|(_, s)| &s.one).collect();
        compare_batches(name, world, &settings, samples, &alone, tally);
    }
}

/// One sample's outcome, as the engine gave it.
struct Seen<'a> {
    world: &'a World,
    settings: &'a Settings,
    sample: &'a Sample,
    one: Perturbed,
    first: FirstEncode,
    steps: Vec<Step>,
    /// The bystander's classes of original and final image.
    second: [usize; 2],
    /// Whether updates, latents, images and oracle scores hold only numbers that `f32` holds exactly.
    exact: bool,
}

impl Seen<'_> {
    fn compare(&self, at: &str, expected: &Value, run: &[SampleRecord], tally: &mut Tally) {
        let record = &self.one.record;
        let target = AffineClassifier::target(self.world);
        let oracle = AffineClassifier::oracle(self.world);
        let image = |image: &ndarray::Array3<f32>| image.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let logits = |of: &AffineClassifier, image: &ndarray::Array3<f32>| {
            wide(of.logits(image.view().insert_axis(Axis(0))).unwrap().row(0))
        };
        for (key, wanted) in expected.as_object().unwrap() {
            let what = format!("{at}: {key}");
            let index = |tally: &mut Tally, ours: Option<usize>| tally.same(&what, &Value::from(ours), wanted);
            match key.as_str() {
                "sample" => index(tally, Some(record.index)),
                "clean_logits" => tally.list(&what, logits(&target, &self.one.original), wanted),
                "clean_prediction" => index(tally, record.clean_prediction),
                "clean_oracle" => index(tally, record.clean_oracle),
                "start_image" => tally.list(&what, self.first.images.iter().map(|v| f64::from(*v)), wanted),
                "start_prediction" => index(tally, self.start_prediction()),
                "latent0" => self.list(&what, wide(self.first.latents.row(0)), wanted, tally),
                "image0" => self.list(&what, image(&self.one.reconstruction), wanted, tally),
                "oracle0" => tally.list(&what, logits(&oracle, &self.one.reconstruction), wanted),
                "accepted0" => tally.same(&what, &Value::from(record.reconstruction_accepted), wanted),
                "logits0" => tally.list(&what, logits(&target, &self.one.reconstruction), wanted),
                "prediction0" => index(tally, record.reconstruction_prediction),
                "score0" => tally.value(&what, Some(record.score0), wanted),
                "steps" => self.compare_steps(at, wanted, tally),
                "outcome" => tally.same(&what, &serde_json::to_value(record.outcome).unwrap(), wanted),
                "ended_at" => index(tally, Some(record.ended_at)),
                "accepted_updates" => index(tally, Some(record.accepted_updates)),
                "final_from" => {
                    let ours = record.final_from.map_or(Value::from("original"), Value::from);
                    tally.same(&what, &ours, wanted);
                }
                "final_image" => self.list(&what, image(&self.one.final_image), wanted, tally),
                "final_logits" => tally.list(&what, wide(self.one.final_logits()), wanted),
                "final_prediction" => index(tally, record.final_prediction),
                "second_target" => {
                    for (name, ours) in ["clean", "final"].into_iter().zip(self.second) {
                        tally.same(&format!("{what}.{name}"), &Value::from(ours), &wanted[name]);
                    }
                }
                "produced" => {
                    for (rule, wanted) in wanted.as_object().unwrap() {
                        let settings = metrics_settings(rule);
                        let reading = Reading::new(&settings, run);
                        tally.same(&format!("{what}.{rule}"), &Value::from(reading.produced(record)), wanted);
                    }
                }
                _ => tally.not_understood(&format!("results: {key}")),
            }
        }
    }

    /// The target's class on the image that the search starts from, which a run with the other reading of SA gives.
    fn start_prediction(&self) -> Option<usize> {
        let mut search = self.settings.search.clone();
        search.start.sa_on = StartSaOn::Start;
        let settings = Settings {
            search,
            scorer: self.settings.scorer,
            mask: self.settings.mask.clone(),
            faults: self.settings.faults.clone(),
        };
        run(self.world, &settings, &[self.sample], &()).0[0].record.clean_prediction
    }

    /// Updates, latents, images and oracle scores: exact where the case says so.
    fn list(&self, what: &str, ours: Vec<f64>, wanted: &Value, tally: &mut Tally) {
        if self.exact {
            tally.same(what, &Value::from(ours), &wanted.as_array().unwrap().iter().map(|v| v.as_f64()).collect());
        } else {
            tally.list(what, ours, wanted);
        }
    }

    fn compare_steps(&self, at: &str, expected: &Value, tally: &mut Tally) {
        let (steps, records) = (&self.steps, &self.one.record.steps);
        let expected = expected.as_array().unwrap();
        tally.same(&format!("{at}: number of steps"), &steps.len(), &expected.len());
        tally.same(&format!("{at}: number of recorded steps"), &records.len(), &expected.len());
        for ((step, record), expected) in steps.iter().zip(records).zip(expected) {
            let at = format!("{at}, step {}", step.t);
            let tried = expected.get("latent").is_some();
            tally.same(&format!("{at}: attempted"), &step.attempt.is_some(), &tried);
            for (key, wanted) in expected.as_object().unwrap() {
                let what = format!("{at}: {key}");
                let class = |ours: Option<usize>| ours.map_or(Value::Null, Value::from);
                match (key.as_str(), &step.attempt) {
                    ("t", _) => {
                        tally.same(&what, &Value::from(step.t), wanted);
                        tally.same(&what, &Value::from(record.t), wanted);
                    }
                    ("latent_before", _) => self.list(&what, step.latent_before.clone(), wanted, tally),
                    ("score", _) => {
                        tally.value(&what, Some(step.score), wanted);
                        tally.value(&what, Some(record.score), wanted);
                    }
                    ("gradient", _) => {
                        tally.list(&what, step.gradient.iter().copied(), wanted);
                        let norm = wanted.as_array().unwrap().iter().map(|v| v.as_f64().map(|v| v * v));
                        let norm = norm.sum::<Option<f64>>().map_or(Value::Null, |s| Value::from(s.sqrt()));
                        let ours = Some(record.gradient_norm).filter(|n| n.is_finite());
                        tally.value(&format!("{at}: norm of gradient"), ours, &norm);
                    }
                    ("fault", _) => {}
                    ("update", Some(a)) => self.list(&what, a.update.clone(), wanted, tally),
                    ("latent", Some(a)) => self.list(&what, a.latent.clone(), wanted, tally),
                    ("image", Some(a)) => self.list(&what, a.image.clone(), wanted, tally),
                    ("oracle", Some(a)) => {
                        self.list(&what, a.oracle.clone(), wanted, tally);
                        let ours = record.oracle_true.map(f64::from);
                        tally.value(&format!("{at}: oracle_true"), ours, &wanted[self.sample.label]);
                    }
                    ("oracle_class", Some(_)) => tally.same(&what, &class(record.oracle_class), wanted),
                    ("accepted", Some(a)) => {
                        tally.same(&what, &Value::from(a.accepted), wanted);
                        tally.same(&what, &Value::from(record.accepted), wanted);
                    }
                    ("logits", Some(a)) => tally.list(&what, a.logits.iter().copied(), wanted),
                    ("prediction", Some(_)) => tally.same(&what, &class(record.prediction), wanted),
                    (_, None) => {}
                    (_, Some(_)) => tally.not_understood(&format!("steps: {key}")),
                }
            }
        }
    }
}

fn metrics_settings(rule: &str) -> MetricsSettings {
    let produced: Produced = serde_json::from_value(Value::from(rule.replace('_', "-"))).unwrap();
    MetricsSettings { produced, ..MetricsSettings::default() }
}

fn compare_metrics(
    at: &str,
    rule: &str,
    records: &[SampleRecord],
    classes: &[String],
    expected: &Value,
    tally: &mut Tally,
) {
    let figures = Summary::of(records, classes, &metrics_settings(rule)).overall;
    let counts = serde_json::to_value(figures.counts).unwrap();
    for (key, wanted) in expected.as_object().unwrap() {
        let what = format!("{at}: {key}");
        match key.as_str() {
            "sa" => tally.value(&what, figures.sa.value, wanted),
            "vr" => tally.value(&what, figures.vr.value, wanted),
            "pa" => tally.value(&what, figures.pa.value, wanted),
            "fmr" => tally.value(&what, figures.fmr.value, wanted),
            _ => match counts.get(key.replace('_', "-")) {
                Some(ours) => tally.same(&what, ours, wanted),
                None => tally.not_understood(&format!("metrics: {key}")),
            },
        }
    }
    tally.same(&format!("{at}: endings"), &figures.endings.total(), &records.len());
}

/// All samples together, and in uneven batches, must give bit for bit what each alone gives.
fn compare_batches(
    name: &str,
    world: &World,
    settings: &Settings,
    samples: &[Sample],
    alone: &[&Perturbed],
    tally: &mut Tally,
) {
    let mut groups: Vec<Vec<&Sample>> = Vec::new();
    for sample in samples.iter().filter(|s| alone.iter().any(|p| p.record.index == s.id)) {
        let fits =
            |g: &&mut Vec<&Sample>| settings.scorer != ScorerKind::Targeted || g[0].target_class == sample.target_class;
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(sample),
            None => groups.push(vec![sample]),
        }
    }
    for group in groups {
        for size in [group.len(), group.len().div_ceil(3)] {
            for batch in group.chunks(size) {
                for together in run(world, settings, batch, &()).0 {
                    let id = together.record.index;
                    let alone = alone.iter().find(|p| p.record.index == id).unwrap();
                    let what = format!("{name}, sample {id} in a batch of {size}");
                    tally.same(&what, &together.record, &alone.record);
                    tally.same(&what, &together.final_image, &alone.final_image);
                    tally.same(&what, &together.final_latent, &alone.final_latent);
                }
            }
        }
    }
}
