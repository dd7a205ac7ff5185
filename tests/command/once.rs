//! What does not depend on the target is asked once, and what takes long is seen and can be stopped.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fmr::core::preprocess::Picture;
use fmr::core::registry::{MakeContext, Registry, Settings};
use fmr::core::{ComponentError, Generator, GeneratorSpec, ImageHash, LatentPullBack, Oracle, Progress, Working};
use fmr::experiment::{Changes, Experiment};
use fmr::{Error, Events, Interrupt, Runner, prepare, prepare_until, registry};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4};

use crate::support::{EXPERIMENT, Lab};

/// How often each image was asked about.
type Calls = Arc<Mutex<BTreeMap<String, usize>>>;

fn count(calls: &Calls, names: impl IntoIterator<Item = String>) {
    let mut calls = calls.lock().unwrap();
    names.into_iter().for_each(|name| *calls.entry(name).or_default() += 1);
}

fn hashes(images: ArrayView4<'_, f32>) -> impl Iterator<Item = String> {
    images.outer_iter().map(|image| ImageHash::of(image).to_string()).collect::<Vec<_>>().into_iter()
}

/// The laboratory's generator, which counts what it encodes and takes as many steps for it as it is told.
struct Counting {
    inner: Box<dyn Generator>,
    calls: Calls,
    progress: Progress,
    steps: usize,
}

impl Generator for Counting {
    fn spec(&self) -> &GeneratorSpec {
        self.inner.spec()
    }

    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let task = self.progress.begin("generator \"slow\"", "invert an image", self.steps);
        for step in 0..self.steps {
            task.reached(step)?;
            std::thread::sleep(Duration::from_millis(10));
        }
        count(&self.calls, hashes(images));
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

/// The laboratory's oracle, which counts the originals and images that it judges.
struct Judging {
    inner: Box<dyn Oracle>,
    originals: Calls,
    images: Calls,
}

impl Oracle for Judging {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn set_classes(&mut self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        self.inner.set_classes(names, templates)
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        count(&self.images, hashes(images));
        self.inner.judge(images)
    }

    fn judge_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        let scores = self.inner.judge_pictures(pictures)?;
        if scores.is_some() {
            count(&self.originals, pictures.iter().map(|picture| format!("{picture:?}")));
        }
        Ok(scores)
    }
}

/// Calls of the laboratory's generator and oracle.
#[derive(Default)]
struct Counted {
    encoded: Calls,
    originals: Calls,
    images: Calls,
}

impl Counted {
    /// A registry whose `vqgan` and `clip` count. Encoding takes this many steps of 10 ms.
    fn registry(&self, steps: usize) -> Registry {
        let mut all = registry();
        let encoded = Arc::clone(&self.encoded);
        all.add_generator("counting", move |settings: &Settings, context: &MakeContext<'_>| {
            let inner = context.registry.make::<dyn Generator>("vqgan", settings, context)?;
            let (calls, progress) = (Arc::clone(&encoded), context.progress.clone());
            Ok(Box::new(Counting { inner, calls, progress, steps }))
        });
        let (originals, images) = (Arc::clone(&self.originals), Arc::clone(&self.images));
        all.add_oracle("counting", move |settings: &Settings, context: &MakeContext<'_>| {
            let inner = context.registry.make::<dyn Oracle>("clip", settings, context)?;
            Ok(Box::new(Judging { inner, originals: Arc::clone(&originals), images: Arc::clone(&images) }))
        });
        all
    }
}

/// The laboratory's experiment with that many targets, generator and oracle counting.
fn experiment(lab: &Lab, targets: usize) -> Experiment {
    let table =
        |n| format!("[targets.lenet-{n}]\nkind = \"zoo\"\nmodel = \"lenet\"\nweights = \"lenet.safetensors\"\n");
    let names: Vec<String> = (0..targets).map(|n| format!("\"lenet-{n}\"")).collect();
    let text = EXPERIMENT
        .replace("[targets.lenet]\nkind = \"zoo\"\nmodel = \"lenet\"\nweights = \"lenet.safetensors\"\n", "")
        .replace("kind = \"vqgan\"", "kind = \"counting\"")
        .replace("kind = \"clip\"", "kind = \"counting\"")
        .replace("target = \"lenet\"", &format!("target = [{}]", names.join(", ")));
    // The check that results repeat asks everybody again.
    let text = text.replace("[run]\n", "[run]\nrepeat = 0\n");
    lab.write("lab.toml", &(text + &(0..targets).map(table).collect::<String>()));
    Experiment::read(&lab.path("lab.toml"), &Changes::default()).unwrap()
}

#[test]
fn seven_targets_encode_and_judge_each_original_once() {
    let (lab, counted) = (Lab::new(), Counted::default());
    let prepared = prepare(experiment(&lab, 7), &counted.registry(0)).unwrap();
    let run = Runner::default().run(&prepared, Some(&lab.path("run"))).unwrap();
    let rows = &run.store.plan().rows;
    assert_eq!(rows.len(), 7);
    let once = |calls: &Calls| calls.lock().unwrap().values().copied().collect::<Vec<_>>();
    assert_eq!(once(&counted.encoded), [1; 10]);
    assert_eq!(once(&counted.originals), [1; 10]);
    // Equal targets search alike: of each, the oracle sees the images after the reconstruction anew.
    let images = counted.images.lock().unwrap();
    for index in 0..10 {
        let reconstruction = run.store.shown(&rows[0].id, index).unwrap().reconstruction.judged.to_string();
        assert_eq!(images.get(&reconstruction), Some(&1), "the reconstruction of sample {index}");
    }
    assert!(images.values().any(|calls| *calls == 7), "searches are not shared");
}

/// What a run told about work under way; asks it to stop once it has told something.
#[derive(Default)]
struct Listener {
    interrupt: Interrupt,
    told: RefCell<Vec<Working>>,
}

impl Events for Listener {
    fn working(&self, working: &[Working]) {
        self.told.borrow_mut().extend_from_slice(working);
        self.interrupt.ask();
    }
}

#[test]
fn an_inversion_that_takes_long_is_told_and_stops_when_it_is_asked_to() {
    let (lab, counted) = (Lab::new(), Counted::default());
    let listener = Listener::default();
    let interrupt = listener.interrupt.clone();
    // Ten minutes, were it not stopped.
    let prepared = prepare_until(experiment(&lab, 1), &counted.registry(60_000), &interrupt).unwrap();
    let runner = Runner { interrupt, events: &listener, ..Runner::default() };
    let ended = runner.run(&prepared, Some(&lab.path("run")));
    assert!(matches!(ended, Err(Error::Interrupted { .. })), "{:?}", ended.err());
    let told = listener.told.borrow();
    assert_eq!((told[0].component.as_str(), told[0].what.as_str()), ("generator \"slow\"", "invert an image"));
    assert!(told[0].of == 60_000 && told[0].done < 60_000);
    assert!(counted.encoded.lock().unwrap().is_empty());
    assert!(prepared.progress.now().is_empty());
}
