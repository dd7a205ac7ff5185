//! A component of a plugin with the host's rules around each call: time limit, one call at a time where it needs that,
//! errors that name the file.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fmr_core::registry::{MakeError, Settings, Site};
use fmr_core::{ComponentError, SettingError};

use super::border::{Instance, Place, Refusal, Saved, Wishes};
use super::buffers::{Output, Tensor};
use super::describe::Info;
use super::library::Library;
use super::tables::Role;
use super::watch::{self, Gate};
use crate::abi::{self, Function};

/// What calls into plugins are held to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time after which a call is given up; `None` waits for ever. A call that is told to stop gets a second more.
    pub time: Option<Duration>,
    /// Threads that a call may keep busy; 0 leaves it to the plugin.
    pub threads: u32,
    /// Set to stop calls that are under way.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Limits {
    /// Generous enough for a batch of the largest models on a slow machine.
    pub const DEFAULT_TIME: Duration = Duration::from_secs(3600);
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Some(Self::DEFAULT_TIME), threads: 0, cancel: None }
    }
}

/// See the module.
#[derive(Clone)]
pub(super) struct Handle {
    instance: Arc<Instance>,
    gate: Arc<Gate>,
    limits: Limits,
    seed: u64,
    /// E.g. `target "linear" of /plugins/liblinear.so`.
    label: Arc<str>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({})", self.label)
    }
}

fn wishes(limits: &Limits, seed: u64, speaker: &Arc<str>) -> Wishes {
    Wishes {
        threads: limits.threads,
        seed,
        deadline: limits.time.map(|t| Instant::now() + t),
        cancel: limits.cancel.clone(),
        speaker: Arc::clone(speaker),
    }
}

/// Runs a call until its limit and the second that it has to obey.
fn within<R: Send + 'static>(limits: &Limits, job: impl FnOnce() -> R + Send + 'static) -> Result<R, Refusal> {
    let limit = limits.time.map(|t| t + Duration::from_secs(1).min(t));
    watch::within(limit, job).map_err(|_| {
        Refusal::new(format!(
            "it did not return within {} s; raise `time-limit` if it is slow, else tell its author that it hangs",
            limits.time.unwrap_or_default().as_secs_f64()
        ))
    })
}

/// A call that obeyed when its time was over did not fail by itself.
fn overdue(refusal: Refusal, limits: &Limits, wishes: &Wishes) -> Refusal {
    match wishes.deadline {
        Some(deadline) if refusal.status == abi::CANCELLED && Instant::now() >= deadline => {
            let seconds = limits.time.unwrap_or_default().as_secs_f64();
            Refusal {
                message: format!("it took longer than {seconds} s and was stopped; raise `time-limit`"),
                ..refusal
            }
        }
        _ => refusal,
    }
}

impl Handle {
    pub(super) fn make(
        library: &Library,
        role: Role,
        name: Option<&str>,
        settings: &Settings,
        site: &Site,
        limits: &Limits,
    ) -> Result<Self, MakeError> {
        let component = library.component(role, name)?.clone();
        let label: Arc<str> = label(role, &component.name, library.path()).into();
        let asked = "make it of its settings";
        let length = |l: usize| u32::try_from(l).unwrap_or(u32::MAX);
        let place = Place {
            base: site.base.to_string_lossy().into_owned(),
            device: site.device.clone(),
            image: site.image.map(length),
        };
        let text = serde_json::Value::Object(settings.0.clone()).to_string();
        let wishes = wishes(limits, site.seed, &label);
        let made = within(limits, move || Instance::make(component, &text, &place, &wishes)).and_then(|made| made);
        match made {
            Ok(instance) => {
                if !instance.info.deterministic {
                    tracing::warn!("{label}: it does not promise to be deterministic; a repeated run may differ");
                }
                let gate = Gate::new(instance.info.thread_safe);
                Ok(Self { gate, instance: Arc::new(instance), limits: limits.clone(), seed: site.seed, label })
            }
            Err(r) if r.status == abi::BAD_SETTING => Err(SettingError::new(r.subject, r.message).into()),
            Err(r) => Err(explained(&label, asked, r).into()),
        }
    }

    pub(super) fn info(&self) -> &Info {
        &self.instance.info
    }

    /// An error of this component.
    pub(super) fn error(&self, asked: &str, problem: impl Into<String>) -> ComponentError {
        ComponentError::new(&*self.label, asked, problem)
    }

    /// A call under the host's rules.
    fn call<R: Send + 'static>(
        &self,
        asked: &str,
        job: impl FnOnce(&Arc<Instance>, &Wishes) -> Result<R, Refusal> + Send + 'static,
    ) -> Result<R, ComponentError> {
        let stuck = |_| self.error(asked, "an earlier call never returned; start fmr anew to use it again");
        let pass = self.gate.enter().map_err(stuck)?;
        let (instance, wishes) = (Arc::clone(&self.instance), wishes(&self.limits, self.seed, &self.label));
        let limits = self.limits.clone();
        let result = within(&self.limits, move || {
            let result = job(&instance, &wishes).map_err(|r| overdue(r, &limits, &wishes));
            drop(pass);
            result
        });
        result
            .unwrap_or_else(|overdue| {
                self.gate.give_up();
                Err(overdue)
            })
            .map_err(|r| explained(&self.label, asked, r))
    }

    pub(super) fn set_classes(&self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        let (names, templates) = (names.to_owned(), templates.to_owned());
        self.call("set classes", move |instance, wishes| instance.set_classes(&names, &templates, wishes))
    }

    /// Values of the outputs.
    pub(super) fn forward<const N: usize>(
        &self,
        asked: &str,
        function: Function,
        mut inputs: Vec<Tensor>,
        mut outputs: [Output; N],
    ) -> Result<[Vec<f32>; N], ComponentError> {
        self.call(asked, move |instance, wishes| {
            instance.forward(function, &mut inputs, &mut outputs, false, wishes)?;
            Ok(outputs.map(Output::into_values))
        })
    }

    /// Values of the output and what its pull-back needs.
    pub(super) fn forward_saving(
        &self,
        asked: &str,
        function: Function,
        mut inputs: Vec<Tensor>,
        mut output: Output,
    ) -> Result<(Vec<f32>, Saved), ComponentError> {
        self.call(asked, move |instance, wishes| {
            let outputs = std::slice::from_mut(&mut output);
            let saved = instance.forward(function, &mut inputs, outputs, true, wishes)?;
            let saved = saved.ok_or_else(|| Refusal::new("it saved nothing for its pull-back"))?;
            Ok((output.into_values(), saved))
        })
    }

    /// Values of the gradient.
    pub(super) fn pull_back(
        &self,
        asked: &str,
        saved: Saved,
        mut cotangent: Tensor,
        mut gradient: Output,
    ) -> Result<Vec<f32>, ComponentError> {
        self.call(asked, move |_, wishes| {
            saved.pull_back(&mut cotangent, &mut gradient, wishes)?;
            Ok(gradient.into_values())
        })
    }
}

fn label(role: Role, name: &str, path: &Path) -> String {
    format!("{role} {name:?} of {}", path.display())
}

fn explained(label: &str, asked: &str, refusal: Refusal) -> ComponentError {
    let asked = if refusal.subject.is_empty() { asked.to_owned() } else { refusal.subject };
    ComponentError::new(label, asked, refusal.message)
}
