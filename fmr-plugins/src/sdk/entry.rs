//! The library's table.

use std::sync::OnceLock;

use super::failure::Failure;
use super::guard::Common;
use super::{functions, guard, live};
use crate::abi::{self, Check, Component, Create, Error, Host, Library, Status, Str};
use crate::prefix;

/// A component's table, which lives for ever, as tables do.
pub fn component(
    role: abi::Role,
    name: &'static str,
    create: Create,
    check: Option<Check>,
    schema: String,
) -> &'static Component {
    Box::leak(Box::new(Component {
        size: size_of::<Component>() as u32,
        role,
        name: Str::new(name),
        create: Some(create),
        destroy: Some(live::destroy),
        info: Some(live::info),
        forward: Some(functions::forward),
        set_classes: Some(functions::set_classes),
        pull_back: Some(functions::pull_back),
        release: Some(live::release),
        schema: Str::new(schema.leak()),
        check,
    }))
}

/// The work of the entry function; `package` is name, version and whether panics abort.
///
/// # Safety
/// `host` and `error` are null or valid as the header describes, `library` is valid for writing.
pub unsafe fn enter(
    host: *const Host,
    error: *mut Error,
    library: *mut *const Library,
    table: &'static OnceLock<Library>,
    package: (&'static str, &'static str, bool),
    common: Common,
    components: impl FnOnce() -> Vec<&'static Component>,
) -> Status {
    let fill = || {
        table.get_or_init(|| {
            common.set();
            let list = components().into_iter().map(std::ptr::from_ref).collect::<Vec<_>>().leak();
            Library {
                size: size_of::<Library>() as u32,
                magic: abi::MAGIC,
                major: abi::MAJOR,
                minor: abi::MINOR,
                components_len: list.len() as u32,
                flags: if package.2 { abi::PANIC_ABORTS } else { 0 },
                name: Str::new(package.0),
                version: Str::new(package.1),
                components: list.as_ptr(),
                live_handles: Some(live::live_handles),
            }
        })
    };
    // SAFETY: the caller's promise.
    let failure = match unsafe { prefix::read(host) } {
        // The symbol's name carries the major version, so this is a host that does not keep its own rules.
        Ok(host) if host.major != abi::MAJOR => {
            Failure::bad_call(format!("built for interface {}, not {}", abi::MAJOR, host.major))
        }
        Err(e) => Failure::bad_call(format!("what the host says of itself cannot be read: {e}")),
        Ok(_) => match guard::caught(fill) {
            Ok(table) => {
                // SAFETY: the caller's promise.
                unsafe { library.write(table) };
                return abi::OK;
            }
            Err(panic) => Failure::new(abi::PANICKED, format!("panicked: {panic}")),
        },
    };
    // SAFETY: the caller's promise.
    unsafe { failure.write(error) };
    failure.status
}
