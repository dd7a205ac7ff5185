//! Pages: from runs to HTML. The same functions serve the server and the static site.

mod annotate;
mod compare;
mod findings;
mod home;
mod layout;
mod run;
mod sample;
mod samples;

pub(crate) use annotate::{annotate, judge, judged_image};
pub(crate) use compare::compare;
pub(crate) use findings::findings;
pub(crate) use home::home;
pub(crate) use layout::{failure, style};
pub(crate) use run::run;
pub(crate) use sample::{difference, sample};
pub(crate) use samples::samples;
