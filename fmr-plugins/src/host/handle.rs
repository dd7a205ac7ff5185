//! A component of a plugin with the host's rules around each call: time limit, one call at a time where it needs that,
//! errors that name the file.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fmr_core::registry::{MakeContext, MakeError, NamedFile, Settings};
use fmr_core::{ComponentError, Progress, SettingError, SettingProblem};

use super::border::{Instance, Place, Refusal, Saved, Wishes};
use super::buffers::{Output, Tensor};
use super::describe::Info;
use super::library::Library;
use super::paths;
use super::tables::{Component, Role};
use super::watch::{self, Gate, Unfinished};
use crate::abi::{self, Function};

/// What calls into plugins are held to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time after which a call is given up; `None` waits for ever. A call that is told to stop gets a second more.
    pub time: Option<Duration>,
    /// Threads that a call may keep busy; 0 takes the budget of the thread that calls
    /// ([`fmr_core::threads::budget`]), and leaves it to the plugin where there is none.
    pub threads: u32,
    /// Set to tell calls under way that their results are not wanted any more. Those that obey end with an error that
    /// is [`cancelled`](ComponentError::cancelled).
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

/// What an instance is made of, and made anew of.
#[derive(Debug, Clone)]
struct Recipe {
    component: Component,
    settings: String,
    place: Place,
    /// An oracle's classes and templates, once they are set.
    classes: Option<(Vec<String>, Vec<String>)>,
}

impl Recipe {
    /// An instance, made within the limits.
    fn make(&self, limits: &Limits, wishes: Wishes) -> Result<Instance, Refusal> {
        let recipe = self.clone();
        within(limits, wishes, move |wishes| recipe.make_here(wishes)).map_err(|u| unfinished(u, limits))?
    }

    fn make_here(&self, wishes: &Wishes) -> Result<Instance, Refusal> {
        let instance = Instance::make(self.component.clone(), &self.settings, &self.place, wishes)?;
        if let Some((names, templates)) = &self.classes {
            instance.set_classes(names, templates, wishes)?;
        }
        Ok(instance)
    }
}

/// See the module.
pub(super) struct Handle {
    recipe: Mutex<Recipe>,
    /// Replaced after a panic.
    instance: Mutex<Arc<Instance>>,
    info: Info,
    gate: Arc<Gate>,
    limits: Limits,
    seed: u64,
    progress: Progress,
    /// E.g. `target "linear" of /plugins/liblinear.so`.
    label: Arc<str>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({})", self.label)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wishes(limits: &Limits, seed: u64, speaker: &Arc<str>, progress: &Progress) -> Wishes {
    let budget = || fmr_core::threads::budget().map_or(0, |most| u32::try_from(most.get()).unwrap_or(0));
    Wishes {
        threads: if limits.threads == 0 { budget() } else { limits.threads },
        seed,
        deadline: limits.time.map(|t| Instant::now() + t),
        cancel: limits.cancel.clone(),
        speaker: Arc::clone(speaker),
        progress: progress.clone(),
        work: Mutex::new(("make it", None)),
    }
}

/// Runs a call until its limit and the second that it has to obey.
fn within<R: Send + 'static>(
    limits: &Limits,
    wishes: Wishes,
    job: impl FnOnce(&Wishes) -> R + Send + 'static,
) -> Result<R, Unfinished> {
    let limit = limits.time.map(|t| t + Duration::from_secs(1).min(t));
    watch::within(limit, wishes.threads, move || job(&wishes))
}

