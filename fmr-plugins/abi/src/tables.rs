//! The tables that a plugin hands over, and the functions in them.

use core::ffi::c_void;

use crate::{Block, Call, Error, Function, Instance, Names, Role, Saved, Site, Status, Str, View};

/// What the host says of itself.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Size of this structure in bytes.
    pub size: u32,
    /// The host's [`crate::MAJOR`].
    pub major: u16,
    /// The host's [`crate::MINOR`].
    pub minor: u16,
    /// Version of the program, for messages.
    pub version: Str,
}

/// The exported function: hands the library's table over, which stays valid and unchanged for ever.
///
/// Must be callable again and from any thread. A plugin that cannot work with this host says why in `error`.
pub type Entry = unsafe extern "C" fn(host: *const Host, error: *mut Error, library: *mut *const Library) -> Status;

/// Counts handles that were given out and not returned: instances and saved states.
pub type LiveHandles = unsafe extern "C" fn(instances: *mut u64, saved: *mut u64);

/// What a plugin file holds.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Library {
    /// Size of this structure in bytes.
    pub size: u32,
    /// [`crate::MAGIC`].
    pub magic: u32,
    /// [`crate::MAJOR`] of the interface that it was built for.
    pub major: u16,
    /// [`crate::MINOR`] of the interface that it was built for.
    pub minor: u16,
    /// Number of components.
    pub components_len: u32,
    /// E.g. [`crate::PANIC_ABORTS`]; unknown bits are ignored.
    pub flags: u64,
    /// Name for messages.
    pub name: Str,
    /// Version for messages and the run store.
    pub version: Str,
    /// The components, each by a pointer so that their tables can grow.
    pub components: *const *const Component,
    /// Optional; lets the host find leaks of handles.
    pub live_handles: Option<LiveHandles>,
}

/// Makes a component from its settings, a JSON object, and refuses unknown keys with [`crate::BAD_SETTING`]. The host
/// looks at `out` after [`crate::OK`] only.
pub type Create =
    unsafe extern "C" fn(settings: Str, site: *const Site, call: *const Call, out: *mut *mut Instance) -> Status;

/// Tells of a file that settings name: the dotted key of the setting, and the path. Used during the call that it came with,
/// on its thread.
pub type NameFile = unsafe extern "C" fn(files: *mut c_void, key: Str, path: Str);

/// Refuses settings as [`Create`] does, as far as that is possible without the files that they name, and tells `file` of
/// each of these, with `files` as its first argument. Paths of the settings are as the experiment has them, and relative
/// ones start from the site's base. A name that there is not is [`crate::UNKNOWN_NAME`].
pub type Check = unsafe extern "C" fn(
    settings: Str,
    site: *const Site,
    call: *const Call,
    file: NameFile,
    files: *mut c_void,
) -> Status;

/// Frees an instance. The host has released all its saved states before.
pub type Destroy = unsafe extern "C" fn(*mut Instance);

/// What the instance takes and gives; valid and unchanged until `destroy`.
pub type GetInfo = unsafe extern "C" fn(*const Instance) -> *const Info;

/// Oracle: sets the classes and the prompt templates, in which `{class}` stands for the name. Comes before the first
/// forward and never beside one.
pub type SetClasses = unsafe extern "C" fn(
    instance: *mut Instance,
    call: *const Call,
    names: *const Str,
    names_len: usize,
    templates: *const Str,
    templates_len: usize,
) -> Status;

/// Computes outputs from inputs as [`Function`] says. `n` is at least 1. Pictures are an input each.
///
/// Where `saved` is not null, the host will pull back: the callee stores a handle there, which the host releases
/// exactly once, whatever happens.
pub type Forward = unsafe extern "C" fn(
    instance: *const Instance,
    call: *const Call,
    function: Function,
    inputs: *const View,
    inputs_len: usize,
    outputs: *const View,
    outputs_len: usize,
    saved: *mut *mut Saved,
) -> Status;

/// Vector-Jacobian product with respect to the first input: from d score / d output to d score / d input.
///
/// Called at most once for a state; a second call answers [`crate::CONSUMED`].
pub type PullBack = unsafe extern "C" fn(
    instance: *const Instance,
    saved: *mut Saved,
    call: *const Call,
    cotangent: *const View,
    gradient: *const View,
) -> Status;

/// Frees a saved state. May come from any thread, also while calls run.
pub type Release = unsafe extern "C" fn(*mut Saved);

/// One component of a library.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Component {
    /// Size of this structure in bytes.
    pub size: u32,
    /// [`crate::GENERATOR`], [`crate::ORACLE`], [`crate::TARGET`] or [`crate::SCORER`].
    pub role: Role,
    /// The name that experiment files use as `kind`.
    pub name: Str,
    /// Makes an instance.
    pub create: Option<Create>,
    /// Frees an instance.
    pub destroy: Option<Destroy>,
    /// Describes an instance.
    pub info: Option<GetInfo>,
    /// Computes.
    pub forward: Option<Forward>,
    /// Oracles only.
    pub set_classes: Option<SetClasses>,
    /// Components with a pull-back only.
    pub pull_back: Option<PullBack>,
    /// Components with a pull-back only.
    pub release: Option<Release>,
    /// Optional: JSON Schema of the settings. One whose `format` is `path` names a file or folder that has to be there;
    /// hosts since 1.1 look for it, and hand its absolute path to [`Create`].
    pub schema: Str,
    /// Since 1.1. Optional: checks settings before their files are there. Without it the schema says which are files.
    pub check: Option<Check>,
}

/// What an instance takes and gives.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Size of this structure in bytes.
    pub size: u32,
    /// Number of logits of a target, else 0.
    pub classes: u32,
    /// Capabilities, e.g. [`crate::THREAD_SAFE`]; unknown bits are ignored.
    pub flags: u64,
    /// Name for messages and reports.
    pub name: Str,
    /// `[channels, height, width]` of a generator's images, else 0.
    pub image: [u32; 3],
    /// Number of blocks of a generator's latent row, else 0.
    pub blocks_len: u32,
    /// The blocks in order, without gaps.
    pub blocks: *const Block,
    /// Since 1.1. What a target or oracle does to an image before its model sees it, in one line for reports; or empty.
    pub preprocessing: Str,
    /// Since 1.1. A target's names of its classes in label order; null where it does not know them.
    pub class_names: *const Names,
    /// Since 1.1. Number of logits, or 0 where there are no names.
    pub class_names_len: u32,
    /// Since 1.1. Number of files.
    pub files_len: u32,
    /// Since 1.1. Every file that [`Create`] read and results depend on, by a path that this process can open.
    pub files: *const Str,
}

// SAFETY: the tables are constant data; what they point to is unchanged for as long as it is valid, by contract.
unsafe impl Sync for Library {}
// SAFETY: as for `Library`.
unsafe impl Sync for Component {}
// SAFETY: as for `Library`.
unsafe impl Send for Component {}
// SAFETY: as for `Library`.
unsafe impl Send for Library {}
