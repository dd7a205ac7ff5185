//! The server: a few threads that answer, and one for each page that follows a run.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tiny_http::{Method, Server as Http, StatusCode};

use crate::app::App;
use crate::error::WebError;
use crate::guard::{Decision, Guard, Headers};
use crate::links::Links;
use crate::live::{Listeners, tell};
use crate::pages;
use crate::router::{Answer, Request, answer, post};

/// Threads that answer.
const THREADS: usize = 8;
/// Largest form that is read, in bytes.
const LARGEST_FORM: u64 = 64 * 1024;
/// What pages may load: nothing but what this server gives.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Where and for whom a server is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port; 0 lets the system choose one.
    pub port: u16,
    /// Further names that browsers may use, with their port.
    pub hosts: Vec<String>,
    /// What an asker must know; needed unless `host` is this machine's own address.
    pub token: Option<String>,
}

/// A server that answers until it is stopped.
pub struct Server {
    address: SocketAddr,
    token: Option<String>,
    http: Arc<Http>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

/// What the threads share.
struct Shared {
    app: App,
    guard: Guard,
    listeners: Listeners,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Begins to listen.
    ///
    /// # Errors
    /// The address is taken or not this machine's, or it is open to others without a token.
    pub fn start(app: App, options: &Options) -> Result<Self, WebError> {
        let address = SocketAddr::new(options.host, options.port);
        if !options.host.is_loopback() && options.token.is_none() {
            let problem = format!("{} can be reached from other machines: give a token (`--token`)", options.host);
            return Err(WebError::Request(problem));
        }
        let listen = |problem: String| WebError::Listen { address: address.to_string(), problem };
        let http = Arc::new(Http::http(address).map_err(|error| listen(error.to_string()))?);
        let address = http.server_addr().to_ip().ok_or_else(|| listen("this is no address of a network".to_owned()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let guard = Guard {
            port: address.port(),
            loopback: options.host.is_loopback(),
            hosts: options.hosts.clone(),
            token: options.token.clone(),
        };
        let shared = Arc::new(Shared { app, guard, listeners: Listeners::default(), stop: Arc::clone(&stop) });
        let first = Arc::clone(&shared);
        // Nobody waits for it: it ends by itself.
        std::thread::spawn(move || first.app.warm());
        let serve = |_| {
            let (http, shared) = (Arc::clone(&http), Arc::clone(&shared));
            std::thread::spawn(move || {
                while !shared.stop.load(Ordering::Relaxed) {
                    match http.recv() {
                        Ok(request) => respond(&shared, request),
                        // The server was told to stop, or the system is short of something for a moment.
                        Err(_) => std::thread::yield_now(),
                    }
                }
            })
        };
        let threads = (0..THREADS).map(serve).collect();
        Ok(Self { address, token: options.token.clone(), http, stop, threads })
    }

    /// The address of its first page, with the token where it has one.
    pub fn url(&self) -> String {
        let token =
            self.token.as_ref().map_or_else(String::new, |token| format!("?token={}", crate::query::encoded(token)));
        format!("http://{}/{token}", self.address)
    }

    /// Stops it: what is being answered is answered, pages that follow a run are left.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for _ in &self.threads {
            self.http.unblock();
        }
        for thread in self.threads {
            // A thread that ended by itself has said so.
            let _ = thread.join();
        }
    }
}

fn respond(shared: &Arc<Shared>, mut request: tiny_http::Request) {
    let posts = *request.method() == Method::Post;
    let mut asked = Request::of(request.url());
    asked.known = header(&request, "If-None-Match").map(|tag| tag.trim_matches('"').to_owned());
    let headers = Headers {
        host: header(&request, "Host"),
        origin: header(&request, "Origin"),
        cookie: header(&request, "Cookie"),
        site: header(&request, "Sec-Fetch-Site"),
    };
    let mut cookie = None;
    let found = match shared.guard.decide(&headers, &asked.query, posts) {
        Decision::Refuse(status, problem) => Answer::page(status, pages::failure(Links::Live, status, problem)),
        Decision::Remember(remembered) => {
            cookie = Some(remembered);
            let kept = asked.query.0.iter().filter(|(name, _)| name != "token").cloned().collect();
            let path: Vec<String> = asked.path.iter().map(|part| crate::query::encoded(part)).collect();
            let location = format!("/{}{}", path.join("/"), crate::query::Query(kept));
            Answer { location: Some(location), ..Answer::page(303, String::new()) }
        }
        Decision::Answer => {
            let read = matches!(request.method(), Method::Get | Method::Head);
            if let (true, ["run", run, "events"]) =
                (read, &asked.path.iter().map(String::as_str).collect::<Vec<_>>()[..])
            {
                let run = (*run).to_owned();
                return follow(shared, run, request);
            }
            if posts {
                let mut form = String::new();
                let large = request.body_length().is_some_and(|length| length as u64 > LARGEST_FORM);
                let form = match request.as_reader().take(LARGEST_FORM).read_to_string(&mut form) {
                    Ok(_) if !large => Ok(form),
                    _ => Err(WebError::Request("the form is too large or is no text".to_owned())),
                };
                let posted = form.and_then(|form| post(&shared.app, &asked, &form));
                posted.unwrap_or_else(|error| Answer::of_error(&error))
            } else if read {
                answer(&shared.app, &asked).unwrap_or_else(|error| Answer::of_error(&error))
            } else {
                Answer::page(405, pages::failure(Links::Live, 405, "this server is asked with GET and POST alone"))
            }
        }
    };
    send(request, found, cookie);
}

/// Sends an answer and ends the connection. tiny_http gives each connection a thread, and at times hands a new connection to a
/// thread that is not free: one that stays open would let the other wait for minutes.
fn send(request: tiny_http::Request, answer: Answer, cookie: Option<String>) {
    let reason = StatusCode(answer.status).default_reason_phrase();
    let mut head = format!("HTTP/1.1 {} {reason}\r\nConnection: close\r\n", answer.status);
    let version = answer.version.map(|version| ("ETag", format!("\"{version}\"")));
    let location = answer.location.map(|location| ("Location", location));
    let cookie = cookie.map(|cookie| ("Set-Cookie", cookie));
    let length = ("Content-Length", answer.body.len().to_string());
    let own = [("Content-Type", answer.kind.to_owned()), length];
    for (name, value) in own.into_iter().chain(version).chain(location).chain(cookie).chain(safety()) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let body = if *request.method() == Method::Head { &[][..] } else { &answer.body };
    let mut out = request.into_writer();
    // The client may have closed the connection.
    let _ = out.write_all(head.as_bytes()).and_then(|()| out.write_all(body)).and_then(|()| out.flush());
}

/// Headers of every answer.
fn safety() -> impl Iterator<Item = (&'static str, String)> {
    [
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        // Without a referrer browsers would not say either whose page sends a form.
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "private, no-cache"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
}

/// Follows a run in a thread of its own.
fn follow(shared: &Arc<Shared>, run: String, request: tiny_http::Request) {
    if shared.app.runs.get(&run).is_none() {
        let error = WebError::NotFound(format!("run {run:?}"));
        return send(request, Answer::of_error(&error), None);
    }
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let Some(_place) = shared.listeners.join() else {
            let busy = Answer::page(503, pages::failure(Links::Live, 503, "too many pages follow runs"));
            return send(request, busy, None);
        };
        let mut out = request.into_writer();
        let mut head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n".to_owned();
        for (name, value) in safety() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        // A page that is gone ends this.
        let _ = out.write_all(head.as_bytes()).and_then(|()| tell(&shared.app, &run, &shared.stop, &mut out));
    });
}

fn header<'r>(request: &'r tiny_http::Request, name: &'static str) -> Option<&'r str> {
    request.headers().iter().find(|header| header.field.equiv(name)).map(|header| header.value.as_str())
}
