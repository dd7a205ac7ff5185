//! The toy worlds of the traces as components: everything is an affine map, read from the case.

use std::sync::Mutex;

use fmr_core::{
    ComponentError, Generator, GeneratorSpec, ImagePullBack, LatentBlock, LatentPullBack, Oracle, Target, TargetSpec,
};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Axis};
use serde::Deserialize;

/// World and samples of a case.
#[derive(Deserialize)]
pub(crate) struct WorldFile {
    pub(crate) world: World,
    pub(crate) samples: Vec<Sample>,
}

/// Matrices of a world.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct World {
    pub(crate) classes: Vec<String>,
    pub(crate) image_shape: [usize; 3],
    latent_dim: usize,
    decode_matrix: Vec<Vec<f64>>,
    decode_offset: Vec<f64>,
    encode_matrix: Vec<Vec<f64>>,
    encode_offset: Vec<f64>,
    target_matrix: Vec<Vec<f64>>,
    target_offset: Vec<f64>,
    oracle_matrix: Vec<Vec<f64>>,
    oracle_offset: Vec<f64>,
    second_target_matrix: Vec<Vec<f64>>,
    second_target_offset: Vec<f64>,
}

/// A sample.
#[derive(Deserialize)]
pub(crate) struct Sample {
    pub(crate) id: usize,
    pub(crate) image: Vec<f32>,
    pub(crate) label: usize,
    /// Class that a targeted scorer aims at.
    pub(crate) target_class: Option<usize>,
}

/// x ↦ M x + b over rows, summed in double precision.
#[derive(Clone)]
struct Affine {
    matrix: Array2<f64>,
    offset: Vec<f64>,
}

impl Affine {
    fn new(matrix: &[Vec<f64>], offset: &[f64]) -> Self {
        let columns = matrix.first().map_or(0, Vec::len);
        let values = matrix.iter().flatten().copied().collect();
        Self { matrix: Array2::from_shape_vec((matrix.len(), columns), values).unwrap(), offset: offset.to_vec() }
    }

    fn rows(x: ArrayView2<'_, f32>, f: impl Fn(usize, usize) -> f64, outputs: usize) -> Array2<f32> {
        Array2::from_shape_fn((x.nrows(), outputs), |(i, j)| f(i, j) as f32)
    }

    fn forward(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let one = |i: usize, j: usize| {
            self.offset[j] + self.matrix.row(j).iter().zip(x.row(i)).map(|(m, v)| m * f64::from(*v)).sum::<f64>()
        };
        Self::rows(x, one, self.matrix.nrows())
    }

    fn transposed(&self, d: ArrayView2<'_, f32>) -> Array2<f32> {
        let one = |i: usize, j: usize| {
            self.matrix.column(j).iter().zip(d.row(i)).map(|(m, v)| m * f64::from(*v)).sum::<f64>()
        };
        Self::rows(d, one, self.matrix.ncols())
    }
}

fn flat(images: ArrayView4<'_, f32>) -> Array2<f32> {
    let n = images.len_of(Axis(0));
    let values: Vec<f32> = images.iter().copied().collect();
    let len = values.len() / n.max(1);
    Array2::from_shape_vec((n, len), values).unwrap()
}

fn shaped(rows: Array2<f32>, [c, h, w]: [usize; 3]) -> Array4<f32> {
    let n = rows.nrows();
    Array4::from_shape_vec((n, c, h, w), rows.iter().copied().collect()).unwrap()
}

/// A fault to be put into the gradient of one update.
#[derive(Clone, Deserialize)]
pub(crate) struct Fault {
    pub(crate) sample: usize,
    pub(crate) step: usize,
    pub(crate) kind: String,
}

/// What the generator was asked first.
pub(crate) struct FirstEncode {
    pub(crate) images: Array4<f32>,
    pub(crate) latents: Array2<f32>,
}

/// The generator of a world. Its pull-backs are counted: the t-th belongs to update t.
pub(crate) struct AffineGenerator {
    spec: GeneratorSpec,
    encode: Affine,
    decode: Affine,
    /// Faults of the one sample that is perturbed with this generator.
    faults: Vec<Fault>,
    pulled: Mutex<usize>,
    first: Mutex<Option<FirstEncode>>,
}

