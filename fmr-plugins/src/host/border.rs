//! Calls over the border. Everything that a call touches is owned by the call, so that one which never returns cannot
//! touch what the host goes on to use; handles are owned by types that end them exactly once.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fmr_core::{Progress, Task};

use super::buffers::{Output, Tensor};
use super::describe::{self, Info, MOST_FILES};
use super::tables::{self, Component};
use super::texts::Texts;
use crate::abi::{self, Function, Status, Str};
use crate::prefix;

/// How a call ended that did not end well.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: Status,
    /// Key of a setting, or what was asked; may be empty.
    pub(super) subject: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { status: abi::FAILED, subject: String::new(), message: message.into() }
    }
}

/// What the host wishes of a call.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) threads: u32,
    pub(super) seed: u64,
    pub(super) deadline: Option<Instant>,
    pub(super) cancel: Option<Arc<AtomicBool>>,
    /// Who speaks, for the log.
    pub(super) speaker: Arc<str>,
    /// Where the run looks how far components are.
    pub(super) progress: Progress,
    /// What the call does, and the work that it tells of, once it does.
    pub(super) work: Mutex<(&'static str, Option<Task>)>,
}

/// # Safety
/// `context` leads to the [`Wishes`] of the call under way.
unsafe extern "C" fn cancelled(context: *mut c_void) -> i32 {
    // SAFETY: the caller's promise.
    let wishes = unsafe { &*context.cast::<Wishes>() };
    let asked = wishes.cancel.as_ref().is_some_and(|c| c.load(Ordering::Relaxed));
    i32::from(asked || wishes.deadline.is_some_and(|d| Instant::now() >= d))
}

/// # Safety
/// As for [`cancelled`].
unsafe extern "C" fn progress(context: *mut c_void, done: u64, total: u64) {
    // SAFETY: the caller's promise.
    let wishes = unsafe { &*context.cast::<Wishes>() };
    tracing::debug!(target: "fmr::plugin", component = &*wishes.speaker, done, total, "progress");
    let steps = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut work = wishes.work.lock().unwrap_or_else(PoisonError::into_inner);
    let what = work.0;
    let task = work.1.get_or_insert_with(|| wishes.progress.begin(&*wishes.speaker, what, steps(total)));
    // Whether the result is wanted is for `cancelled` to say.
    let _ = task.reached(steps(done));
}

/// # Safety
/// As for [`cancelled`]; the text is valid.
unsafe extern "C" fn log(context: *mut c_void, level: u32, text: Str) {
    // SAFETY: the caller's promise.
    let wishes = unsafe { &*context.cast::<Wishes>() };
    // SAFETY: the caller's promise.
    let bytes = unsafe { prefix::list(text.ptr, text.len) }.filter(|bytes| bytes.len() <= 1 << 20);
    let text = bytes.map_or("(a message that is null or too long)".into(), String::from_utf8_lossy);
    let component = &*wishes.speaker;
    match level {
        abi::LEVEL_ERROR => tracing::error!(target: "fmr::plugin", component, "{text}"),
        abi::LEVEL_WARN => tracing::warn!(target: "fmr::plugin", component, "{text}"),
        abi::LEVEL_INFO => tracing::info!(target: "fmr::plugin", component, "{text}"),
        _ => tracing::debug!(target: "fmr::plugin", component, "{text}"),
    }
}

/// Makes one call: `f` gets a valid [`abi::Call`].
fn call(wishes: &Wishes, f: impl FnOnce(*const abi::Call) -> Status) -> Result<(), Refusal> {
    let mut texts = Texts::new();
    let call = abi::Call {
        size: size_of::<abi::Call>() as u32,
        threads: wishes.threads,
        seed: wishes.seed,
        error: texts.error(),
        context: ptr::from_ref(wishes).cast_mut().cast(),
        cancelled: Some(cancelled),
        progress: Some(progress),
        log: Some(log),
    };
    let status = f(&raw const call);
    if status == abi::OK {
        return Ok(());
    }
    let (message, subject) = texts.read();
    let plain = match status {
        abi::BAD_SETTING => "a setting makes no sense, but the plugin does not say which",
        abi::UNSUPPORTED => "it does not offer this",
        abi::FAILED => "it failed and does not say why",
        abi::PANICKED => "it panicked",
        abi::POISONED => "an earlier call panicked; it has to be made anew",
        abi::CONSUMED => "this pull-back was used before",
        abi::CANCELLED => "it was cancelled",
        abi::BAD_CALL => "it finds fault with how it was called",
        abi::UNKNOWN_NAME => "there is nothing of that name",
        _ => "",
    };
    let message = match (message.as_str(), plain) {
        ("", "") => format!("it answered with the unknown status {status}; ask its author"),
        ("", plain) => plain.to_owned(),
        _ => message,
    };
    Err(Refusal { status, subject, message })
}

