//! The probes of each role.

use fmr_core::registry::{MakeError, Settings};
use fmr_core::{ComponentError, Generator, Oracle, Scorer, Target};
use ndarray::{Array1, Array2, Array4, ArrayView2, Axis};

use super::probe::{MOST, Rows, noise};
use super::report::Writer;
use super::{Options, pictures};
use crate::host::{Library, Offer, Role};

/// No plugin has a setting of this name.
const UNKNOWN_KEY: &str = "fmr-no-such-key";

/// A component of any role.
enum Part {
    Generator(Box<dyn Generator>),
    Oracle(Box<dyn Oracle>),
    Target(Box<dyn Target>),
    Scorer(Box<dyn Scorer>),
}

fn make(
    library: &Library,
    offer: Offer<'_>,
    options: &Options,
    settings: &Settings,
    image: [usize; 3],
) -> Result<Part, MakeError> {
    let (name, context, limits) = (Some(offer.name), options.context(image), options.limits());
    Ok(match offer.role {
        Role::Generator => Part::Generator(library.generator(name, settings, &context, &limits)?),
        Role::Oracle => {
            let mut oracle = library.oracle(name, settings, &context, &limits)?;
            oracle.set_classes(&options.classes, &["an image of {class}".to_owned()])?;
            Part::Oracle(oracle)
        }
        Role::Target => Part::Target(library.target(name, settings, &context, &limits)?),
        Role::Scorer => Part::Scorer(library.scorer(name, settings, &context, &limits)?),
    })
}

/// Runs all probes of a component.
pub(super) fn check(library: &Library, offer: Offer<'_>, options: &Options, report: &mut Writer<'_>) {
    unknown_key(library, offer, options, report);
    let part = match make(library, offer, options, &options.settings, options.image) {
        Ok(part) => part,
        // A key that was given and is refused is a mistake; one that is missing may be the fault of nobody.
        Err(MakeError::Setting(e)) if is_given(&options.settings, &e.key) => {
            return report.fail("making", format!("it refuses a setting that was given: {e}"));
        }
        Err(MakeError::Setting(e)) if !options.settings.0.is_empty() => {
            return report.fail("making", format!("it cannot be made of the settings that were given: {e}"));
        }
        Err(MakeError::Setting(e)) => {
            return report.skip("all else", format!("it needs other settings ({e}); give them by --set KEY=VALUE"));
        }
        Err(e) => return report.fail("making", e.to_string()),
    };
    match &part {
        Part::Target(target) => {
            let spec = target.spec();
            report.pass("making", format!("{:?}, {} classes", spec.name, spec.classes));
            if !spec.differentiable {
                report.note("pull-back", "it offers no gradient; runs will estimate one from many forwards");
            }
            target_rows(&**target, options.image).check(report);
            pictures::check(&|p| target.logits_of_pictures(p), report);
        }
        Part::Generator(generator) => {
            let spec = generator.spec();
            report.pass("making", format!("{:?}, images {:?}, {} latents", spec.name, spec.image, spec.latent_len()));
            let images = images(spec.image, 0);
            encode_rows(&**generator).check(report);
            match generator.encode(images.view(), &labels()) {
                Ok(latents) => decode_rows(&**generator, latents).check(report),
                Err(e) => report.skip("images", format!("there are no latents to decode: {e}")),
            }
        }
        Part::Oracle(oracle) => {
            report.pass("making", format!("{:?}", oracle.name()));
            oracle_rows(&**oracle, options.image).check(report);
            pictures::check(&|p| oracle.judge_pictures(p), report);
            probabilities(&**oracle, options.image, report);
        }
        Part::Scorer(scorer) => {
            report.pass("making", format!("{:?}", scorer.name()));
            scorer_rows(&**scorer).check(report);
        }
    }
    if matches!(offer.role, Role::Target | Role::Oracle) {
        odd_sizes(library, offer, options, report);
    }
}

/// Whether the settings hold the key, or the table that it is in.
fn is_given(settings: &Settings, key: &str) -> bool {
    settings.0.contains_key(key.split(['.', '[']).next().unwrap_or_default())
}

fn unknown_key(library: &Library, offer: Offer<'_>, options: &Options, report: &mut Writer<'_>) {
    let mut settings = options.settings.clone();
    settings.0.insert(UNKNOWN_KEY.into(), serde_json::json!(1));
    match make(library, offer, options, &settings, options.image) {
        Err(MakeError::Setting(e)) if e.key.contains(UNKNOWN_KEY) => {
            report.pass("settings", "an unknown key is refused by name");
        }
        Err(MakeError::Setting(e)) if options.settings.0.is_empty() => {
            report.note("settings", format!("whether an unknown key is refused cannot be seen without settings ({e})"));
        }
        Err(e) => report.fail(
            "settings",
            format!("an unknown key is refused by {:?}, which does not name it; answer with its key", e.to_string()),
        ),
        Ok(_) => report.fail(
            "settings",
            "an unknown key is accepted, so that a misspelt one would pass; say `deny_unknown_fields`",
        ),
    }
}

fn labels() -> Vec<usize> {
    (0..MOST).map(|i| i % 2).collect()
}

fn images([c, h, w]: [usize; 3], seed: u64) -> Array4<f32> {
    let rows = noise(MOST, c * h * w, 17 + seed).mapv(|v| 0.5 + 0.4 * v);
    unrow(rows.view(), [c, h, w])
}

