//! Components and saved states as the handles that the host holds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use fmr_core::registry::{MakeContext, MakeError, Settings};
use fmr_core::{Generator, ImagePullBack, LatentPullBack, Oracle, Scorer, Target};
use ndarray::Array2;
use serde::de::DeserializeOwned;

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
    pub(super) fn new(part: Part) -> Self {
        let info = Description::of(&part);
        Self { part, poisoned: AtomicBool::new(false), info }
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
    unsafe { Live::of(handle) }.map_or(std::ptr::null(), |live| &raw const *live.info.info)
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

/// An [`abi::Info`] and all that it points at. Vectors rather than boxes: a box that moves claims what it points at.
pub(super) struct Description {
    info: Box<abi::Info>,
    _name: String,
    _blocks: Vec<abi::Block>,
    _names: Vec<String>,
    _shapes: Vec<Vec<i64>>,
}

// SAFETY: the pointers lead to the description's own heap, which is never written again.
unsafe impl Send for Description {}
// SAFETY: as above.
unsafe impl Sync for Description {}

/// What a generator offers beyond the rest, as one latent of zeros shows.
fn offers(generator: &dyn Generator) -> u64 {
    let latents = Array2::zeros((1, generator.spec().latent_len()));
    let finishes = matches!(generator.finish(latents.view(), &[0]), Ok(Some(_)));
    let quantizes = matches!(generator.quantized(latents.view()), Ok(Some(seen)) if seen.dim() == latents.dim());
    let flag = |offered, flag| if offered { flag } else { 0 };
    flag(finishes, abi::FINISHES) | flag(quantizes, abi::QUANTIZES)
}

impl Description {
    fn of(part: &Part) -> Self {
        let always = abi::DETERMINISTIC | abi::THREAD_SAFE;
        let (name, classes, flags, image, latent) = match part {
            Part::Generator(g) => {
                let spec = g.spec();
                let flags = abi::DIFFERENTIABLE | abi::BATCHED_PULL_BACK | abi::NEEDS_LABELS | offers(&**g);
                (spec.name.clone(), 0, flags, spec.image, spec.latent.clone())
            }
            Part::Oracle(o) => (o.read().unwrap_or_else(|p| p.into_inner()).name().to_owned(), 0, 0, [0; 3], vec![]),
            Part::Target(t) => {
                let spec = t.spec();
                let flags = if spec.differentiable { abi::DIFFERENTIABLE | abi::BATCHED_PULL_BACK } else { 0 };
                (spec.name.clone(), spec.classes, flags, [0; 3], vec![])
            }
            Part::Scorer(s) => (s.name().to_owned(), 0, abi::NEEDS_LABELS, [0; 3], vec![]),
        };
        let names: Vec<String> = latent.iter().map(|b| b.name.clone()).collect();
        let shapes: Vec<Vec<i64>> = latent.iter().map(|b| b.shape.iter().map(|l| *l as i64).collect()).collect();
        let block = |name: &str, shape: &[i64]| abi::Block {
            name: abi::Str::new(name),
            shape: shape.as_ptr(),
            ndim: shape.len() as u32,
            reserved: 0,
        };
        let blocks: Vec<abi::Block> = names.iter().zip(&shapes).map(|(name, shape)| block(name, shape)).collect();
        let info = Box::new(abi::Info {
            size: size_of::<abi::Info>() as u32,
            classes: u32::try_from(classes).unwrap_or(u32::MAX),
            flags: always | flags,
            name: abi::Str::new(&name),
            image: image.map(|l| u32::try_from(l).unwrap_or(u32::MAX)),
            blocks_len: blocks.len() as u32,
            blocks: blocks.as_ptr(),
        });
        Self { info, _name: name, _blocks: blocks, _names: names, _shapes: shapes }
    }
}
