//! Components and saved states as the handles that the host holds.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Settings};
use fmr_core::{Generator, ImagePullBack, LatentPullBack, Oracle, Scorer, Target};
use serde::de::DeserializeOwned;

use super::description::Description;
use super::failure::Failure;
use crate::abi;

/// A component of any role.
pub enum Part {
    /// See [`Generator`].
    Generator(Box<dyn Generator>),
    /// See [`Oracle`]. The lock is for [`Oracle::set_classes`] alone.
    Oracle(RwLock<Box<dyn Oracle>>),
    /// See [`Target`].
    Target(Box<dyn Target>),
    /// See [`Scorer`].
    Scorer(Box<dyn Scorer>),
}

macro_rules! constructor {
    ($name:ident, $trait:ident, $wrap:expr) => {
        /// A constructor of a component as one of a [`Part`].
        pub fn $name<S: DeserializeOwned, T: $trait + 'static, E: Into<MakeError>>(
            make: impl Fn(S, &MakeContext<'_>) -> Result<T, E>,
        ) -> impl Fn(&Settings, &MakeContext<'_>) -> Result<Part, MakeError> {
            move |settings, context| Ok($wrap(Box::new(make(settings.parse::<S>()?, context).map_err(Into::into)?)))
        }
    };
}

constructor!(generator, Generator, Part::Generator);
constructor!(oracle, Oracle, |c| Part::Oracle(RwLock::new(c)));
constructor!(target, Target, Part::Target);
constructor!(scorer, Scorer, Part::Scorer);

macro_rules! recipe {
    ($name:ident, $check:ident, $trait:ident, $wrap:expr) => {
        /// The check of a component's settings by their recipe.
        pub fn $check<S: Recipe<dyn $trait>>(
            settings: &Settings,
            context: &MakeContext<'_>,
        ) -> Result<Vec<NamedFile>, MakeError> {
            settings.parse::<S>()?.check(context)
        }

        /// A constructor of a component by its recipe.
        pub fn $name<S: Recipe<dyn $trait>>() -> impl Fn(&Settings, &MakeContext<'_>) -> Result<Part, MakeError> {
            |settings, context| Ok($wrap(settings.parse::<S>()?.make(context)?))
        }
    };
}

recipe!(generator_recipe, check_generator, Generator, Part::Generator);
recipe!(oracle_recipe, check_oracle, Oracle, |c| Part::Oracle(RwLock::new(c)));
recipe!(target_recipe, check_target, Target, Part::Target);
recipe!(scorer_recipe, check_scorer, Scorer, Part::Scorer);

static INSTANCES: AtomicU64 = AtomicU64::new(0);
static SAVED: AtomicU64 = AtomicU64::new(0);

/// Handles given out and not returned.
///
/// # Safety
/// Both pointers are valid for writing.
pub(super) unsafe extern "C" fn live_handles(instances: *mut u64, saved: *mut u64) {
    // SAFETY: the caller's promise.
    unsafe {
        instances.write(INSTANCES.load(Ordering::Acquire));
        saved.write(SAVED.load(Ordering::Acquire));
    }
}

/// What an instance's handle points at.
pub(super) struct Live {
    pub(super) part: Part,
    pub(super) poisoned: AtomicBool,
    pub(super) info: Description,
}

impl Live {
    /// A component that was made of these files.
    pub(super) fn new(part: Part, files: &[PathBuf]) -> Result<Self, Failure> {
        let info = Description::of(&part, files)?;
        Ok(Self { part, poisoned: AtomicBool::new(false), info })
    }

    /// A handle, to be ended by [`destroy`].
    pub(super) fn into_handle(self) -> *mut abi::Instance {
        INSTANCES.fetch_add(1, Ordering::AcqRel);
        Arc::into_raw(Arc::new(self)).cast_mut().cast()
    }

    /// The instance behind a handle.
    ///
    /// # Safety
    /// The handle came from [`Live::into_handle`] and is not destroyed during `'a`.
    pub(super) unsafe fn of<'a>(handle: *const abi::Instance) -> Option<&'a Self> {
        // SAFETY: the caller's promise; null becomes `None`.
        unsafe { handle.cast::<Self>().as_ref() }
    }

    /// A share in the instance behind a handle.
    ///
    /// # Safety
    /// As for [`Live::of`].
    unsafe fn share(handle: *const abi::Instance) -> Arc<Self> {
        // SAFETY: the handle is an `Arc`'s pointer, which the host's own share keeps alive.
        unsafe {
            Arc::increment_strong_count(handle.cast::<Self>());
            Arc::from_raw(handle.cast::<Self>())
        }
    }
}

/// # Safety
/// The handle came from [`Live::into_handle`], or is null, and is not used again.
pub(super) unsafe extern "C" fn destroy(handle: *mut abi::Instance) {
    if handle.is_null() {
        return;
    }
    INSTANCES.fetch_sub(1, Ordering::AcqRel);
    // SAFETY: takes over the host's share.
    let live = unsafe { Arc::from_raw(handle.cast_const().cast::<Live>()) };
    let _ = super::guard::caught(|| drop(live));
}

/// # Safety
/// The handle is valid.
pub(super) unsafe extern "C" fn info(handle: *const abi::Instance) -> *const abi::Info {
    // SAFETY: the caller's promise. The description lives as long as the instance and never moves.
    unsafe { Live::of(handle) }.map_or(std::ptr::null(), |live| live.info.info())
}

/// A pull-back whose borrow of its component was lengthened; [`Kept`] holds the component.
pub(super) enum Pull {
    Images(ImagePullBack<'static>),
    Latents(LatentPullBack<'static>),
}

/// What a saved state's handle points at. Fields drop in order: the pull-back before what it borrows.
pub(super) struct Kept {
    pub(super) pull: Mutex<Option<Pull>>,
    _component: Arc<Live>,
}

impl Kept {
    /// A handle, to be ended by [`release`].
    ///
    /// # Safety
    /// As for [`Live::of`], and the pull-back borrows from that instance alone.
    pub(super) unsafe fn handle(instance: *const abi::Instance, pull: Pull) -> *mut abi::Saved {
        SAVED.fetch_add(1, Ordering::AcqRel);
        // SAFETY: the caller's promise.
        let component = unsafe { Live::share(instance) };
        Box::into_raw(Box::new(Self { pull: Mutex::new(Some(pull)), _component: component })).cast()
    }

    /// The state behind a handle.
    ///
    /// # Safety
    /// The handle came from [`Kept::handle`] and is not released during `'a`.
    pub(super) unsafe fn of<'a>(handle: *mut abi::Saved) -> Option<&'a Self> {
        // SAFETY: the caller's promise; null becomes `None`.
        unsafe { handle.cast::<Self>().as_ref() }
    }
}

/// # Safety
/// The handle came from [`Kept::handle`], or is null, and is not used again.
pub(super) unsafe extern "C" fn release(handle: *mut abi::Saved) {
    if handle.is_null() {
        return;
    }
    SAVED.fetch_sub(1, Ordering::AcqRel);
    // SAFETY: takes over what `handle` gave out.
    let kept = unsafe { Box::from_raw(handle.cast::<Kept>()) };
    let _ = super::guard::caught(|| drop(kept));
}
