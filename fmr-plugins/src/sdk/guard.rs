//! No panic leaves the plugin: it is caught, explained, and poisons the instance.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Once, OnceLock};

use fmr_core::registry::Registry;

use super::call::Scope;
use super::failure::Failure;
use crate::abi::{self, Status};
use crate::prefix;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What each call begins with, if anything.
static BEFORE: OnceLock<fn()> = OnceLock::new();

/// What the components of this library may be made of.
static PARTS: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    if let Some(register) = REGISTER.get() {
        register(&mut registry);
    }
    registry
});

/// What registers these, if anything.
static REGISTER: OnceLock<fn(&mut Registry)> = OnceLock::new();

/// What all calls of a library have in common, as `export!` was told.
#[derive(Debug, Clone, Copy)]
pub struct Common {
    /// What each call begins with.
    pub before: Option<fn()>,
    /// Registers components that those of the library may be made of.
    pub parts: Option<fn(&mut Registry)>,
}

impl Common {
    /// Sets it for this library.
    pub(super) fn set(self) {
        if let Some(before) = self.before {
            BEFORE.get_or_init(|| before);
        }
        if let Some(parts) = self.parts {
            REGISTER.get_or_init(|| parts);
        }
    }
}

/// The components that those of this library may be made of.
pub(super) fn parts() -> &'static Registry {
    &PARTS
}

/// Keeps text and place of a panic inside a call for the error, instead of printing it. Elsewhere the hook that was
/// there before goes on.
fn hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Thread-locals may be gone while a thread ends.
            if GUARDED.try_with(Cell::get).unwrap_or(false) {
                let text = text(info.payload());
                let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
                let _ = PANIC.try_with(|p| *p.borrow_mut() = Some(format!("{text}{place}")));
            } else {
                before(info);
            }
        }));
    });
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a value that is not text".to_owned())
}

/// Runs the work of one call; `poisoned` belongs to the instance.
///
/// # Safety
/// `call` is null or valid, as the header describes, until this returns.
pub(super) unsafe fn guard(
    call: *const abi::Call,
    poisoned: Option<&AtomicBool>,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Status {
    // SAFETY: the caller's promise.
    let Ok(call) = (unsafe { prefix::read(call) }) else { return abi::BAD_CALL };
    let _scope = Scope::enter(call);
    let failure = if poisoned.is_some_and(|p| p.load(Ordering::Acquire)) {
        Failure::new(
            abi::POISONED,
            "an earlier call panicked, which may have left it inconsistent; it has to be made anew",
        )
    } else {
        let whole = || {
            if let Some(before) = BEFORE.get() {
                before();
            }
            work()
        };
        match caught(whole) {
            Ok(Ok(())) => return abi::OK,
            Ok(Err(failure)) => failure,
            Err(panic) => {
                if let Some(poisoned) = poisoned {
                    poisoned.store(true, Ordering::Release);
                }
                Failure::new(abi::PANICKED, format!("panicked: {panic}"))
            }
        }
    };
    // SAFETY: `error` belongs to the valid call.
    unsafe { failure.write(call.error) };
    failure.status
}

/// The work's result, or the text of its panic.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    hook();
    let outer = GUARDED.replace(true);
    // What a panic leaves behind is poisoned by the caller.
    let result = panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let kept = PANIC.take().unwrap_or_else(|| text(&*payload));
        // Dropping a payload may panic itself; that one is leaked.
        if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
        kept
    });
    GUARDED.set(outer);
    result
}
