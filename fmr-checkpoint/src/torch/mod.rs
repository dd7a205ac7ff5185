//! PyTorch's serialisations: where the pickle and the storages lie in each, and what the pickle means.

mod legacy;
mod rebuild;
mod walk;

use std::collections::HashMap;

use crate::checkpoint::Listing;
use crate::error::Fault;
use crate::limits::Budget;
use crate::pickle::{self, Heap, Value};
use crate::source::{Cursor, Source, Span};
use crate::zip::Archive;
use rebuild::{Rebuilder, Storages};

/// Lists a zip archive written by `torch.save` or `torch.jit.save`; also tells whether it is TorchScript.
pub(crate) fn zip(source: &Source, budget: &Budget) -> Result<(Listing, bool), Fault> {
    let archive = Archive::open(source, budget)?;
    let root = root_folder(&archive)?;
    if let Some(order) = archive.find(&format!("{root}byteorder"))?
        && source.read(order, 16)? != b"little"
    {
        return Err(Fault::unsupported(BIG_ENDIAN));
    }
    let name = format!("{root}data.pkl");
    let data = archive.find(&name)?;
    let data = data.ok_or_else(|| Fault::corrupt("data.pkl is missing"))?;
    let scripted =
        archive.names().any(|n| n.strip_prefix(&root).is_some_and(|n| n.starts_with("code/") || n == "constants.pkl"));
    let mut heap = Heap::new(budget);
    let value = pickle::load(&mut Cursor::new(source, data, budget), &mut heap)?;
    let rebuilder = Rebuilder::new(source, &heap, Storages::Archive { archive, root });
    Ok((walk::list(&rebuilder, value)?, scripted))
}

/// Lists a stream of the time before the zip archive.
pub(crate) fn legacy(source: &Source, budget: &Budget) -> Result<Listing, Fault> {
    let stream = legacy::read(source, source.span(), budget)?;
    let rebuilder = Rebuilder::new(source, &stream.heap, Storages::Named(stream.storages));
    walk::list(&rebuilder, stream.value)
}

/// Lists a plain pickle, whose storages are embedded as byte strings.
pub(crate) fn plain_pickle(source: &Source, budget: &Budget) -> Result<Listing, Fault> {
    let mut heap = Heap::new(budget);
    let value = pickle::load(&mut Cursor::new(source, source.span(), budget), &mut heap)?;
    let rebuilder = Rebuilder::new(source, &heap, Storages::Named(HashMap::new()));
    walk::list(&rebuilder, value)
}

const BIG_ENDIAN: &str = "it was written on a big-endian machine; load and save it again on a little-endian one";

/// The folder, with its slash, that holds `data.pkl`; its name is arbitrary.
fn root_folder(archive: &Archive<'_>) -> Result<String, Fault> {
    let roots = archive.names().filter_map(|name| {
        let root = name.strip_suffix("data.pkl")?;
        (root.is_empty() || (root.ends_with('/') && root.matches('/').count() == 1)).then_some(root)
    });
    let root = roots.min_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    root.map(str::to_owned).ok_or_else(|| {
        Fault::unsupported(
            "it is a zip archive without data.pkl, so not written by torch.save; unpack it and name the file inside",
        )
    })
}

/// The span and element type of a storage.
#[derive(Debug, Clone, Copy)]
struct Storage {
    dtype: crate::dtype::Dtype,
    bytes: Span,
}

/// Reads a storage that was saved as a legacy stream of its own inside a byte string.
fn embedded_storage(source: &Source, span: Span, budget: &Budget) -> Result<Storage, Fault> {
    let stream = legacy::read(source, span, budget)?;
    if !matches!(stream.heap.get(stream.value), Value::Persistent(_)) {
        return Err(Fault::unsupported("one of its byte strings holds a stream that is not a storage"));
    }
    let rebuilder = Rebuilder::new(source, &stream.heap, Storages::Named(stream.storages));
    rebuilder.storage(stream.value)
}
