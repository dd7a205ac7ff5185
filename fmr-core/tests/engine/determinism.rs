//! A sample's trajectory is the same, bit for bit, whatever batch, order and thread it was perturbed in.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fmr_core::perturb::{Answers, PerturbError, Perturbed, Workers};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::toy::{Toy, opaque};

const SAMPLES: usize = 23;

/// Searches that take every path on which samples might get mixed up.
pub(crate) fn toys() -> Vec<(&'static str, Toy)> {
    let masked = |search: &str| Toy { mask: Some(vec![1.0, 0.0, 0.5, 1.0, 1.0]), ..Toy::new(search) };
    let without_gradient = |search: &str| Toy { target: opaque(11), ..Toy::new(search) };
    vec![
        ("sign", Toy::new("budget = 12\nstep-size = 0.05")),
        ("adam with a mask", masked("budget = 12\nstep-size = 0.05\nrule = \"adam\"")),
        ("image state", Toy::new("budget = 8\nstep-size = 0.05\nstate = \"image\"\nrule = \"normalized\"")),
        ("halving", Toy::new("budget = 12\nstep-size = 0.4\non-violation = \"halve\"\nhalvings = 3")),
        (
            "early exit",
            Toy::new("budget = 12\nstep-size = 0.1\nearly-exit = \"misclassified\"\nselect = \"max-score\""),
        ),
        ("restarts", Toy::new("budget = 6\nstep-size = 0.05\nrestarts = 3\nrestart-noise = 0.2")),
        (
            "bytes after an FGSM start",
            Toy::new(
                "budget = 6\nstep-size = 0.1\nimage-domain = \"uint8\"\nstart = { kind = \"fgsm\", epsilon = 0.03 }",
            ),
        ),
        ("no gradient", without_gradient("budget = 6\nstep-size = 0.05\nestimator = { samples = 8, sigma = 0.05 }")),
        (
            "no gradient, restarts",
            without_gradient(
                "budget = 4\nstep-size = 0.05\nrule = \"adam\"\nrestarts = 2\nrestart-noise = 0.2\nestimator = { samples = 4, sigma = 0.05 }",
            ),
        ),
    ]
}

/// All there is to an outcome, so that a difference of one bit shows.
pub(crate) fn bits(one: &Perturbed) -> (String, Vec<u32>) {
    let Answers { original, reconstruction, final_image } = &one.answers;
    let answers = [original, reconstruction, final_image].into_iter().flat_map(|a| a.logits.iter().chain(&a.oracle));
    let values = one.final_image.iter().chain(&one.reconstruction).chain(&one.final_latent).chain(answers);
    (serde_json::to_string(&one.record).unwrap(), values.map(|v| v.to_bits()).collect())
}

fn side_by_side(toy: &Toy, order: &[usize], threads: usize, batch: usize) -> BTreeMap<usize, (String, Vec<u32>)> {
    let mut found = BTreeMap::new();
    let workers = Workers { threads, batch, enter: &|| {}, go_on: &|| true, tick: &|| {} };
    workers
        .run::<PerturbError>(&toy.perturber(), order, &|positions| Ok(toy.samples(positions)), |outcomes| {
            for one in &outcomes {
                assert!(found.insert(one.record.index, bits(one)).is_none(), "a sample was handed over twice");
            }
            Ok(())
        })
        .unwrap();
    found
}

#[test]
fn trajectories_do_not_depend_on_batch_order_or_threads() {
    let ascending: Vec<usize> = (0..SAMPLES).collect();
    for (name, toy) in toys() {
        let alone = side_by_side(&toy, &ascending, 1, 1);
        assert_eq!(alone.len(), SAMPLES, "{name}");
        let mut endings: Vec<&str> =
            alone.values().map(|(record, _)| record.split("\"outcome\":").nth(1).unwrap()).collect();
        endings.iter_mut().for_each(|e| *e = e.split(',').next().unwrap());
        endings.sort_unstable();
        endings.dedup();
        assert!(endings.len() > 1, "{name}: all samples end alike, which tests too little: {endings:?}");
        for (seed, threads, batch) in [(0, 1, SAMPLES), (1, 1, 5), (2, 2, 4), (3, 3, 1), (4, 4, 7)] {
            let mut order = ascending.clone();
            order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(
                side_by_side(&toy, &order, threads, batch),
                alone,
                "{name}, {threads} threads, batches of {batch}"
            );
        }
    }
}

#[test]
fn neighbouring_seeds_share_no_randomness() {
    let toy = Toy { target: opaque(11), ..Toy::new("budget = 1\nstep-size = 0.05\nrule = \"gradient\"\nrestarts = 1") };
    let norms = |seed: u64| {
        let mut batch = toy.samples(&[2]);
        batch.seeds = vec![seed];
        toy.perturber().run(&batch).unwrap().remove(0).record.steps[0].gradient_norm
    };
    let found: Vec<f64> = (0..4).map(norms).collect();
    assert!((1..4).all(|i| found[i] != found[i - 1]), "{found:?}");
}

#[test]
fn workers_enter_once_a_thread_and_take_every_batch() {
    let toy = Toy::new("budget = 2\nstep-size = 0.05");
    let (entered, batches) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let enter = || {
        entered.fetch_add(1, Ordering::Relaxed);
    };
    let workers = Workers { threads: 3, batch: 4, enter: &enter, go_on: &|| true, tick: &|| {} };
    let samples = |positions: &[usize]| {
        batches.lock().unwrap().push(positions.len());
        Ok(toy.samples(positions))
    };
    let mut outcomes = 0;
    let positions: Vec<usize> = (0..10).collect();
    workers
        .run::<PerturbError>(&toy.perturber(), &positions, &samples, |some| {
            outcomes += some.len();
            Ok(())
        })
        .unwrap();
    let mut batches = batches.into_inner().unwrap();
    batches.sort_unstable();
    assert_eq!((outcomes, batches, entered.into_inner()), (10, vec![2, 4, 4], 3));
}

#[test]
fn workers_without_samples_do_nothing() {
    let toy = Toy::new("budget = 2");
    let workers = Workers { threads: 0, batch: 0, enter: &|| {}, go_on: &|| true, tick: &|| {} };
    workers
        .run::<PerturbError>(&toy.perturber(), &[], &|p| Ok(toy.samples(p)), |_| panic!("nothing to hand over"))
        .unwrap();
}

#[test]
fn an_error_of_the_receiver_ends_the_run() {
    let toy = Toy::new("budget = 2\nstep-size = 0.05");
    let workers = Workers { threads: 2, batch: 1, enter: &|| {}, go_on: &|| true, tick: &|| {} };
    let positions: Vec<usize> = (0..200).collect();
    let mut calls = 0;
    let result = workers.run(&toy.perturber(), &positions, &|p| Ok(toy.samples(p)), |_| {
        calls += 1;
        if calls == 3 { Err(PerturbError::Cancelled) } else { Ok(()) }
    });
    assert!(matches!(result, Err(PerturbError::Cancelled)));
    assert_eq!(calls, 3);
}
