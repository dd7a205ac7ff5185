//! From pairs of latents to a mask, its report and its file.

#![allow(clippy::unwrap_used, reason = "tests")]

use fmr_core::LatentBlock;
use fmr_mask::{
    Choose, LatentPairs, Learned, Mask, MaskError, MaskSettings, Model, Origin, Penalty, Split, Unit, learn,
};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PAIRS: usize = 100;

fn layout() -> Vec<LatentBlock> {
    vec![LatentBlock { name: "z".into(), shape: vec![8, 4, 4], offset: 0 }]
}

/// Latents whose first two channels move at the first four sites.
fn latents() -> (Array2<f32>, Array2<f32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let originals = Array2::from_shape_fn((PAIRS, 128), |_| rng.random::<f32>() * 2.0 - 1.0);
    let perturbed = Array2::from_shape_fn((PAIRS, 128), |(i, j)| {
        let moved = if moves(j) { 0.8 } else { 0.0 };
        originals[[i, j]] + 0.1 * rng.random::<f32>() - 0.05 + moved
    });
    (originals, perturbed)
}

fn moves(j: usize) -> bool {
    j / 16 < 2 && j % 16 < 4
}

fn with(settings: &MaskSettings, latents: &(Array2<f32>, Array2<f32>)) -> Result<Learned, MaskError> {
    let layout = layout();
    let origin = Origin {
        generator: Some("vqgan".into()),
        weights_hash: Some("0a1b".into()),
        data: Some("small".into()),
        ..Origin::default()
    };
    learn(&LatentPairs { originals: latents.0.view(), perturbed: latents.1.view(), layout: &layout, origin }, settings)
}

#[test]
fn finds_what_moved() {
    let latents = latents();
    for model in [Model::Logistic, Model::Lasso] {
        for split in [Split::Pairs, Split::Rows] {
            let settings = MaskSettings { model, split, ..MaskSettings::default() };
            let found = with(&settings, &latents).unwrap();
            assert_eq!((found.report.train_rows, found.report.test_rows), (160, 40));
            assert!((0..128).filter(|&j| moves(j)).all(|j| found.mask.kept()[j]), "{:?}", found.mask.kept());
            assert!(found.report.test_score() > 90.0 && found.report.converged, "{}", found.report);
            assert_eq!(found.mask.count(), found.report.kept);
            assert_eq!(found.mask.sparsity(Unit::Dimension), found.report.sparsity());
            assert_eq!(found.mask, with(&settings, &latents).unwrap().mask, "the same settings, the same mask");
        }
    }
}

#[test]
fn units_and_kinds() {
    let latents = latents();
    let of = |unit, kind, penalty, strength| {
        with(&MaskSettings { unit, kind, penalty, strength, ..MaskSettings::default() }, &latents).unwrap()
    };
    let channels = of(Unit::Channel, Unit::Dimension, Penalty::Lambda, 25.0);
    assert_eq!(channels.report.columns, 8);
    assert_eq!(channels.mask.units(Unit::Channel), [true, true, false, false, false, false, false, false]);
    assert_eq!(channels.mask.count(), 32);
    let sites = of(Unit::Site, Unit::Site, Penalty::Lambda, 25.0);
    assert_eq!(sites.report.columns, 16);
    assert_eq!(sites.mask.units(Unit::Site).iter().filter(|k| **k).count(), 4);
    let spread = of(Unit::Dimension, Unit::Channel, Penalty::Lambda, 20.0);
    assert!(spread.mask.count() > spread.report.kept && spread.mask.count() % 16 == 0);
}

#[test]
fn the_strength_can_be_chosen() {
    let latents = latents();
    let base = MaskSettings { path_points: 12, path_end: 0.02, ..MaskSettings::default() };
    let kept = 5;
    let sparsity = 100.0 * (1.0 - f64::from(kept) / 128.0);
    let found = with(&MaskSettings { choose: Choose::Sparsity, sparsity, ..base.clone() }, &latents).unwrap();
    assert_eq!(found.report.kept, 5);
    let beside = found.mask.learning.clone().unwrap().at_strength.unwrap();
    let nominal = with(&base, &latents).unwrap();
    assert_eq!((beside.kept, beside.test_right), (nominal.report.kept, nominal.report.test_right));
    assert!(beside.kept != 5 && nominal.mask.learning.unwrap().at_strength.is_none());
    assert_eq!(found.path.len(), 12);
    assert_eq!(found.path[0].kept, 0);
    assert!(found.path.is_sorted_by(|a, b| a.penalty > b.penalty && a.objective >= b.objective));

    let best = with(&MaskSettings { choose: Choose::CrossValidation, ..base.clone() }, &latents).unwrap();
    let frugal = with(&MaskSettings { choose: Choose::OneStandardError, ..base }, &latents).unwrap();
    assert_eq!(best.cross_validation.len(), 12);
    assert!(best.cross_validation[0].mean > 0.69, "at the largest penalty nothing is known: ln 2");
    assert!(best.report.test_score() > 90.0);
    assert!(frugal.report.kept <= best.report.kept);
}

