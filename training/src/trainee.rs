//! A network in training: one step, saving and restoring.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use fmr_nn::weights::{Builder, Key, StateDict, state_dict};

use crate::recipe::TrainError;

/// A network in training with its optimiser.
pub(crate) struct Trainee<M> {
    pub module: M,
    optimizer: ModuleOptimizer,
    keys: Vec<Key>,
    make: Make<M>,
    spec: Spec,
}

/// Makes a network of parameters and settings.
type Make<M> = Box<dyn Fn(&mut Builder, &Spec) -> M>;

/// What a network is made from, as opaque settings.
pub(crate) type Spec = serde_json::Value;

impl<M: Module> Trainee<M> {
    pub(crate) fn new(
        spec: Spec,
        seed: u64,
        device: &Device,
        optimizer: ModuleOptimizer,
        make: impl Fn(&mut Builder, &Spec) -> M + 'static,
    ) -> Result<Self, TrainError> {
        let mut b = Builder::random(seed, &device.clone().autodiff());
        let module = make(&mut b, &spec);
        let keys = b.finish(|_| false).map_err(TrainError::weights(Path::new("a new network")))?;
        Ok(Self { module, optimizer, keys, make: Box::new(make), spec })
    }

    pub(crate) fn step(&mut self, loss: burn::tensor::Tensor<1>, rate: f64)
    where
        M: Clone,
    {
        let grads = GradientsParams::from_grads(loss.backward(), &self.module);
        self.module = self.optimizer.step(rate, self.module.clone(), grads);
    }

    pub(crate) fn weights(&self) -> StateDict {
        state_dict(&self.module, &self.keys)
    }

    /// A frozen copy on the plain device, for evaluation.
    pub(crate) fn frozen(&self, device: &Device) -> Result<M, TrainError> {
        let mut b = Builder::stored(self.weights(), device);
        let module = (self.make)(&mut b, &self.spec);
        b.finish(|_| false).map_err(TrainError::weights(Path::new("the network in training")))?;
        Ok(module)
    }

    fn save(&self, base: &Path) -> Result<(), TrainError> {
        fmr_nn::weights::write(&base.with_extension("safetensors"), &self.weights(), false, &BTreeMap::new())?;
        let path = base.with_extension("optimizer");
        let bytes = self.optimizer.into_bytes().map_err(|e| TrainError::state(&path, format_args!("{e:?}")))?;
        fs::write(&path, &bytes[..]).map_err(TrainError::io(&path))
    }

    fn load(&mut self, path: &Path, device: &Device) -> Result<(), TrainError> {
        let tensors = fmr_nn::weights::read(path)?;
        let mut b = Builder::stored_trainable(tensors.tensors, &device.clone().autodiff());
        self.module = (self.make)(&mut b, &self.spec);
        self.keys = b.finish(|_| false).map_err(TrainError::weights(path))?;
        Ok(())
    }

    fn restore(&mut self, base: &Path, device: &Device) -> Result<(), TrainError> {
        self.load(&base.with_extension("safetensors"), device)?;
        let path = base.with_extension("optimizer");
        let bytes = fs::read(&path).map_err(TrainError::io(&path))?;
        let optimizer = std::mem::replace(&mut self.optimizer, burn::optim::SgdConfig::new().init());
        self.optimizer = optimizer
            .from_bytes(burn::tensor::Bytes::from_bytes_vec(bytes))
            .map_err(|e| TrainError::state(&path, format_args!("{e:?}")))?;
        Ok(())
    }
}

/// Networks of a task, in a fixed order, for saving and restoring.
pub(crate) trait Saved {
    fn save(&self, base: &Path) -> Result<(), TrainError>;
    fn restore(&mut self, base: &Path, device: &Device) -> Result<(), TrainError>;
    /// Takes the weights of a file, with a fresh optimiser.
    fn load(&mut self, path: &Path, device: &Device) -> Result<(), TrainError>;
}

impl<M: Module> Saved for Trainee<M> {
    fn save(&self, base: &Path) -> Result<(), TrainError> {
        Trainee::save(self, base)
    }
    fn restore(&mut self, base: &Path, device: &Device) -> Result<(), TrainError> {
        Trainee::restore(self, base, device)
    }
    fn load(&mut self, path: &Path, device: &Device) -> Result<(), TrainError> {
        Trainee::load(self, path, device)
    }
}