/// What a call that did not finish is refused for.
fn unfinished(unfinished: Unfinished, limits: &Limits) -> Refusal {
    match unfinished {
        Unfinished::Overdue => Refusal::new(format!(
            "it did not return within {} s; raise `time-limit` if it is slow, else tell its author that it hangs",
            limits.time.unwrap_or_default().as_secs_f64()
        )),
        Unfinished::NoThread => Refusal::new(
            "the system gives no thread to run it on; end other programs, use fewer `lanes`, or set `time-limit = 0`, \
             which needs none",
        ),
    }
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

/// What is asked of a plugin first.
const MAKE: &str = "make it of its settings";

/// Where a component is made, as a plugin can be told.
fn place(context: &MakeContext<'_>, label: &str, asked: &str) -> Result<Place, ComponentError> {
    let length = |l: usize| u32::try_from(l).unwrap_or(u32::MAX);
    let base = context.base.to_str().ok_or_else(|| {
        let problem = format!(
            "the experiment lies in {}, which is not UTF-8, so that the plugin cannot be told where its files are; \
             rename that folder",
            context.base.display()
        );
        ComponentError::new(label, asked, problem)
    })?;
    Ok(Place { base: base.to_owned(), device: context.device.clone(), image: context.image.map(length) })
}

/// Why a component is not made, or its settings are refused.
fn refused(label: &str, asked: &str, refusal: Refusal, limits: &Limits) -> MakeError {
    match refusal.status {
        abi::BAD_SETTING => SettingError::new(refusal.subject, refusal.message).into(),
        abi::UNKNOWN_NAME => {
            SettingError { key: refusal.subject, problem: SettingProblem::Absent(refusal.message) }.into()
        }
        _ => explained(label, asked, refusal, limits).into(),
    }
}

/// Checks the settings of a component without the files that they name, and gives these: by its own function where it has
/// one, otherwise by its schema.
pub(super) fn check(
    library: &Library,
    role: Role,
    name: Option<&str>,
    settings: &Settings,
    context: &MakeContext<'_>,
    limits: &Limits,
) -> Result<Vec<NamedFile>, MakeError> {
    const CHECK: &str = "check its settings";
    let component = library.component(role, name)?;
    let Some(check) = component.check else { return Ok(paths::named(&component.schema, settings, context)) };
    let label: Arc<str> = label(role, &component.name, library.path()).into();
    let (place, wishes) = (place(context, &label, CHECK)?, wishes(limits, context.seed, &label, &context.progress));
    let settings = serde_json::Value::Object(settings.0.clone()).to_string();
    let files = within(limits, wishes, move |wishes| super::border::check(check, &settings, &place, wishes));
    let files = files.map_err(|u| unfinished(u, limits)).flatten();
    let files = files.map_err(|refusal| refused(&label, CHECK, refusal, limits))?;
    Ok(files.into_iter().map(|(key, path)| NamedFile { key, path: path.into(), published: None }).collect())
}

impl Handle {
    pub(super) fn make(
        library: &Library,
        role: Role,
        name: Option<&str>,
        settings: &Settings,
        context: &MakeContext<'_>,
        limits: &Limits,
    ) -> Result<Self, MakeError> {
        let component = library.component(role, name)?.clone();
        let label: Arc<str> = label(role, &component.name, library.path()).into();
        let place = place(context, &label, MAKE)?;
        let settings = paths::resolved(&component.schema, settings, context)
            .map_err(|problem| ComponentError::new(&*label, MAKE, problem))?;
        let recipe = Recipe { component, settings, place, classes: None };
        let instance = match recipe.make(limits, wishes(limits, context.seed, &label, &context.progress)) {
            Ok(instance) => instance,
            Err(refusal) => return Err(refused(&label, MAKE, refusal, limits)),
        };
        let info = instance.info.clone();
        if !info.deterministic {
            tracing::warn!("{label}: it does not promise to be deterministic; a repeated run may differ");
        }
        info.files.iter().for_each(|file| context.note_file(file));
        if !library.sha256().is_empty() {
            context.note_plugin(library.path(), library.sha256());
        }
        Ok(Self {
            recipe: Mutex::new(recipe),
            instance: Mutex::new(Arc::new(instance)),
            gate: Gate::new(info.thread_safe),
            info,
            limits: limits.clone(),
            seed: context.seed,
            progress: context.progress.clone(),
            label,
        })
    }

    pub(super) fn info(&self) -> &Info {
        &self.info
    }

    /// An error of this component.
    pub(super) fn error(&self, asked: &str, problem: impl Into<String>) -> ComponentError {
        ComponentError::new(&*self.label, asked, problem)
    }

    fn explained(&self, asked: &str, refusal: Refusal) -> ComponentError {
        explained(&self.label, asked, refusal, &self.limits)
    }

    /// The instance, made anew where a panic may have left it inconsistent: one bad sample must not end the run.
    fn instance(&self) -> Result<Arc<Instance>, Refusal> {
        let mut instance = lock(&self.instance);
        if instance.panicked.load(Ordering::Acquire) {
            tracing::warn!("{}: made anew after a panic", self.label);
            let recipe = lock(&self.recipe).clone();
            let made = recipe.make(&self.limits, wishes(&self.limits, self.seed, &self.label, &self.progress))?;
            if made.info != self.info {
                return Err(Refusal::new("made anew after a panic, it describes itself otherwise; tell its author"));
            }
            *instance = Arc::new(made);
        }
        Ok(Arc::clone(&instance))
    }

    /// A call under the host's rules.
    fn attempt<R: Send + 'static>(
        &self,
        job: impl FnOnce(&Arc<Instance>, &Wishes) -> Result<R, Refusal> + Send + 'static,
    ) -> Result<R, Refusal> {
        let stuck = |_| Refusal::new("an earlier call never returned; start fmr anew to use it again");
        let pass = self.gate.enter().map_err(stuck)?;
        let (instance, wishes) = (self.instance()?, wishes(&self.limits, self.seed, &self.label, &self.progress));
        let (limits, shared) = (self.limits.clone(), Arc::clone(&instance));
        let result = within(&self.limits, wishes, move |wishes| {
            let result = job(&shared, wishes).map_err(|r| overdue(r, &limits, wishes));
            drop(pass);
            result
        });
        let result = result.unwrap_or_else(|why| {
            if why == Unfinished::Overdue {
                self.gate.give_up();
            }
            Err(unfinished(why, &self.limits))
        });
        if let Err(Refusal { status: abi::PANICKED | abi::POISONED, .. }) = result {
            instance.panicked.store(true, Ordering::Release);
        }
        result
    }

    pub(super) fn set_classes(&self, names: &[String], templates: &[String]) -> Result<(), ComponentError> {
        let classes = (names.to_owned(), templates.to_owned());
        let set = classes.clone();
        self.attempt(move |instance, wishes| instance.set_classes(&set.0, &set.1, wishes))
            .map_err(|r| self.explained("set classes", r))?;
        lock(&self.recipe).classes = Some(classes);
        Ok(())
    }

    /// A forward. Where the instance was poisoned by a call beside this one, it is repeated on the one made anew.
    fn compute<R: Send + 'static>(
        &self,
        asked: &str,
        job: impl Fn(&Arc<Instance>, &Wishes) -> Result<R, Refusal> + Clone + Send + 'static,
    ) -> Result<R, ComponentError> {
        let result = match self.attempt(job.clone()) {
            Err(r) if r.status == abi::POISONED => self.attempt(job),
            result => result,
        };
        result.map_err(|r| self.explained(asked, r))
    }

    /// Values of the outputs of these shapes.
    pub(super) fn forward<const N: usize>(
        &self,
        asked: &str,
        function: Function,
        inputs: Vec<Tensor>,
        shapes: [&[usize]; N],
    ) -> Result<[Vec<f32>; N], ComponentError> {
        let (inputs, shapes) = (Arc::new(inputs), shapes.map(<[usize]>::to_vec));
        self.compute(asked, move |instance, wishes| {
            let mut outputs = Vec::with_capacity(N);
            for shape in &shapes {
                outputs.push(Output::new(shape).map_err(Refusal::new)?);
            }
            instance.forward(function, &inputs, &mut outputs, false, wishes)?;
            let mut values = outputs.into_iter().map(Output::into_values);
            Ok(std::array::from_fn(|_| values.next().unwrap_or_default()))
        })
    }

    /// Values of the output and what its pull-back needs.
    pub(super) fn forward_saving(
        &self,
        asked: &str,
        function: Function,
        inputs: Vec<Tensor>,
        shape: &[usize],
    ) -> Result<(Vec<f32>, Saved), ComponentError> {
        let (inputs, shape) = (Arc::new(inputs), shape.to_vec());
        self.compute(asked, move |instance, wishes| {
            let mut output = Output::new(&shape).map_err(Refusal::new)?;
            let saved = instance.forward(function, &inputs, std::slice::from_mut(&mut output), true, wishes)?;
            let saved = saved.ok_or_else(|| Refusal::new("it saved nothing for its pull-back"))?;
            Ok((output.into_values(), saved))
        })
    }

    /// Values of the gradient.
    pub(super) fn pull_back(
        &self,
        asked: &str,
        saved: Saved,
        cotangent: Tensor,
        shape: &[usize],
    ) -> Result<Vec<f32>, ComponentError> {
        let shape = shape.to_vec();
        self.attempt(move |_, wishes| {
            let mut gradient = Output::new(&shape).map_err(Refusal::new)?;
            saved.pull_back(&cotangent, &mut gradient, wishes)?;
            Ok(gradient.into_values())
        })
        .map_err(|r| self.explained(asked, r))
    }
}

fn label(role: Role, name: &str, path: &Path) -> String {
    format!("{role} {name:?} of {}", path.display())
}

fn explained(label: &str, asked: &str, refusal: Refusal, limits: &Limits) -> ComponentError {
    let told = || limits.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
    let cancelled = refusal.status == abi::CANCELLED && told();
    let asked = if refusal.subject.is_empty() { asked.to_owned() } else { refusal.subject };
    ComponentError { cancelled, ..ComponentError::new(label, asked, refusal.message) }
}
