//! With a cache, what does not depend on the target is asked for once, and no result changes by a bit.

use std::sync::atomic::{AtomicUsize, Ordering};

use fmr_core::perturb::{
    AnswerCache, CacheKey, CacheUse, MemoryCache, Perturbed, Perturber, SampleBatch, StartKind, TargetFree,
};
use fmr_core::{ComponentError, Generator, GeneratorSpec, LatentPullBack, Oracle, Outcome, Target};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Axis};

use super::determinism::{bits, toys};
use super::toy::{Curved, Network, Toy, opaque};

const SAMPLES: usize = 30;
const ROOM: usize = 1 << 20;

/// Images that components were asked about.
#[derive(Default)]
struct Calls {
    encoded: AtomicUsize,
    decoded: AtomicUsize,
    judged: AtomicUsize,
}

impl Calls {
    fn take(&self) -> [usize; 3] {
        [&self.encoded, &self.decoded, &self.judged].map(|count| count.swap(0, Ordering::Relaxed))
    }
}

/// Counts what a generator is asked, and gives slightly different images where it `drifts`.
struct CountingGenerator<'a> {
    inner: &'a dyn Generator,
    calls: &'a Calls,
    drifts: bool,
}

impl CountingGenerator<'_> {
    fn drift(&self, images: Array4<f32>) -> Array4<f32> {
        if self.drifts { images.mapv(|v| v * (1.0 - f32::EPSILON)) } else { images }
    }
}

impl Generator for CountingGenerator<'_> {
    fn spec(&self) -> &GeneratorSpec {
        self.inner.spec()
    }

    fn encode(&self, images: ArrayView4<'_, f32>, labels: &[usize]) -> Result<Array2<f32>, ComponentError> {
        self.calls.encoded.fetch_add(labels.len(), Ordering::Relaxed);
        self.inner.encode(images, labels)
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, labels: &[usize]) -> Result<Array4<f32>, ComponentError> {
        self.calls.decoded.fetch_add(labels.len(), Ordering::Relaxed);
        Ok(self.drift(self.inner.decode(latents, labels)?))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        self.calls.decoded.fetch_add(labels.len(), Ordering::Relaxed);
        let (images, back) = self.inner.decode_with_pullback(latents, labels)?;
        Ok((self.drift(images), back))
    }
}

/// Counts what an oracle is asked, and fails where it sees a pixel above a limit.
struct CountingOracle<'a> {
    inner: &'a Network,
    calls: &'a Calls,
    fails_above: f32,
}

impl Oracle for CountingOracle<'_> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn set_classes(&mut self, _: &[String], _: &[String]) -> Result<(), ComponentError> {
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        if images.iter().any(|v| *v > self.fails_above) {
            return Err(ComponentError::new("oracle", "judge images", "it is dazzled"));
        }
        self.calls.judged.fetch_add(images.len_of(Axis(0)), Ordering::Relaxed);
        self.inner.judge(images)
    }
}

/// How a toy is run.
#[derive(Clone, Copy)]
struct How<'a> {
    cache: Option<&'a dyn AnswerCache>,
    target: Option<&'a dyn Target>,
    drifts: bool,
    fails_above: f32,
    batch: usize,
}

const PLAIN: How<'static> = How { cache: None, target: None, drifts: false, fails_above: f32::INFINITY, batch: 7 };

/// What comes of the samples, and the images that were encoded, decoded and judged.
fn run(toy: &Toy, samples: &[usize], how: How<'_>) -> (Vec<Perturbed>, [usize; 3]) {
    let calls = Calls::default();
    let generator = CountingGenerator { inner: toy.generator.as_ref(), calls: &calls, drifts: how.drifts };
    let oracle = CountingOracle { inner: &toy.oracle, calls: &calls, fails_above: how.fails_above };
    let plain = toy.perturber();
    let perturber = Perturber {
        generator: &generator,
        oracle: &oracle,
        target: how.target.unwrap_or(plain.target),
        cache: how.cache,
        ..plain
    };
    let batches: Vec<SampleBatch> = samples.chunks(how.batch).map(|part| toy.samples(part)).collect();
    let found = batches.iter().flat_map(|batch| perturber.run(batch).unwrap()).collect();
    (found, calls.take())
}

fn all() -> Vec<usize> {
    (0..SAMPLES).collect()
}

fn same(a: &[Perturbed], b: &[Perturbed]) -> bool {
    a.iter().map(bits).eq(b.iter().map(bits))
}

fn used(found: &[Perturbed], used: CacheUse) -> usize {
    found.iter().filter(|one| one.cached == used).count()
}