fn rows(images: &Array4<f32>) -> Array2<f32> {
    let (n, c, h, w) = images.dim();
    Array2::from_shape_fn((n, c * h * w), |(i, p)| images[[i, p / (h * w), p / w % h, p % w]])
}

fn unrow(rows: ArrayView2<'_, f32>, [c, h, w]: [usize; 3]) -> Array4<f32> {
    Array4::from_shape_fn((rows.nrows(), c, h, w), |(i, a, y, x)| rows[[i, (a * h + y) * w + x]])
}

fn target_rows(target: &dyn Target, image: [usize; 3]) -> Rows<'_> {
    let pull = move |x: ArrayView2<'_, f32>, cotangent: ArrayView2<'_, f32>| -> Result<_, ComponentError> {
        let images = unrow(x, image);
        drop(target.logits_with_pullback(images.view())?);
        let (logits, pull) = target.logits_with_pullback(images.view())?;
        Ok((logits, rows(&pull(cotangent)?)))
    };
    Rows {
        what: "logits",
        samples: rows(&images(image, 0)),
        forward: Box::new(move |x| target.logits(unrow(x, image).view())),
        pull: target.spec().differentiable.then(|| Box::new(pull) as _),
    }
}

fn oracle_rows(oracle: &dyn Oracle, image: [usize; 3]) -> Rows<'_> {
    Rows {
        what: "class probabilities",
        samples: rows(&images(image, 0)),
        forward: Box::new(move |x| oracle.judge(unrow(x, image).view())),
        pull: None,
    }
}

fn probabilities(oracle: &dyn Oracle, image: [usize; 3], report: &mut Writer<'_>) {
    let Ok(scores) = oracle.judge(images(image, 0).view()) else { return };
    let sums: Array1<f32> = scores.sum_axis(Axis(1));
    let wrong = scores.iter().find(|p| !(-1e-6..=1.000_001).contains(*p));
    let wrong = wrong.or_else(|| sums.iter().find(|s| (**s - 1.0).abs() > 1e-3));
    match wrong {
        None => report.pass("probabilities", "rows are in [0, 1] and sum to 1"),
        Some(v) => report.fail("probabilities", format!("{v} among values or sums; give probabilities, not logits")),
    }
}

fn encode_rows(generator: &dyn Generator) -> Rows<'_> {
    let image = generator.spec().image;
    Rows {
        what: "latents",
        samples: rows(&images(image, 0)),
        forward: Box::new(move |x| generator.encode(unrow(x, image).view(), &labels_of(x))),
        pull: None,
    }
}

fn decode_rows(generator: &dyn Generator, latents: Array2<f32>) -> Rows<'_> {
    let image = generator.spec().image;
    Rows {
        what: "images",
        samples: latents,
        forward: Box::new(move |z| generator.decode(z, &labels_of(z)).map(|x| rows(&x))),
        pull: Some(Box::new(move |z, cotangent| {
            drop(generator.decode_with_pullback(z, &labels_of(z))?);
            let (images, pull) = generator.decode_with_pullback(z, &labels_of(z))?;
            Ok((rows(&images), pull(unrow(cotangent, image).view())?))
        })),
    }
}

/// One label for all: a sample is to give the same alone and in a batch.
fn labels_of(rows: ArrayView2<'_, f32>) -> Vec<usize> {
    vec![0; rows.nrows()]
}

fn scorer_rows(scorer: &dyn Scorer) -> Rows<'_> {
    const CLASSES: usize = 5;
    let score = move |x: ArrayView2<'_, f32>| {
        let clean = Array2::from_shape_fn(x.dim(), |(_, k)| (k as f32 * 1.7).cos());
        scorer.score(x, clean.view(), &labels_of(x))
    };
    Rows {
        what: "scores",
        samples: noise(MOST, CLASSES, 5) * 3.0,
        forward: Box::new(move |x| Ok(score(x)?.0.insert_axis(Axis(1)))),
        pull: Some(Box::new(move |x, cotangent| {
            let (scores, gradients) = score(x)?;
            Ok((scores.insert_axis(Axis(1)), gradients * cotangent))
        })),
    }
}

/// Sizes that may be refused, but only by an error.
fn odd_sizes(library: &Library, offer: Offer<'_>, options: &Options, report: &mut Writer<'_>) {
    let (mut works, mut refused) = (vec![], vec![]);
    for image in [[3, 33, 17], [1, 28, 28], [3, 1, 1]] {
        let result = make(library, offer, options, &options.settings, image).and_then(|part| {
            let x = images(image, 1);
            match part {
                Part::Target(target) => Ok(target.logits(x.view())?),
                Part::Oracle(oracle) => Ok(oracle.judge(x.view())?),
                Part::Generator(_) | Part::Scorer(_) => Ok(Array2::zeros((0, 0))),
            }
        });
        match result {
            Ok(_) => works.push(format!("{image:?}")),
            Err(e) if e.to_string().contains("panicked") || e.to_string().contains("did not return") => {
                return report.fail("odd sizes", format!("images of {image:?} end badly: {e}; return an error"));
            }
            Err(_) => refused.push(format!("{image:?}")),
        }
    }
    report.pass("odd sizes", format!("works: {}; refused by an error: {}", list(&works), list(&refused)));
}

fn list(sizes: &[String]) -> String {
    if sizes.is_empty() { "none".into() } else { sizes.join(", ") }
}
