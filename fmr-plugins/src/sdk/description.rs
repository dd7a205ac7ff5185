//! What an instance says of itself, laid out as the host reads it.

use std::path::PathBuf;

use fmr_core::{ComponentError, Generator};
use ndarray::Array2;

use super::failure::Failure;
use super::guard::caught;
use super::live::Part;
use crate::abi::{self, Str};

/// An [`abi::Info`] and all that it points at. Vectors rather than boxes: a box that moves claims what it points at.
pub(super) struct Description {
    info: Box<abi::Info>,
    _own: Own,
}

/// What the pointers of the info lead to.
struct Own {
    _said: Said,
    _shapes: Vec<Vec<i64>>,
    _blocks: Vec<abi::Block>,
    _names: Vec<Vec<Str>>,
    _classes: Vec<abi::Names>,
    _files: Vec<Str>,
}

/// What the component says, as Rust has it.
#[derive(Default)]
struct Said {
    name: String,
    flags: u64,
    classes: usize,
    image: [usize; 3],
    latent: Vec<fmr_core::LatentBlock>,
    preprocessing: String,
    class_names: Vec<Vec<String>>,
    files: Vec<String>,
}

// SAFETY: the pointers lead to the description's own heap, which is never written again.
unsafe impl Send for Description {}
// SAFETY: as above.
unsafe impl Sync for Description {}

fn flag(offered: bool, flag: u64) -> u64 {
    if offered { flag } else { 0 }
}

/// What a generator offers beyond the rest, as one latent of zeros shows.
fn offers(generator: &dyn Generator) -> u64 {
    let latents = Array2::zeros((1, generator.spec().latent_len()));
    let finishes = matches!(generator.finish(latents.view(), &[0]), Ok(Some(_)));
    let quantizes = matches!(generator.quantized(latents.view()), Ok(Some(seen)) if seen.dim() == latents.dim());
    flag(finishes, abi::FINISHES) | flag(quantizes, abi::QUANTIZES)
}

/// Whether a component takes pictures, by its answer to none: all but the trait's own `None` is an answer to pictures.
fn pictures(answer: impl FnOnce() -> Result<Option<Array2<f32>>, ComponentError>) -> u64 {
    flag(!matches!(caught(answer), Ok(Ok(None))), abi::PICTURES)
}

impl Said {
    fn of(part: &Part, files: &[PathBuf]) -> Result<Self, Failure> {
        let always = abi::DETERMINISTIC | abi::THREAD_SAFE;
        let said = match part {
            Part::Generator(g) => {
                let spec = g.spec();
                let flags = abi::DIFFERENTIABLE | abi::BATCHED_PULL_BACK | abi::NEEDS_LABELS | offers(&**g);
                let (image, latent) = (spec.image, spec.latent.clone());
                Self { name: spec.name.clone(), flags, image, latent, ..Self::default() }
            }
            Part::Oracle(o) => {
                let o = o.read().unwrap_or_else(|p| p.into_inner());
                let preprocessing = o.preprocessing().unwrap_or_default();
                let flags = pictures(|| o.judge_pictures(&[]));
                Self { name: o.name().to_owned(), flags, preprocessing, ..Self::default() }
            }
            Part::Target(t) => {
                let spec = t.spec();
                let flags = flag(spec.differentiable, abi::DIFFERENTIABLE | abi::BATCHED_PULL_BACK)
                    | pictures(|| t.logits_of_pictures(&[]));
                Self {
                    name: spec.name.clone(),
                    flags,
                    classes: spec.classes,
                    preprocessing: t.preprocessing().unwrap_or_default(),
                    class_names: t.class_names().unwrap_or_default(),
                    ..Self::default()
                }
            }
            Part::Scorer(s) => Self { name: s.name().to_owned(), flags: abi::NEEDS_LABELS, ..Self::default() },
        };
        let file = |path: &PathBuf| {
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| {
                Failure::new(abi::FAILED, format!("it read {path:?}, a path that is not UTF-8; rename it"))
            })
        };
        let files = files.iter().map(file).collect::<Result<_, _>>()?;
        Ok(Self { flags: said.flags | always, files, ..said })
    }
}

impl Description {
    /// Of a component that was made of these files.
    pub(super) fn of(part: &Part, files: &[PathBuf]) -> Result<Self, Failure> {
        let said = Said::of(part, files)?;
        let shapes: Vec<Vec<i64>> = said.latent.iter().map(|b| b.shape.iter().map(|l| *l as i64).collect()).collect();
        let block = |(block, shape): (&fmr_core::LatentBlock, &Vec<i64>)| abi::Block {
            name: Str::new(&block.name),
            shape: shape.as_ptr(),
            ndim: shape.len() as u32,
            reserved: 0,
        };
        let blocks: Vec<abi::Block> = said.latent.iter().zip(&shapes).map(block).collect();
        let strs = |texts: &Vec<String>| texts.iter().map(|text| Str::new(text)).collect::<Vec<_>>();
        let names: Vec<Vec<Str>> = said.class_names.iter().map(strs).collect();
        let classes: Vec<abi::Names> =
            names.iter().map(|names| abi::Names { names: names.as_ptr(), len: names.len() }).collect();
        let files = strs(&said.files);
        let length = |l: usize| u32::try_from(l).unwrap_or(u32::MAX);
        let info = Box::new(abi::Info {
            size: size_of::<abi::Info>() as u32,
            classes: length(said.classes),
            flags: said.flags,
            name: Str::new(&said.name),
            image: said.image.map(length),
            blocks_len: length(blocks.len()),
            blocks: blocks.as_ptr(),
            preprocessing: Str::new(&said.preprocessing),
            class_names: classes.as_ptr(),
            class_names_len: length(classes.len()),
            files_len: length(files.len()),
            files: files.as_ptr(),
        });
        let own =
            Own { _said: said, _shapes: shapes, _blocks: blocks, _names: names, _classes: classes, _files: files };
        Ok(Self { info, _own: own })
    }

    /// For the host; valid as long as this description.
    pub(super) fn info(&self) -> *const abi::Info {
        &raw const *self.info
    }
}
