//! From a request to an answer. Paths name runs by the names in the list, rows and samples by numbers: no file.

use std::str::FromStr;

use fmr_store::{ImageRole, RunStore};

use crate::app::{App, row_id};
use crate::error::WebError;
use crate::links::{Links, Picture};
use crate::listing::Filter;
use crate::pages;
use crate::query::{Query, decoded};

/// What an address asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The decoded parts of the path.
    pub path: Vec<String>,
    /// Everything behind the question mark.
    pub query: Query,
    /// The version of the answer that the asker has.
    pub known: Option<String>,
}

impl Request {
    /// Of an address without its host.
    pub fn of(address: &str) -> Self {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let path = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
        Self { path, query: Query::parse(query), known: None }
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub kind: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// The version of the answer, where it is worth asking whether it changed.
    pub version: Option<String>,
    /// Where to go instead.
    pub location: Option<String>,
}

impl Answer {
    pub(crate) fn page(status: u16, page: String) -> Self {
        Self { status, kind: "text/html; charset=utf-8", body: page.into_bytes(), version: None, location: None }
    }

    /// The page of an error.
    pub fn of_error(error: &WebError) -> Self {
        let status = error.status();
        if status >= 500 {
            tracing::warn!("{error}");
        }
        Self::page(status, pages::failure(Links::Live, status, &error.to_string()))
    }
}

/// Answers a request to read.
///
/// # Errors
/// There is nothing at the address, or a run cannot be read.
pub fn answer(app: &App, request: &Request) -> Result<Answer, WebError> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let html = |page: String| Ok(Answer::page(200, page));
    let filter = || Filter::of(&request.query);
    match path[..] {
        [] => html(pages::home(app, Links::Live)),
        ["run", run] => html(pages::run(app, Links::Live, run)?),
        ["run", run, "row", row] => html(pages::samples(app, Links::Live, run, number(row)?, &filter())?),
        ["run", run, "row", row, "sample", index] => {
            html(pages::sample(app, Links::Live, run, number(row)?, number(index)?, &filter())?)
        }
        ["run", run, "row", row, "image", index, name] => {
            let picture = Picture::ALL.into_iter().find(|picture| picture.name() == name);
            let picture = picture.ok_or_else(|| WebError::NotFound(format!("image {name:?} of a sample")))?;
            image(app, request, run, number(row)?, number(index)?, picture)
        }
        ["compare"] => html(pages::compare(app, Links::Live, &request.query)?),
        ["annotate", round] => html(pages::annotate(app, round, &request.query)?),
        ["annotate", round, "image", task] => {
            let body = pages::judged_image(app, round, task)?;
            Ok(Answer { status: 200, kind: "image/png", body, version: None, location: None })
        }
        ["people", run, row] => html(pages::findings(app, run, number(row)?)?),
        ["static", name] => asset(name, request),
        _ => Err(WebError::NotFound("page at this address".to_owned())),
    }
}

/// Answers a request to write.
///
/// # Errors
/// Nothing is written at the address, or what is sent makes no sense.
pub fn post(app: &App, request: &Request, form: &str) -> Result<Answer, WebError> {
    match &request.path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["annotate", round] => {
            let location = pages::judge(app, round, &Query::parse(form))?;
            Ok(Answer { location: Some(location), ..Answer::page(303, String::new()) })
        }
        _ => Err(WebError::NotFound("form at this address".to_owned())),
    }
}

/// A number of a row or a sample.
fn number(text: &str) -> Result<usize, WebError> {
    u32::from_str(text)
        .ok()
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| WebError::Request(format!("{text:?} is no number of a row or a sample")))
}

fn image(
    app: &App,
    request: &Request,
    slug: &str,
    row: usize,
    index: usize,
    picture: Picture,
) -> Result<Answer, WebError> {
    let missing = || WebError::NotFound(format!("finished sample {index} in row {row}"));
    let run = app.run(slug)?;
    run.look(|store: &RunStore| {
        let id = row_id(store.plan(), row)?;
        let role = match picture {
            Picture::Kept(role) => role,
            Picture::Difference => ImageRole::Final,
        };
        let hash = store.hash_of(&id, index, role)?.ok_or_else(missing)?;
        let version = format!("{hash}-{}", picture.name());
        let body = match (request.known.as_deref() == Some(version.as_str()), picture) {
            (true, _) => Vec::new(),
            (false, Picture::Kept(role)) => store.png_of(&id, index, role)?.ok_or_else(missing)?,
            (false, Picture::Difference) => pages::difference(store, row, index)?.ok_or_else(missing)?,
        };
        let status = if body.is_empty() { 304 } else { 200 };
        Ok(Answer { status, kind: "image/png", body, version: Some(version), location: None })
    })
}

/// Style sheets and scripts, by name.
pub(crate) fn assets() -> [(&'static str, &'static str, String); 3] {
    [
        ("style.css", "text/css; charset=utf-8", pages::style()),
        ("live.js", "text/javascript; charset=utf-8", include_str!("../assets/live.js").to_owned()),
        ("annotate.js", "text/javascript; charset=utf-8", include_str!("../assets/annotate.js").to_owned()),
    ]
}

fn asset(name: &str, request: &Request) -> Result<Answer, WebError> {
    let found = assets().into_iter().find(|(known, _, _)| *known == name);
    let (_, kind, text) = found.ok_or_else(|| WebError::NotFound(format!("file {name:?}")))?;
    let version = format!("{}-{}", env!("CARGO_PKG_VERSION"), text.len());
    let known = request.known.as_deref() == Some(version.as_str());
    let body = if known { Vec::new() } else { text.into_bytes() };
    Ok(Answer { status: if known { 304 } else { 200 }, kind, body, version: Some(version), location: None })
}