/// What a function does, for people.
fn what(function: Function) -> &'static str {
    match function {
        abi::ENCODE => "encode images",
        abi::DECODE => "decode latents",
        abi::FINISH => "finish latents",
        abi::QUANTIZE => "quantise latents",
        abi::JUDGE | abi::JUDGE_PICTURES => "judge images",
        abi::LOGITS | abi::LOGITS_OF_PICTURES => "classify images",
        _ => "score",
    }
}

/// A component that was made.
pub(super) struct Instance {
    ptr: NonNull<abi::Instance>,
    component: Component,
    pub(super) info: Info,
    /// Set where a call panicked: the instance will refuse all others.
    pub(super) panicked: AtomicBool,
}

// SAFETY: the contract allows an instance to be used and destroyed on any thread. Calls at the same time go through
// a gate unless the plugin states that it bears them.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: saved states share the instance, so that all are released; the handle is not used again.
        unsafe { (self.component.destroy)(self.ptr.as_ptr()) };
    }
}

/// Where a component is made.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) base: String,
    pub(super) device: String,
    pub(super) image: [u32; 3],
}

impl Place {
    fn site(&self, seed: u64) -> abi::Site {
        abi::Site {
            size: size_of::<abi::Site>() as u32,
            image: self.image,
            base: Str::new(&self.base),
            device: Str::new(&self.device),
            seed,
        }
    }
}

/// The key of a setting and the file that it names, or what is wrong with these.
type Named = Result<(String, String), String>;

/// # Safety
/// `files` leads to the list of the call under way; the texts are valid.
unsafe extern "C" fn name_file(files: *mut c_void, key: Str, path: Str) {
    // SAFETY: the caller's promise.
    let files = unsafe { &mut *files.cast::<Vec<Named>>() };
    if files.len() <= MOST_FILES {
        // SAFETY: as above.
        files.push(unsafe {
            tables::line(key, "a key").and_then(|key| Ok((key, tables::text(path, "the path of a file")?)))
        });
    }
}

/// Checks settings by the component's own function; gives the key and the path of each file that they name.
pub(super) fn check(
    f: abi::Check,
    settings: &str,
    place: &Place,
    wishes: &Wishes,
) -> Result<Vec<(String, String)>, Refusal> {
    let site = place.site(wishes.seed);
    let mut files: Vec<Named> = vec![];
    let list = (&raw mut files).cast();
    call(wishes, |call| {
        // SAFETY: all arguments are valid during the call, and the list is nobody else's.
        unsafe { f(Str::new(settings), &raw const site, call, name_file, list) }
    })?;
    if files.len() > MOST_FILES {
        return Err(Refusal::new(format!("its settings name more than {MOST_FILES} files; tell its author")));
    }
    files.into_iter().collect::<Result<_, _>>().map_err(|e| Refusal::new(format!("of its files, {e}; tell its author")))
}

