//! PyTorch's serialisations: where the pickle and the storages lie in each, and what the pickle means.

mod legacy;
mod rebuild;
mod walk;

use std::cell::RefCell;
use std::collections::HashMap;

use crate::checkpoint::Listing;
use crate::error::Fault;
use crate::pickle::{self, Heap, Value};
use crate::source::{Cursor, Source, Span};
use crate::zip::Archive;
use rebuild::{Rebuilder, Storages};

/// Lists a zip archive written by `torch.save` or `torch.jit.save`; also tells whether it is TorchScript.
pub(crate) fn zip(source: &Source) -> Result<(Listing, bool), Fault> {
    let archive = Archive::open(source)?;
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
    let mut heap = Heap::new();
    let value = pickle::load(&mut Cursor::new(source, data), &mut heap)?;
    let rebuilder =
        Rebuilder { source, heap: &heap, storages: Storages::Archive { archive, root }, embedded: RefCell::default() };
    Ok((walk::list(&rebuilder, value)?, scripted))
}

/// Lists a stream of the time before the zip archive.
pub(crate) fn legacy(source: &Source) -> Result<Listing, Fault> {
    let stream = legacy::read(source, source.span())?;
    let rebuilder = Rebuilder {
        source,
        heap: &stream.heap,
        storages: Storages::Named(stream.storages),
        embedded: RefCell::default(),
    };
    walk::list(&rebuilder, stream.value)
}

/// Lists a plain pickle, whose storages are embedded as byte strings.
pub(crate) fn plain_pickle(source: &Source) -> Result<Listing, Fault> {
    let mut heap = Heap::new();
    let value = pickle::load(&mut Cursor::new(source, source.span()), &mut heap)?;
    let rebuilder =
        Rebuilder { source, heap: &heap, storages: Storages::Named(HashMap::new()), embedded: RefCell::default() };
    walk::list(&rebuilder, value)
}

const BIG_ENDIAN: &str = "it was written on a big-endian machine; load and save it again on a little-endian one";

/// The folder, with its slash, that holds `data.pkl`; its name is arbitrary.
fn root_folder(archive: &Archive<'_>) -> Result<String, Fault> {
    let roots = archive.names().filter_map(|name| {
        let root = name.strip_suffix("data.pkl")?;
        (root.is_empty() || (root.ends_with('/') && root.matches('/').count() == 1)).then_some(root)
    });
    let root = roots.min_by_key(|root| (root.len(), root.to_string()));
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
fn embedded_storage(source: &Source, span: Span) -> Result<Storage, Fault> {
    let stream = legacy::read(source, span)?;
    if !matches!(stream.heap.get(stream.value), Value::Persistent(_)) {
        return Err(Fault::unsupported("one of its byte strings holds a stream that is not a storage"));
    }
    let rebuilder = Rebuilder {
        source,
        heap: &stream.heap,
        storages: Storages::Named(stream.storages),
        embedded: RefCell::default(),
    };
    rebuilder.storage(stream.value)
}
