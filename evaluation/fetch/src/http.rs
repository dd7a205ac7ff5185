//! One request: its answer is appended to what has come before, or refused.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fmr_core::registry::RemoteFile;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use ureq::{Agent, AgentBuilder, ErrorKind, Response};

use crate::error::FetchError;
use crate::partial::{Origin, Partial};
use crate::{Events, Patience};

/// Environment variable that names a file of certificates to trust in place of Mozilla's, as OpenSSL and curl read it.
const CERTIFICATES: &str = "SSL_CERT_FILE";

/// Why a request brought no complete file.
pub(crate) enum Failure {
    /// It may succeed later, after this long at least.
    Again(String, Duration),
    /// It will not.
    Final(FetchError),
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Final(error)
    }
}

fn again(problem: impl Into<String>) -> Failure {
    Failure::Again(problem.into(), Duration::ZERO)
}

/// What is known of a complete answer.
pub(crate) struct Received {
    /// Whether the bytes are of one answer whose length the server announced; only then are they what the server holds.
    pub(crate) in_one_piece: bool,
}

/// Connections to servers: one agent for encrypted addresses, which follow no way to others, and one for plain ones.
#[derive(Debug, Clone)]
pub(crate) struct Agents {
    encrypted: Agent,
    plain: Agent,
}

