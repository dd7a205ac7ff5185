//! Parameters by name: models ask a [`Builder`] for each parameter by its upstream key, and the builder either draws
//! it, reads it from a checkpoint, or only notes name and shape.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use fmr_checkpoint::shown;
pub use fmr_checkpoint::{StateDict, Stored};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use crate::functional::swap;

pub use crate::files::{Chosen, Loaded, read, read_selected, write};
use crate::random::normal;

/// How a parameter starts out in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zeros.
    Zeros,
    /// All ones.
    Ones,
    /// Normal with this standard deviation.
    Normal(f32),
    /// Uniform in ± this bound.
    Uniform(f32),
}

/// A checkpoint that is not the model that was asked for. Lists the first few offending keys of each kind.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("the weights do not fit the model:{}", self.lines())]
pub struct WeightsError {
    /// Keys that the model needs and the file lacks.
    pub missing: Vec<String>,
    /// Keys of a different shape: key, shape expected, shape found.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Keys that the model does not know.
    pub unexpected: Vec<String>,
}

impl WeightsError {
    fn lines(&self) -> String {
        let key = |key: &String| shown::escaped(key, shown::KEY).to_string();
        let shape = |(name, want, got): &(String, Vec<usize>, Vec<usize>)| {
            format!("{} is {got:?} instead of {want:?}", key(name))
        };
        first("missing", &self.missing, key)
            + &first("misshapen", &self.misshapen, shape)
            + &first("unexpected", &self.unexpected, key)
    }
}

/// A line with the first few of many items, or nothing.
fn first<T>(what: &str, items: &[T], show: impl Fn(&T) -> String) -> String {
    const SHOWN: usize = 4;
    if items.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = items.iter().take(SHOWN).map(show).collect();
    let more = if items.len() > SHOWN { ", …" } else { "" };
    format!("\n  {} {what}: {}{more}", items.len(), shown.join(", "))
}

/// Name and shape of a parameter in the upstream layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Upstream name.
    pub name: String,
    /// Upstream shape.
    pub shape: Vec<usize>,
    /// Whether the model holds the transpose (linear layers).
    transposed: bool,
    id: ParamId,
}

enum Source {
    Random(Box<ChaCha8Rng>),
    Stored(StateDict),
    Shapes,
}

/// Hands out parameters and remembers their keys.
pub struct Builder {
    source: Source,
    device: Device,
    keys: Vec<Key>,
    used: BTreeSet<String>,
    missing: Vec<String>,
    misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    frozen: bool,
}

impl Builder {
    fn new(source: Source, device: &Device, frozen: bool) -> Self {
        Self {
            source,
            device: device.clone(),
            keys: Vec::new(),
            used: BTreeSet::new(),
            missing: Vec::new(),
            misshapen: Vec::new(),
            frozen,
        }
    }

    /// Parameters drawn as their layers say, to be trained.
    pub fn random(seed: u64, device: &Device) -> Self {
        Self::new(Source::Random(Box::new(ChaCha8Rng::seed_from_u64(seed))), device, false)
    }

    /// Drawn parameters that will not be trained: for measurements of speed and memory.
    pub fn random_frozen(seed: u64, device: &Device) -> Self {
        Self { frozen: true, ..Self::random(seed, device) }
    }

    /// Parameters of a checkpoint, to be evaluated.
    pub fn stored(tensors: StateDict, device: &Device) -> Self {
        Self::new(Source::Stored(tensors), device, true)
    }

    /// Parameters of a checkpoint, to be trained further.
    pub fn stored_trainable(tensors: StateDict, device: &Device) -> Self {
        Self::new(Source::Stored(tensors), device, false)
    }

    /// Only keys and shapes matter: every parameter is one zero seen everywhere, so that the largest models take no
    /// memory. Such a model must not be run.
    pub fn shapes(device: &Device) -> Self {
        Self::new(Source::Shapes, device, true)
    }

    /// Whether the parameters will never change, so that layers may keep what they derive from them.
    pub fn frozen(&self) -> bool {
        self.frozen
    }

    /// Whether a stored checkpoint holds this key.
    pub fn holds(&self, name: &str) -> bool {
        match &self.source {
            Source::Stored(tensors) => tensors.contains_key(name),
            _ => false,
        }
    }

    /// The device that parameters are made on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The values of a parameter; none where only its shape matters or the checkpoint does not hold it. A size that a
    /// hostile configuration claims takes no memory so.
    fn values(&mut self, name: &str, shape: &[usize], init: Init) -> Option<Vec<f32>> {
        self.used.insert(name.to_owned());
        match &mut self.source {
            Source::Random(rng) => Some(draw(rng, shape.iter().product(), init)),
            Source::Shapes => None,
            Source::Stored(tensors) => match tensors.remove(name) {
                None => {
                    self.missing.push(name.to_owned());
                    None
                }
                Some(t) if t.shape != shape => {
                    self.misshapen.push((name.to_owned(), shape.to_vec(), t.shape));
                    None
                }
                Some(t) => Some(t.values),
            },
        }
    }

    fn key(&mut self, name: &str, shape: &[usize], transposed: bool) -> ParamId {
        let id = ParamId::from(fnv1a(name));
        self.keys.push(Key { name: name.to_owned(), shape: shape.to_vec(), transposed, id });
        id
    }