#[test]
fn two_targets_encode_and_judge_each_original_once() {
    let toy = Toy::new("budget = 5\nstep-size = 0.05");
    let cache = MemoryCache::new(ROOM);
    let second = Network::new(31);
    let cached = How { cache: Some(&cache), ..PLAIN };

    let (plain, without) = run(&toy, &all(), PLAIN);
    let (first, filling) = run(&toy, &all(), cached);
    assert!(same(&first, &plain));
    assert_eq!(filling, without, "an empty cache asks as none does");
    assert_eq!((cache.len(), used(&first, CacheUse::Unknown)), (SAMPLES, SAMPLES));

    let (plain, without) = run(&toy, &all(), How { target: Some(&second), ..PLAIN });
    let (other, reusing) = run(&toy, &all(), How { target: Some(&second), ..cached });
    assert!(same(&other, &plain));
    // Nothing is encoded; originals and reconstructions are not judged again; the gradient needs the decodes.
    assert_eq!(reusing, [0, without[1], without[2] - 2 * SAMPLES]);
    assert_eq!(used(&other, CacheUse::Known), SAMPLES);
}

#[test]
fn every_search_gives_the_same_with_a_cache_that_any_search_filled() {
    let fill = |cache: &MemoryCache, search: &str| {
        run(&Toy::new(search), &all(), How { cache: Some(cache), batch: 11, ..PLAIN });
    };
    for (name, toy) in toys() {
        let (plain, without) = run(&toy, &all(), PLAIN);
        let cache = MemoryCache::new(ROOM);
        // Filled by a search without updates, with the settings that the scope of a cache includes.
        let domain = if name.starts_with("bytes") { "budget = 0\nimage-domain = \"uint8\"" } else { "budget = 0" };
        fill(&cache, domain);
        for batch in [1, 7, SAMPLES] {
            let (found, with) = run(&toy, &all(), How { cache: Some(&cache), batch, ..PLAIN });
            assert!(same(&found, &plain), "{name}, batches of {batch}");
            assert!(with[2] < without[2], "{name}: {with:?} of {without:?}");
        }
    }
}

#[test]
fn of_a_half_cached_batch_only_the_rest_is_asked_about() {
    let toy = Toy::new("budget = 4\nstep-size = 0.05");
    let cache = MemoryCache::new(ROOM);
    let half: Vec<usize> = all().into_iter().filter(|i| i % 2 == 1).collect();
    let how = How { cache: Some(&cache), batch: SAMPLES, ..PLAIN };
    run(&toy, &half, how);
    let (plain, without) = run(&toy, &all(), PLAIN);
    let (found, with) = run(&toy, &all(), how);
    assert!(same(&found, &plain));
    assert_eq!(with, [SAMPLES - half.len(), without[1], without[2] - 2 * half.len()]);
    assert_eq!((used(&found, CacheUse::Known), cache.len()), (half.len(), SAMPLES));
}

#[test]
fn without_an_update_nothing_is_decoded_again() {
    let toy = Toy::new("budget = 0");
    let cache = MemoryCache::new(ROOM);
    let how = How { cache: Some(&cache), ..PLAIN };
    let (plain, without) = run(&toy, &all(), how);
    assert_eq!(without, [SAMPLES, SAMPLES, 2 * SAMPLES]);
    let (found, with) = run(&toy, &all(), how);
    assert!(same(&found, &plain));
    assert_eq!(with, [0, 0, 0]);
    // Half of a batch is decoded where half is not known.
    let more: Vec<usize> = (SAMPLES / 2..SAMPLES / 2 + SAMPLES).collect();
    let (found, with) = run(&toy, &more, How { batch: SAMPLES, ..how });
    assert!(same(&found, &run(&toy, &more, PLAIN).0));
    assert_eq!(with, [SAMPLES / 2, SAMPLES / 2, SAMPLES]);
    // A target without a gradient needs no pull-back at the reconstruction either.
    let (toy, target) = (Toy::new("budget = 1\nestimator = { samples = 1 }"), opaque(11));
    let how = How { target: Some(&target), ..how };
    let (plain, without) = run(&toy, &all(), How { cache: None, ..how });
    let (found, with) = run(&toy, &all(), how);
    assert!(same(&found, &plain));
    assert_eq!(with, [0, without[1] - SAMPLES, without[2] - 2 * SAMPLES]);
}

#[test]
fn an_early_exit_on_the_reconstruction_is_the_same_from_the_cache() {
    let toy = Toy::new("budget = 6\nstep-size = 0.1\nearly-exit = \"misclassified-from-start\"");
    let cache = MemoryCache::new(ROOM);
    let how = How { cache: Some(&cache), ..PLAIN };
    let (plain, without) = run(&toy, &all(), how);
    assert!(plain.iter().any(|one| (one.record.outcome, one.record.ended_at) == (Outcome::EarlyExit, 0)));
    let (found, with) = run(&toy, &all(), how);
    assert!(same(&found, &plain));
    assert_eq!(with, [0, without[1], without[2] - 2 * SAMPLES]);
}

