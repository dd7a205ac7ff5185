//! What an instance says of itself, checked and copied.

use std::path::PathBuf;

use fmr_core::LatentBlock;

use super::tables::{Role, line, text};
use crate::abi;
use crate::prefix;

/// Largest number of values of one image, latent or row of logits that is believed.
const MOST: usize = 1 << 30;
/// Most files that a component is believed to have read.
pub(super) const MOST_FILES: usize = 1 << 16;
/// Most names that a class is believed to have.
const MOST_NAMES: usize = 64;

/// What an instance takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Info {
    pub(super) name: String,
    pub(super) classes: usize,
    pub(super) image: [usize; 3],
    pub(super) latent: Vec<LatentBlock>,
    pub(super) differentiable: bool,
    pub(super) deterministic: bool,
    pub(super) thread_safe: bool,
    pub(super) batched_pull_back: bool,
    pub(super) finishes: bool,
    pub(super) quantizes: bool,
    pub(super) pictures: bool,
    /// What it does to an image before its model sees it.
    pub(super) preprocessing: Option<String>,
    /// Names of the classes in label order.
    pub(super) class_names: Option<Vec<Vec<String>>>,
    /// The files that it was made of.
    pub(super) files: Vec<PathBuf>,
}

/// Reads the description of an instance of that role.
///
/// # Safety
/// As for [`prefix::read`], and so on for what it points at.
pub(super) unsafe fn read(info: *const abi::Info, role: Role) -> Result<Info, String> {
    // SAFETY: the caller's promise.
    let raw = unsafe { prefix::read(info) }.map_err(|e| format!("its info: {e}"))?;
    // SAFETY: as above.
    let name = unsafe { line(raw.name, "its name")? };
    if name.is_empty() {
        return Err("it has no name".into());
    }
    let (mut image, mut latent) = ([0; 3], vec![]);
    if role == Role::Generator {
        image = raw.image.map(|l| l as usize);
        believe("an image", &image)?;
        // SAFETY: as above.
        latent = unsafe { blocks(&raw)? };
    }
    if role == Role::Target && (raw.classes < 2 || raw.classes as usize > MOST) {
        return Err(format!("{} classes", raw.classes));
    }
    // SAFETY: as above.
    let (preprocessing, class_names, files) =
        unsafe { (line(raw.preprocessing, "its preprocessing")?, class_names(&raw, role)?, files(&raw)?) };
    let has = |flag| raw.flags & flag != 0;
    Ok(Info {
        name,
        classes: raw.classes as usize,
        image,
        latent,
        differentiable: has(abi::DIFFERENTIABLE),
        deterministic: has(abi::DETERMINISTIC),
        thread_safe: has(abi::THREAD_SAFE),
        batched_pull_back: has(abi::BATCHED_PULL_BACK),
        finishes: has(abi::FINISHES),
        quantizes: has(abi::QUANTIZES),
        pictures: has(abi::PICTURES) && matches!(role, Role::Target | Role::Oracle),
        preprocessing: (!preprocessing.is_empty()).then_some(preprocessing),
        class_names,
        files,
    })
}

/// The number of values of a shape, if it is one.
fn believe(what: &str, shape: &[usize]) -> Result<usize, String> {
    let len = shape.iter().try_fold(1_usize, |n, l| n.checked_mul(*l)).filter(|n| (1..=MOST).contains(n));
    len.ok_or_else(|| format!("{what} of shape {shape:?}"))
}

/// Names of a target's classes, if it knows them.
///
/// # Safety
/// As for [`read`].
unsafe fn class_names(info: &abi::Info, role: Role) -> Result<Option<Vec<Vec<String>>>, String> {
    let len = info.class_names_len;
    if role != Role::Target || len == 0 {
        return Ok(None);
    }
    if len != info.classes {
        return Err(format!("names of {len} classes, but it has {}", info.classes));
    }
    // SAFETY: the caller's promise.
    let classes = unsafe { prefix::list(info.class_names, len as usize) };
    let classes = classes.ok_or_else(|| format!("names of {len} classes, at {:?}", info.class_names))?;
    let of_class = |(label, class): (usize, &abi::Names)| {
        // SAFETY: as above.
        let names = unsafe { prefix::list(class.names, class.len) }.filter(|n| (1..=MOST_NAMES).contains(&n.len()));
        let names = names.ok_or_else(|| format!("class {label} has no name that can be read"))?;
        // SAFETY: as above.
        names.iter().map(|name| unsafe { line(*name, &format!("a name of class {label}")) }).collect()
    };
    classes.iter().enumerate().map(of_class).collect::<Result<_, String>>().map(Some)
}

/// The files that it says it read: there has to be such a file, or its contents could not be told.
///
/// # Safety
/// As for [`read`].
unsafe fn files(info: &abi::Info) -> Result<Vec<PathBuf>, String> {
    // SAFETY: the caller's promise.
    let files = unsafe { prefix::list(info.files, info.files_len as usize) }.filter(|f| f.len() <= MOST_FILES);
    let files = files.ok_or_else(|| format!("{} files, at {:?}", info.files_len, info.files))?;
    let path = |file: &abi::Str| {
        // SAFETY: as above.
        let file = PathBuf::from(unsafe { text(*file, "the path of a file that it read")? });
        match file.is_file() {
            true => Ok(file),
            false => Err(format!("it says that it read {file:?}, but there is no such file")),
        }
    };
    files.iter().map(path).collect()
}

/// # Safety
/// As for [`read`].
unsafe fn blocks(info: &abi::Info) -> Result<Vec<LatentBlock>, String> {
    // SAFETY: as for the info.
    let blocks = unsafe { prefix::list(info.blocks, info.blocks_len as usize) };
    let blocks = blocks.filter(|b| (1..=1 << 16).contains(&b.len()));
    let blocks = blocks.ok_or_else(|| format!("a latent of {} blocks, at {:?}", info.blocks_len, info.blocks))?;
    let mut offset = 0_usize;
    blocks
        .iter()
        .map(|block| {
            // SAFETY: as for the info.
            let (name, lengths) =
                unsafe { (line(block.name, "a block's name")?, prefix::list(block.shape, block.ndim as usize)) };
            let lengths = lengths.filter(|l| l.len() <= 8);
            let lengths = lengths.ok_or_else(|| format!("block {name:?} of {} dimensions", block.ndim))?;
            let whole = |l: &i64| usize::try_from(*l).map_err(|_| format!("block {name:?} of shape {lengths:?}"));
            let shape = lengths.iter().map(whole).collect::<Result<Vec<_>, _>>()?;
            let len = believe(&format!("block {name:?}"), &shape)?;
            let at = offset;
            offset = offset.checked_add(len).filter(|n| *n <= MOST).ok_or("a latent of too many values")?;
            Ok(LatentBlock { name, shape, offset: at })
        })
        .collect()
}
