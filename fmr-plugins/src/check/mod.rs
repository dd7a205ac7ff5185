//! `fmr plugin check`: does a plugin keep what the contract asks? A report that its author can act on.
//!
//! The probes run in this process, so that a plugin that crashes ends it; [`watch`] tells each finding as it comes.

mod parts;
mod pictures;
mod probe;
mod report;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fmr_core::registry::{MakeContext, Settings};

pub use report::{Finding, Report, Verdict};

use crate::host::{Library, Limits, PluginError, Role};

/// What a check feeds a plugin with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Settings that components are made with.
    pub settings: Settings,
    /// The one component to check; `None` checks all.
    pub component: Option<String>,
    /// Role of the components to check; `None` checks all.
    pub role: Option<Role>,
    /// `[channels, height, width]` of images, where the component leaves that open.
    pub image: [usize; 3],
    /// Class names for oracles.
    pub classes: Vec<String>,
    /// Folder that relative paths of the settings start from.
    pub base: std::path::PathBuf,
    /// Device that computes.
    pub device: String,
    /// Time that one call may take.
    pub time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            component: None,
            role: None,
            image: [3, 32, 32],
            classes: ["cat", "dog", "airplane"].map(str::to_owned).to_vec(),
            base: std::path::PathBuf::from("."),
            device: "cpu".into(),
            time: Duration::from_secs(60),
        }
    }
}

impl Options {
    fn context(&self, image: [usize; 3]) -> MakeContext<'static> {
        MakeContext::alone(image).with_base(&self.base).with_device(&self.device).with_seed(1)
    }

    fn limits(&self) -> Limits {
        Limits { time: Some(self.time), ..Limits::default() }
    }
}

/// Loads a library and checks what it holds. **This runs code of the library.**
///
/// # Errors
/// The library is refused.
pub fn run(path: &Path, options: &Options) -> Result<Report, PluginError> {
    watch(path, options, &mut |_| {})
}

/// [`run`], which tells each finding as soon as there is one.
///
/// # Errors
/// As for [`run`].
pub fn watch(path: &Path, options: &Options, tell: &mut dyn FnMut(&Finding)) -> Result<Report, PluginError> {
    Ok(check(&Library::open(path, None)?, options, tell))
}

/// Checks a library that is there already, such as the one that [`linked!`](crate::linked) gives in a plugin's own
/// tests.
pub fn library(library: &Arc<Library>, options: &Options) -> Report {
    check(library, options, &mut |_| {})
}

fn check(library: &Arc<Library>, options: &Options, tell: &mut dyn FnMut(&Finding)) -> Report {
    let mut report = report::Writer::new(Arc::clone(library), tell);
    let before = library.live_handles();
    let chosen = |role: Role, name: &str| {
        options.component.as_deref().is_none_or(|c| c == name) && options.role.is_none_or(|r| r == role)
    };
    for offer in library.offers().filter(|offer| chosen(offer.role, offer.name)) {
        report.component(offer.role, offer.name);
        parts::check(library, offer, options, &mut report);
    }
    report.component_is_library();
    if report.is_empty() {
        let role = options.role.map_or_else(|| "component".to_owned(), |role| role.to_string());
        let called = options.component.as_ref().map(|name| format!(" called {name:?}")).unwrap_or_default();
        report.fail("components", format!("it holds no {role}{called}"));
    }
    match (before, library.live_handles()) {
        (Some(before), Some(after)) if after == before => report.pass("handles", "every handle came back"),
        (Some(before), Some(after)) => report.fail(
            "handles",
            format!(
                "{} instances and {} saved states were given out and not counted back; free them in destroy and release",
                after.0.wrapping_sub(before.0),
                after.1.wrapping_sub(before.1)
            ),
        ),
        _ => report.skip("handles", "it offers no live_handles, so leaks cannot be seen"),
    }
    report.finish()
}