#[test]
fn the_file_says_how_it_was_learned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("style.mask.toml");
    let settings = MaskSettings { seed: 3, max_rows: Some(120), ..MaskSettings::default() };
    let found = with(&settings, &latents()).unwrap();
    found.mask.save(&path).unwrap();
    let read = Mask::load(&path).unwrap();
    assert_eq!(read, found.mask);
    let learning = read.learning.unwrap();
    assert_eq!((learning.settings, learning.fit, learning.pairs), (settings, found.report, PAIRS));
    let text = std::fs::read_to_string(&path).unwrap();
    for part in
        ["format = \"fmr-mask\"", "generator = \"vqgan\"", "weights-hash = \"0a1b\"", "strength = 36.36", "gap = "]
    {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(text.len() < 4000, "{} bytes", text.len());
}

/// A mask in words, its penalty chosen by sparsity; figures at rounding level are left out.
#[test]
fn a_mask_for_people() {
    let settings = MaskSettings { choose: Choose::Sparsity, sparsity: 96.0, ..MaskSettings::default() };
    let text = with(&settings, &latents()).unwrap().mask.to_string();
    let steady = |line: &&str| !line.starts_with("duality gap") && !line.starts_with("optimality");
    insta::assert_snapshot!(text.lines().filter(steady).collect::<Vec<_>>().join("\n"), @r"
    latent      z [8, 4, 4] (128 values)
    generator   vqgan
    weights     0a1b
    learned on  small
    kept        5 of 128 dimensions, 2 of 8 channels, 3 of 16 sites
    learned     logistic on both-quantized latents of 100 pairs, which differ in 100.0 % of their values
    chosen by   a wanted sparsity of 96 %
    sparsity    96.09 % (5 of 128 columns kept)
    test score  82.50 % of 40 rows held out
    train score 91.88 % of 160 rows
    penalty     41.1273 (0.8367 of the largest useful one)
    beside it   at strength 36.36, read as c-over-n: 10 columns kept, sparsity 92.19 %, test score 95.00 %
    ");
}

#[test]
fn a_report_for_people() {
    let text = with(&MaskSettings::default(), &latents()).unwrap().report.to_string();
    let lines: Vec<&str> = text.lines().map(|l| l.split_whitespace().next().unwrap()).collect();
    assert_eq!(lines, ["sparsity", "test", "train", "penalty", "duality", "optimality"], "{text}");
}

#[test]
fn bad_latents_are_named() {
    let good = latents();
    let error = |latents: &(Array2<f32>, Array2<f32>)| with(&MaskSettings::default(), latents).unwrap_err().to_string();
    let mut bad = good.clone();
    bad.1[[12, 37]] = f32::INFINITY;
    insta::assert_snapshot!(error(&bad), @"the mask cannot be learned: row 12 of the perturbed latents, column 37 (z, channel 2, row 1, column 1) is inf; every value must be finite");
    let short = (good.0.clone(), good.1.slice(ndarray::s![..9, ..]).to_owned());
    insta::assert_snapshot!(error(&short), @"the mask cannot be learned: originals are (100, 128), perturbed latents (9, 128), and a latent has 128 values");
    let one = (good.0.slice(ndarray::s![..1, ..]).to_owned(), good.1.slice(ndarray::s![..1, ..]).to_owned());
    insta::assert_snapshot!(error(&one), @"the mask cannot be learned: 1 pairs of latents; a fit and a score need at least 2");
    let settings = MaskSettings { choose: Choose::Sparsity, ..MaskSettings::default() };
    let same = (good.0.clone(), good.0.clone());
    insta::assert_snapshot!(with(&settings, &same).unwrap_err(), @"the mask cannot be learned: no column differs between originals and perturbed: there is nothing to learn a mask from");
    let nothing = with(&MaskSettings::default(), &same).unwrap();
    assert_eq!(nothing.mask.count(), 0);
    assert_eq!(nothing.mask.learning.unwrap().differing, Some(0.0));
    let mut one = same.clone();
    one.1[[3, 4]] += 1.0;
    let differing = with(&MaskSettings::default(), &one).unwrap().mask.learning.unwrap().differing.unwrap();
    assert!((differing - 100.0 / (PAIRS * 128) as f64).abs() < 1e-12, "{differing}");
}