#[test]
fn an_fgsm_start_shares_the_oracle_s_answers_on_originals_alone() {
    let toy = Toy::new("budget = 3\nstep-size = 0.05\nstart = { kind = \"fgsm\", epsilon = 0.05 }");
    assert_eq!(toy.search.start.kind, StartKind::Fgsm);
    let cache = MemoryCache::new(ROOM);
    let how = How { cache: Some(&cache), ..PLAIN };
    let (plain, without) = run(&toy, &all(), PLAIN);
    let (found, with) = run(&toy, &all(), how);
    assert!(same(&found, &plain) && with == without);
    assert!(cache.is_empty(), "moved images are no originals");
    run(&Toy::new("budget = 0"), &all(), how);
    let (found, with) = run(&toy, &all(), how);
    assert!(same(&found, &plain));
    assert_eq!(with, [without[0], without[1], without[2] - SAMPLES]);
}

#[test]
fn samples_that_a_component_failed_on_are_not_kept() {
    let toy = Toy::new("budget = 3\nstep-size = 0.05");
    let cache = MemoryCache::new(ROOM);
    let dazzled = How { fails_above: 0.985, ..PLAIN };
    let (plain, _) = run(&toy, &all(), dazzled);
    let (found, _) = run(&toy, &all(), How { cache: Some(&cache), ..dazzled });
    assert!(same(&found, &plain));
    let early = found.iter().filter(|one| one.record.component_failed() && one.record.ended_at == 0).count();
    assert!(early > 0 && early < SAMPLES, "{early}");
    assert_eq!(cache.len(), SAMPLES - early);
    for one in &found {
        let kept = cache.get(&CacheKey::of(one.original.view(), one.record.label)).unwrap();
        assert_eq!(kept.is_none(), one.record.component_failed() && one.record.ended_at == 0);
    }
    // Mended, the oracle is asked about those alone.
    let (plain, _) = run(&toy, &all(), PLAIN);
    let (found, with) = run(&toy, &all(), How { cache: Some(&cache), ..PLAIN });
    assert!(same(&found, &plain));
    assert_eq!((with[0], cache.len()), (early, SAMPLES));
}

#[test]
fn numbers_that_are_not_finite_are_not_kept() {
    let toy = Toy { generator: Box::new(Curved::new()), ..Toy::new("budget = 0") };
    let cache = MemoryCache::new(ROOM);
    let mut batch = toy.samples(&[0, 1, 2]);
    batch.images[[1, 0, 0, 0]] = f32::NAN;
    let found = Perturber { cache: Some(&cache), ..toy.perturber() }.run(&batch).unwrap();
    assert_eq!((found[1].record.outcome, cache.len()), (Outcome::Failed, 2));
}

#[test]
fn a_reconstruction_that_changes_is_judged_again_and_told() {
    let toy = Toy::new("budget = 4\nstep-size = 0.05");
    let cache = MemoryCache::new(ROOM);
    let how = How { cache: Some(&cache), ..PLAIN };
    run(&toy, &all(), how);
    let (plain, without) = run(&toy, &all(), How { drifts: true, ..PLAIN });
    let (found, with) = run(&toy, &all(), How { drifts: true, ..how });
    assert!(same(&found, &plain));
    assert_eq!(with, [0, without[1], without[2] - SAMPLES]);
    assert_eq!(used(&found, CacheUse::Contradicted), SAMPLES);
    // From now on the cache holds what the generator gave last.
    let (found, _) = run(&toy, &all(), How { drifts: true, ..how });
    assert_eq!(used(&found, CacheUse::Known), SAMPLES);
}

/// A cache that fails, or that has answers of a different generator.
struct Faulty(Result<TargetFree, ComponentError>);

impl AnswerCache for Faulty {
    fn get(&self, _: &CacheKey) -> Result<Option<TargetFree>, ComponentError> {
        self.0.clone().map(Some)
    }

    fn put(&self, _: &CacheKey, _: &TargetFree) -> Result<(), ComponentError> {
        self.0.clone().map(|_| ())
    }
}

#[test]
fn a_cache_that_fails_costs_no_sample() {
    let toy = Toy::new("budget = 3\nstep-size = 0.05");
    let (plain, without) = run(&toy, &all(), PLAIN);
    let error = ComponentError::new("cache", "look up an image", "the disk is full");
    let foreign = TargetFree {
        latent: ndarray::Array1::zeros(99),
        oracle_original: ndarray::Array1::zeros(3),
        reconstruction: None,
        oracle_reconstruction: None,
    };
    for cache in [Faulty(Err(error.clone())), Faulty(Ok(foreign))] {
        let (found, with) = run(&toy, &all(), How { cache: Some(&cache), ..PLAIN });
        assert!(same(&found, &plain) && with == without);
        assert_eq!(used(&found, CacheUse::Unknown), SAMPLES);
    }
    let told = Faulty(Err(ComponentError { cancelled: true, ..error }));
    let cancelled = Perturber { cache: Some(&told), ..toy.perturber() }.run(&toy.samples(&[0]));
    assert!(matches!(cancelled, Err(fmr_core::perturb::PerturbError::Cancelled)));
}
