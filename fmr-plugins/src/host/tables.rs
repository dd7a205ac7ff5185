//! A library's tables, read once, checked, and copied to types of ours.

use super::error::Problem;
use crate::abi::{self, Str};
use crate::prefix;

pub use fmr_core::registry::Role;

/// The role of that number.
fn role_of(role: abi::Role) -> Option<Role> {
    match role {
        abi::GENERATOR => Some(Role::Generator),
        abi::ORACLE => Some(Role::Oracle),
        abi::TARGET => Some(Role::Target),
        abi::SCORER => Some(Role::Scorer),
        _ => None,
    }
}

/// A component's table: functions that are all there.
#[derive(Debug, Clone)]
pub(super) struct Component {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) schema: String,
    pub(super) check: Option<abi::Check>,
    pub(super) create: abi::Create,
    pub(super) destroy: abi::Destroy,
    pub(super) info: abi::GetInfo,
    pub(super) forward: abi::Forward,
    pub(super) set_classes: Option<abi::SetClasses>,
    /// Pull-back and release.
    pub(super) pull_back: Option<(abi::PullBack, abi::Release)>,
}

/// A library's table.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) abi: (u16, u16),
    pub(super) panic_aborts: bool,
    pub(super) components: Vec<Component>,
    pub(super) live_handles: Option<abi::LiveHandles>,
}

/// Reads and checks a library's table.
///
/// # Safety
/// A pointer that is neither null nor misaligned leads to as many bytes as its size states, and so on for what the
/// table points at.
pub(super) unsafe fn read(library: *const abi::Library) -> Result<Tables, Problem> {
    let broken = |what: &str, why: &dyn std::fmt::Display| Problem::Table(format!("{what}: {why}"));
    // SAFETY: the caller's promise.
    let table = unsafe { prefix::read(library) }.map_err(|e| broken("the library's table", &e))?;
    if table.magic != abi::MAGIC {
        return Err(broken("the library's table", &"it does not start with FMR1"));
    }
    if table.major != abi::MAJOR {
        return Err(Problem::Version { found: table.major });
    }
    // SAFETY: texts of a valid table.
    let (name, version) = unsafe { (line(table.name, "the library's name"), line(table.version, "its version")) };
    let (name, version) = (name.map_err(Problem::Table)?, version.map_err(Problem::Table)?);
    // SAFETY: the list of a valid table.
    let list = unsafe { prefix::list(table.components, table.components_len as usize) };
    let list = list.filter(|l| l.len() <= 1024).ok_or_else(|| {
        broken("the list of components", &format!("{} of them, at {:?}", table.components_len, table.components))
    })?;
    if list.is_empty() {
        return Err(Problem::Table("it holds no component".into()));
    }
    let components = list
        .iter()
        .enumerate()
        .map(|(i, table)| {
            // SAFETY: an entry of a valid list.
            unsafe { component(*table) }.map_err(|e| broken(&format!("component {i}"), &e))
        })
        .collect::<Result<Vec<Component>, _>>()?;
    for (i, c) in components.iter().enumerate() {
        if components[..i].iter().any(|other| (other.role, &other.name) == (c.role, &c.name)) {
            return Err(Problem::Table(format!("it holds two components of role {} called {:?}", c.role, c.name)));
        }
    }
    let panic_aborts = table.flags & abi::PANIC_ABORTS != 0;
    let abi = (table.major, table.minor);
    Ok(Tables { name, version, abi, panic_aborts, components, live_handles: table.live_handles })
}

/// # Safety
/// As for [`read`].
unsafe fn component(ptr: *const abi::Component) -> Result<Component, String> {
    // SAFETY: the caller's promise.
    let table = unsafe { prefix::read(ptr) }.map_err(|e| format!("its table: {e}"))?;
    // SAFETY: texts of a valid table.
    let (name, schema) = unsafe { (line(table.name, "its name")?, text(table.schema, "its schema")?) };
    let role = role_of(table.role).ok_or_else(|| format!("{name:?} has the unknown role {}", table.role))?;
    if name.is_empty() || name.len() > 200 {
        return Err(format!("{name:?} is no name"));
    }
    let null = |function: &str| format!("{role} {name:?} lacks the function {function}");
    if role == Role::Oracle && table.set_classes.is_none() {
        return Err(null("set_classes"));
    }
    let pull_back = match (table.pull_back, table.release) {
        (Some(pull_back), Some(release)) => Some((pull_back, release)),
        (Some(_), None) => return Err(null("release")),
        (None, _) if role == Role::Generator => return Err(null("pull_back")),
        (None, _) => None,
    };
    Ok(Component {
        role,
        schema,
        check: table.check,
        create: table.create.ok_or_else(|| null("create"))?,
        destroy: table.destroy.ok_or_else(|| null("destroy"))?,
        info: table.info.ok_or_else(|| null("info"))?,
        forward: table.forward.ok_or_else(|| null("forward"))?,
        set_classes: table.set_classes,
        pull_back,
        name,
    })
}

/// Copies a text.
///
/// # Safety
/// A text that is not null has as many readable bytes as it states.
pub(super) unsafe fn text(text: Str, what: &str) -> Result<String, String> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { prefix::list(text.ptr, text.len) }.filter(|b| b.len() <= 1 << 20);
    let bytes = bytes.ok_or_else(|| format!("{what} is null or longer than a mebibyte"))?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| format!("{what} is not valid UTF-8"))
}

/// Copies a text that people read in lists and reports.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn line(line: Str, what: &str) -> Result<String, String> {
    // SAFETY: the caller's promise.
    let line = unsafe { text(line, what)? };
    if line.chars().any(char::is_control) {
        Err(format!("{what} holds control characters: {line:?}"))
    } else {
        Ok(line)
    }
}