impl Agents {
    pub(crate) fn new(patience: &Patience) -> Result<Self, FetchError> {
        let trusted = match std::env::var_os(CERTIFICATES).filter(|file| !file.is_empty()) {
            Some(file) => Some(Arc::new(certificates(Path::new(&file))?)),
            None => None,
        };
        let agent = |https_only: bool| {
            let agent = AgentBuilder::new()
                .user_agent(concat!("fmr/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(patience.silence)
                .timeout_read(patience.silence)
                .redirects(10)
                .https_only(https_only);
            match &trusted {
                Some(config) => agent.tls_config(Arc::clone(config)).build(),
                None => agent.build(),
            }
        };
        Ok(Self { encrypted: agent(true), plain: agent(false) })
    }

    fn of(&self, file: &RemoteFile) -> &Agent {
        if file.url.starts_with("https:") { &self.encrypted } else { &self.plain }
    }
}

/// Trust in the certificates of a file alone.
fn certificates(file: &Path) -> Result<ClientConfig, FetchError> {
    let refuse = |problem: String| {
        let error = std::io::Error::other(format!("{problem} ({CERTIFICATES} names it)"));
        FetchError::File { path: file.to_owned(), error }
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file).map_err(|error| refuse(error.to_string()))?;
    roots.add_parsable_certificates(found.filter_map(Result::ok));
    if roots.is_empty() {
        return Err(refuse("it holds no certificates".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| refuse(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The number of bytes that the server announces.
pub(crate) fn size(agents: &Agents, file: &RemoteFile) -> Option<u64> {
    length(&agents.of(file).head(&file.url).call().ok()?)
}

/// Asks for the bytes that are not there yet.
pub(crate) fn attempt(
    agents: &Agents,
    file: &RemoteFile,
    to: &Path,
    partial: &mut Partial,
    events: &dyn Events,
) -> Result<Received, Failure> {
    let (kept, version) = resumable(file, partial)?;
    if kept > 0 && file.bytes == Some(kept) {
        return Ok(Received { in_one_piece: false });
    }
    let mut request = agents.of(file).get(&file.url).set("Accept-Encoding", "identity");
    if kept > 0 {
        request = request.set("Range", &format!("bytes={kept}-"));
        if let Some(version) = version {
            request = request.set("If-Range", &version);
        }
    }
    let response = match request.call() {
        Ok(response) | Err(ureq::Error::Status(_, response)) => response,
        Err(ureq::Error::Transport(error)) => return Err(refused(file, &error)),
    };
    let (at, total) = match response.status() {
        200 => (0, length(&response)),
        206 => match content_range(&response) {
            Some((start, total)) if kept > 0 && start == kept => (kept, total),
            _ => {
                partial.begin(&Origin::default())?;
                return Err(again("the server sent another part than the one that was asked for"));
            }
        },
        416 => {
            partial.begin(&Origin::default())?;
            return Err(again("the server holds fewer bytes than had come"));
        }
        status => {
            let problem = format!("the server answers with status {status}");
            return Err(match status {
                408 | 429 | 500.. => Failure::Again(problem, retry_after(&response)),
                _ => server(file, problem),
            });
        }
    };
    let web_page = || FetchError::WebPage { url: file.url.clone().into_owned(), to: to.to_owned() };
    if response.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html")) {
        return Err(web_page().into());
    }
    if let (Some(found), Some(wanted)) = (total, file.bytes)
        && found != wanted
    {
        return Err(FetchError::Size { from: file.url.clone().into_owned(), found, wanted }.into());
    }
    if at == 0 {
        partial.begin(&Origin { url: file.url.clone().into_owned(), version: version_of(&response) })?;
    }
    events.begun(total.or(file.bytes), at);
    let came = receive(response, file, partial, events)?;
    if at == 0 && is_web_page(&partial.start()?) {
        partial.begin(&Origin::default())?;
        return Err(web_page().into());
    }
    match total {
        Some(total) if came != total => Err(again(format!("the connection ended after {came} of {total} bytes"))),
        _ => Ok(Received { in_one_piece: at == 0 && total.is_some() }),
    }
}

/// How many bytes of the partial file can be kept, and of which version they are.
fn resumable(file: &RemoteFile, partial: &Partial) -> Result<(u64, Option<String>), FetchError> {
    let Some(origin) = partial.origin().filter(|origin| origin.url == file.url) else { return Ok((0, None)) };
    // Without a version only the hash can tell that two pieces are of one file.
    let is_safe = origin.version.is_some() || file.is_pinned();
    Ok(if is_safe { (partial.len()?, origin.version) } else { (0, None) })
}

/// Appends the body; gives the length of the file then.
fn receive(response: Response, file: &RemoteFile, partial: &mut Partial, events: &dyn Events) -> Result<u64, Failure> {
    let mut len = partial.seek_to_end()?;
    let mut body = response.into_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => return Ok(len),
            Ok(read) => read,
            Err(error) => return Err(again(format!("after {len} bytes: {error}"))),
        };
        partial.file.write_all(&buffer[..read]).map_err(FetchError::file(&partial.path))?;
        len += read as u64;
        events.advanced(read as u64);
        if let Some(wanted) = file.bytes.filter(|wanted| len > *wanted) {
            partial.begin(&Origin::default())?;
            return Err(FetchError::Size { from: file.url.clone().into_owned(), found: len, wanted }.into());
        }
    }
}

fn refused(file: &RemoteFile, error: &ureq::Transport) -> Failure {
    // What comes from a server is shown without control characters.
    let text = error.to_string().replace(char::is_control, " ");
    match error.kind() {
        ErrorKind::Dns | ErrorKind::ConnectionFailed | ErrorKind::Io | ErrorKind::ProxyConnect => again(text),
        ErrorKind::BadStatus | ErrorKind::BadHeader => again(text),
        ErrorKind::TooManyRedirects => server(file, "too many redirects".to_owned()),
        ErrorKind::InsecureRequestHttpsOnly => server(file, "leads to an address that is not encrypted".to_owned()),
        _ => server(file, text),
    }
}

fn server(file: &RemoteFile, problem: String) -> Failure {
    Failure::Final(FetchError::Server { url: file.url.clone().into_owned(), problem })
}

fn length(response: &Response) -> Option<u64> {
    response.header("Content-Length")?.trim().parse().ok()
}

/// Start and whole length of `bytes START-END/LENGTH`.
fn content_range(response: &Response) -> Option<(u64, Option<u64>)> {
    let (range, total) = response.header("Content-Range")?.trim().strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}

/// The server's name for this version of the file; a weak tag does not say that the bytes are the same.
fn version_of(response: &Response) -> Option<String> {
    let tag = response.header("ETag").filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| response.header("Last-Modified")).map(str::to_owned)
}

/// Longest wait that a server may ask for.
const LONGEST_WAIT: u64 = 60;

fn retry_after(response: &Response) -> Duration {
    let seconds = response.header("Retry-After").and_then(|text| text.trim().parse::<u64>().ok());
    Duration::from_secs(seconds.unwrap_or(0).min(LONGEST_WAIT))
}

/// Whether a file begins as HTML does.
pub(crate) fn is_web_page(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)))
}
