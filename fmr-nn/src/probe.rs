//! Sight of the activations inside a model, by the names that upstream gives its modules: for parity tests and for
//! feature-based analyses. Models call [`Probe::see`] where upstream has a module; without a viewer that costs nothing.

use burn::tensor::Tensor;

/// Takes name, shape and row-major values of an activation.
pub type Viewer<'a> = &'a mut dyn FnMut(&str, &[usize], &[f32]);

/// Shows activations to a viewer, if there is one.
#[derive(Default)]
pub struct Probe<'a>(Option<Viewer<'a>>);

impl<'a> Probe<'a> {
    /// Shows nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Shows every activation to `viewer`.
    pub fn to(viewer: Viewer<'a>) -> Self {
        Self(Some(viewer))
    }

    /// Whether anybody looks; then layers compute what upstream's modules give, unfused.
    pub fn on(&self) -> bool {
        self.0.is_some()
    }

    /// Shows the output of the module `name`.
    pub fn see<const D: usize>(&mut self, name: impl AsRef<str>, x: &Tensor<D>) {
        if let Some(viewer) = &mut self.0 {
            let data = x.clone().without_autodiff().into_data();
            viewer(name.as_ref(), &x.dims(), data.as_slice::<f32>().unwrap_or(&[]));
        }
    }
}