impl Instance {
    pub(super) fn make(component: Component, settings: &str, place: &Place, wishes: &Wishes) -> Result<Self, Refusal> {
        let site = place.site(wishes.seed);
        let mut handle = ptr::null_mut();
        call(wishes, |call| {
            // SAFETY: all arguments are valid during the call.
            unsafe { (component.create)(Str::new(settings), &raw const site, call, &raw mut handle) }
        })?;
        let ptr = NonNull::new(handle).ok_or_else(|| Refusal::new("it says that it was made, but gave no handle"))?;
        // SAFETY: the instance was just made; the description is copied.
        let info = unsafe { describe::read((component.info)(ptr.as_ptr()), component.role) };
        match info {
            Ok(info) if info.differentiable && component.pull_back.is_none() => {
                // SAFETY: the one end of a handle that got no owner.
                unsafe { (component.destroy)(ptr.as_ptr()) };
                Err(Refusal::new("it says that it is differentiable, but has no pull_back"))
            }
            Ok(info) => Ok(Self { ptr, component, info, panicked: AtomicBool::new(false) }),
            Err(problem) => {
                // SAFETY: as above.
                unsafe { (component.destroy)(ptr.as_ptr()) };
                Err(Refusal::new(format!("it describes itself wrongly: {problem}; tell its author")))
            }
        }
    }

    /// Sets an oracle's classes. The caller sees to it that no other call is under way.
    pub(super) fn set_classes(&self, names: &[String], templates: &[String], wishes: &Wishes) -> Result<(), Refusal> {
        let strs = |list: &[String]| list.iter().map(|t| Str::new(t)).collect::<Vec<_>>();
        let (names, templates) = (strs(names), strs(templates));
        let f = self.component.set_classes.ok_or_else(|| Refusal::new("it has no classes to set"))?;
        call(wishes, |call| {
            // SAFETY: all arguments are valid during the call, which is the only one.
            unsafe { f(self.ptr.as_ptr(), call, names.as_ptr(), names.len(), templates.as_ptr(), templates.len()) }
        })
    }

    /// Computes outputs; with `save`, also what their pull-back needs.
    pub(super) fn forward(
        self: &Arc<Self>,
        function: Function,
        inputs: &[Tensor],
        outputs: &mut [Output],
        save: bool,
        wishes: &Wishes,
    ) -> Result<Option<Saved>, Refusal> {
        wishes.work.lock().unwrap_or_else(PoisonError::into_inner).0 = what(function);
        let ins: Vec<abi::View> = inputs.iter().map(Tensor::view).collect();
        let outs: Vec<abi::View> = outputs.iter_mut().map(Output::view).collect();
        let mut handle = ptr::null_mut();
        let place = if save { &raw mut handle } else { ptr::null_mut() };
        let result = call(wishes, |call| {
            let (i, o) = (ins.as_ptr(), outs.as_ptr());
            // SAFETY: views and their data are valid and not aliased during the call.
            unsafe { (self.component.forward)(self.ptr.as_ptr(), call, function, i, ins.len(), o, outs.len(), place) }
        });
        // Owned before anything else, so that it is released also where the call failed.
        let saved = save.then(|| Saved { ptr: handle, instance: Arc::clone(self) });
        result?;
        outputs.iter().try_for_each(Output::check).map_err(Refusal::new)?;
        Ok(saved)
    }
}

/// What a forward keeps for its pull-back.
pub(super) struct Saved {
    /// Null where the plugin needs nothing.
    ptr: *mut abi::Saved,
    instance: Arc<Instance>,
}

// SAFETY: the contract allows a saved state to be used and released on any thread.
unsafe impl Send for Saved {}

impl Drop for Saved {
    fn drop(&mut self) {
        if let (false, Some((_, release))) = (self.ptr.is_null(), self.instance.component.pull_back) {
            // SAFETY: the handle came from `forward`, is owned by this value alone and not used again.
            unsafe { release(self.ptr) };
        }
    }
}

impl Saved {
    /// The vector-Jacobian product; consumes the state.
    pub(super) fn pull_back(self, cotangent: &Tensor, gradient: &mut Output, wishes: &Wishes) -> Result<(), Refusal> {
        let instance = &self.instance;
        let (f, _) = instance.component.pull_back.ok_or_else(|| Refusal::new("it has no pull-back"))?;
        let (from, to) = (cotangent.view(), gradient.view());
        call(wishes, |call| {
            // SAFETY: handle, views and their data are valid and not aliased during the call.
            unsafe { f(instance.ptr.as_ptr(), self.ptr, call, &raw const from, &raw const to) }
        })?;
        gradient.check().map_err(Refusal::new)
    }
}