impl AffineGenerator {
    pub(crate) fn new(world: &World, faults: Vec<Fault>) -> Self {
        let latent = vec![LatentBlock { name: "z".into(), shape: vec![world.latent_dim], offset: 0 }];
        Self {
            spec: GeneratorSpec { name: "affine".into(), image: world.image_shape, latent },
            encode: Affine::new(&world.encode_matrix, &world.encode_offset),
            decode: Affine::new(&world.decode_matrix, &world.decode_offset),
            faults,
            pulled: Mutex::new(0),
            first: Mutex::new(None),
        }
    }

    /// Images and latents of the first call of `encode`.
    pub(crate) fn into_first(self) -> FirstEncode {
        self.first.into_inner().unwrap().unwrap()
    }
}

impl Generator for AffineGenerator {
    fn spec(&self) -> &GeneratorSpec {
        &self.spec
    }

    fn encode(&self, images: ArrayView4<'_, f32>, _: &[usize]) -> Result<Array2<f32>, ComponentError> {
        let latents = self.encode.forward(flat(images).view());
        let seen = || FirstEncode { images: images.to_owned(), latents: latents.clone() };
        self.first.lock().unwrap().get_or_insert_with(seen);
        Ok(latents)
    }

    fn decode(&self, latents: ArrayView2<'_, f32>, _: &[usize]) -> Result<Array4<f32>, ComponentError> {
        Ok(shaped(self.decode.forward(latents), self.spec.image))
    }

    fn decode_with_pullback<'a>(
        &'a self,
        latents: ArrayView2<'_, f32>,
        labels: &[usize],
    ) -> Result<(Array4<f32>, LatentPullBack<'a>), ComponentError> {
        let images = self.decode(latents, labels)?;
        let pull_back = move |d: ArrayView4<'_, f32>| {
            let mut gradient = self.decode.transposed(flat(d).view());
            let mut pulled = self.pulled.lock().unwrap();
            *pulled += 1;
            for fault in self.faults.iter().filter(|f| f.step == *pulled) {
                match fault.kind.as_str() {
                    "nan" => gradient[[0, 0]] = f32::NAN,
                    "inf" => gradient[[0, 1]] = f32::INFINITY,
                    "zero" => gradient.fill(0.0),
                    other => panic!("unknown fault {other:?}"),
                }
            }
            Ok(gradient)
        };
        Ok((images, Box::new(pull_back)))
    }
}

/// A linear classifier: target, bystander or oracle.
pub(crate) struct AffineClassifier {
    spec: TargetSpec,
    map: Affine,
    image: [usize; 3],
}

impl AffineClassifier {
    fn new(name: &str, world: &World, matrix: &[Vec<f64>], offset: &[f64]) -> Self {
        let spec = TargetSpec { name: name.into(), classes: offset.len(), differentiable: true };
        Self { spec, map: Affine::new(matrix, offset), image: world.image_shape }
    }

    pub(crate) fn target(world: &World) -> Self {
        Self::new("target", world, &world.target_matrix, &world.target_offset)
    }

    pub(crate) fn second_target(world: &World) -> Self {
        Self::new("second target", world, &world.second_target_matrix, &world.second_target_offset)
    }

    pub(crate) fn oracle(world: &World) -> Self {
        Self::new("oracle", world, &world.oracle_matrix, &world.oracle_offset)
    }
}

impl Target for AffineClassifier {
    fn spec(&self) -> &TargetSpec {
        &self.spec
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        Ok(self.map.forward(flat(images).view()))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let pull_back = move |d: ArrayView2<'_, f32>| Ok(shaped(self.map.transposed(d), self.image));
        Ok((self.logits(images)?, Box::new(pull_back)))
    }
}

impl Oracle for AffineClassifier {
    fn name(&self) -> &str {
        &self.spec.name
    }

    fn set_classes(&mut self, _: &[String], _: &[String]) -> Result<(), ComponentError> {
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        self.logits(images)
    }
}
