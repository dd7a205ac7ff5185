//! Python objects as components of a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fmr::core::registry::{MakeContext, MakeError, Origin, Registry, Settings};
use fmr::core::{Oracle, SettingError, Target, threads};
use fmr::{IN_PROCESS, Interrupt};
use fmr_python_bridge::{Caller, Model, PythonOracle, PythonTarget};
use pyo3::prelude::*;

/// Objects that the bridge wrapped, by the names that the experiment has for them.
pub(crate) type Objects = BTreeMap<String, Py<PyAny>>;

/// The first exception of a model. It ends the run: a user's model that raises is a mistake to be seen at once.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Calls come from a run of this process.
struct InRun {
    interrupt: Interrupt,
    raised: Raised,
}

impl Caller for InRun {
    fn threads(&self) -> usize {
        threads::budget().map_or(0, usize::from)
    }

    fn cancelled(&self) -> bool {
        self.interrupt.asked()
    }

    fn raised(&self, py: Python<'_>, error: &PyErr) {
        let mut first = self.raised.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.clone_ref(py));
        drop(first);
        self.interrupt.hurry();
    }
}

/// Registers the objects as targets and oracles.
pub(crate) fn register(registry: &mut Registry, objects: Objects, interrupt: &Interrupt, raised: &Raised) {
    let found = Found { objects: Arc::new(objects), interrupt: interrupt.clone(), raised: raised.clone() };
    let targets = found.clone();
    let target = move |settings: &Settings, context: &MakeContext<'_>| -> Result<Box<dyn Target>, MakeError> {
        let (name, model) = targets.model("target", settings)?;
        let target = PythonTarget::new(model, name, context.image)?;
        target.expect_names("object")?;
        Ok(Box::new(target))
    };
    let oracle = move |settings: &Settings, _: &MakeContext<'_>| -> Result<Box<dyn Oracle>, MakeError> {
        let (name, model) = found.model("oracle", settings)?;
        let softmax = settings.0.get("softmax").and_then(serde_json::Value::as_bool).unwrap_or(false);
        Ok(Box::new(PythonOracle::new(model, name, softmax)))
    };
    registry.insert::<dyn Target>(IN_PROCESS, Origin::BuiltIn, target);
    registry.insert::<dyn Oracle>(IN_PROCESS, Origin::BuiltIn, oracle);
}

#[derive(Clone)]
struct Found {
    objects: Arc<Objects>,
    interrupt: Interrupt,
    raised: Raised,
}

impl Found {
    /// The object that the setting `object` names, with its name for people (`name`).
    fn model(&self, role: &str, settings: &Settings) -> Result<(String, Model), SettingError> {
        let text = |key: &str| settings.0.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        let (object, name) = (text("object"), text("name"));
        let Some(object) = self.objects.get(object) else {
            return Err(SettingError::new("object", format!("names {object:?}, which this program has not given")));
        };
        let caller = InRun { interrupt: self.interrupt.clone(), raised: self.raised.clone() };
        let model = Python::attach(|py| {
            let wrapped = object.bind(py);
            Model::new(wrapped, format!("{role} {name:?}"), Box::new(caller))
                .map_err(|error| SettingError::new("object", Model::explain(py, &error).1))
        })?;
        Ok((name.to_owned(), model))
    }
}