    /// The values and identity of a buffer (running statistics).
    pub fn buffer<const D: usize>(&mut self, name: &str, shape: [usize; D], init: Init) -> (ParamId, Tensor<D>) {
        let values = self.values(name, &shape, init);
        let id = self.key(name, &shape, false);
        (id, self.tensor(values, shape))
    }

    /// A tensor of these values, or of one zero seen everywhere.
    fn tensor<const D: usize>(&self, values: Option<Vec<f32>>, shape: [usize; D]) -> Tensor<D> {
        match values {
            None => Tensor::<D>::zeros([1; D], &self.device).expand(shape),
            Some(values) => Tensor::from_data(TensorData::new(values, shape), &self.device),
        }
    }

    /// A parameter of this shape.
    pub fn param<const D: usize>(&mut self, name: &str, shape: [usize; D], init: Init) -> Param<Tensor<D>> {
        let (id, value) = self.buffer(name, shape, init);
        self.finish_param(id, value)
    }

    /// A parameter of one value, which upstream stores without dimensions.
    pub fn scalar(&mut self, name: &str, start: f32) -> Param<Tensor<1>> {
        let stored = self.values(name, &[], Init::Ones);
        let value = if matches!(self.source, Source::Random(_)) { Some(vec![start]) } else { stored };
        let id = self.key(name, &[], false);
        self.finish_param(id, self.tensor(value, [1]))
    }

    /// A parameter that upstream stores in a different shape of as many values, such as a kernel over one dimension.
    pub fn reshaped<const D: usize>(
        &mut self,
        name: &str,
        stored: &[usize],
        held: [usize; D],
        init: Init,
    ) -> Param<Tensor<D>> {
        let values = self.values(name, stored, init);
        let id = self.key(name, stored, false);
        self.finish_param(id, self.tensor(values, held))
    }

    /// A matrix that upstream stores as `[out, in]` and the model holds as `[in, out]`.
    pub fn transposed(&mut self, name: &str, [input, output]: [usize; 2], init: Init) -> Param<Tensor<2>> {
        let values = self.values(name, &[output, input], init);
        let id = self.key(name, &[output, input], true);
        let flipped = values.map(|values| swap(output, input, &values));
        let value = self.tensor(flipped, [input, output]);
        self.finish_param(id, value)
    }

    fn finish_param<const D: usize>(&self, id: ParamId, value: Tensor<D>) -> Param<Tensor<D>> {
        Param::initialized(id, value.set_require_grad(!self.frozen)).set_require_grad(!self.frozen)
    }

    /// The keys asked for; an error if the checkpoint lacked some, or held others.
    ///
    /// `ignore` tells which further keys of a file are known to be of no use (buffers, optimiser state, losses).
    pub fn finish(self, ignore: impl Fn(&str) -> bool) -> Result<Vec<Key>, WeightsError> {
        let unexpected: Vec<String> = match self.source {
            Source::Stored(left) => left.into_keys().filter(|k| !ignore(k) && !self.used.contains(k)).collect(),
            _ => Vec::new(),
        };
        if self.missing.is_empty() && self.misshapen.is_empty() && unexpected.is_empty() {
            Ok(self.keys)
        } else {
            Err(WeightsError { missing: self.missing, misshapen: self.misshapen, unexpected })
        }
    }
}

/// 64-bit FNV-1a: the identity of a parameter must be the same in every process, for optimiser states to fit.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

fn draw(rng: &mut impl Rng, len: usize, init: Init) -> Vec<f32> {
    match init {
        Init::Zeros => vec![0.0; len],
        Init::Ones => vec![1.0; len],
        Init::Uniform(bound) => (0..len).map(|_| rng.random_range(-bound..=bound)).collect(),
        Init::Normal(sd) => normal(rng, len, sd),
    }
}

/// The parameters of a module in their upstream layout.
pub fn state_dict<M: Module>(module: &M, keys: &[Key]) -> StateDict {
    struct Collect(BTreeMap<u64, (Vec<usize>, Vec<f32>)>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val();
            let shape = tensor.dims().to_vec();
            let data = tensor.into_data().convert::<f32>();
            let values = data.as_slice::<f32>().map(<[f32]>::to_vec).unwrap_or_default();
            self.0.insert(param.id.val(), (shape, values));
        }
    }
    let mut collected = Collect(BTreeMap::new());
    module.visit(&mut collected);
    keys.iter()
        .filter_map(|key| {
            let (_, values) = collected.0.get(&key.id.val())?;
            let values = if key.transposed { swap(key.shape[1], key.shape[0], values) } else { values.clone() };
            Some((key.name.clone(), Stored { shape: key.shape.clone(), values }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_a_checkpoint_lacks_takes_no_memory() {
        const HUGE: usize = 1 << 31;
        let device = crate::device::device("cpu").unwrap();
        let stored = Stored { shape: vec![1], values: vec![0.0] };
        let held = StateDict::from([("misshapen".to_owned(), stored.clone()), ("\u{1b}[2J".to_owned(), stored)]);
        let mut b = Builder::stored(held, &device);
        let _ = b.param("missing", [HUGE, HUGE], Init::Zeros);
        let _ = b.transposed("misshapen", [HUGE, HUGE], Init::Zeros);
        let error = b.finish(|_| false).unwrap_err();
        assert_eq!((error.missing.len(), error.misshapen.len(), error.unexpected.len()), (1, 1, 1));
        assert!(error.to_string().contains(r"1 unexpected: \u{1b}[2J"), "{error}");
    }
}
