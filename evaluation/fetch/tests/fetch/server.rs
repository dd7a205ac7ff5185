//! A server that misbehaves, one answer after the other.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a request asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
}

/// An answer: it sees the request and writes to the connection, which closes afterwards.
pub(crate) type Answer = Box<dyn Fn(&Asked, &mut TcpStream) + Send>;

pub(crate) struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Gives these answers, the last of them again and again.
    pub(crate) fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for (i, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream else { return };
                let request = read(&stream);
                seen.lock().unwrap().push(request.clone());
                answers[i.min(answers.len() - 1)](&request, &mut stream);
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Asked {
    let mut asked = Asked::default();
    for (i, line) in BufReader::new(stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty()).enumerate() {
        if i == 0 {
            line.split(' ').nth(1).unwrap_or_default().clone_into(&mut asked.path);
        } else if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "range" => asked.range = Some(value.to_owned()),
                "if-range" => asked.if_range = Some(value.to_owned()),
                _ => {}
            }
        }
    }
    asked
}

/// Writes what may be cut off by a client that has seen enough.
fn send(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// The whole body, whatever was asked for.
pub(crate) fn whole(body: Vec<u8>) -> Answer {
    Box::new(move |_, stream| send(stream, &format!("200 OK\r\nContent-Length: {}", body.len()), &body))
}

/// A status and headers without a body.
pub(crate) fn head(head: &'static str) -> Answer {
    Box::new(move |_, stream| send(stream, &format!("{head}\r\nContent-Length: 0"), b""))
}

/// A page of this type.
pub(crate) fn page(kind: &'static str, text: &'static str) -> Answer {
    Box::new(move |_, stream| {
        let head = format!("200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}", text.len());
        send(stream, &head, text.as_bytes());
    })
}

/// Announces the whole body of this version and ends after `sent` bytes. Ranges are served, if they are of this version.
pub(crate) fn cut(body: Vec<u8>, version: &'static str, sent: usize) -> Answer {
    Box::new(move |asked, stream| {
        let from = asked.range.as_ref().filter(|_| asked.if_range.as_deref().is_none_or(|tag| tag == version));
        let from = from.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        let at = from.unwrap_or(0);
        let status = match from {
            Some(at) => format!("206 Partial Content\r\nContent-Range: bytes {at}-{}/{}", body.len() - 1, body.len()),
            None => "200 OK".to_owned(),
        };
        let head = format!("{status}\r\nETag: {version}\r\nContent-Length: {}", body.len() - at);
        send(stream, &head, &body[at..body.len().min(at + sent)]);
    })
}

/// Sends the beginning of a body that never goes on; other requests are answered meanwhile.
pub(crate) fn stuck(body: Vec<u8>, silence: Duration) -> Answer {
    Box::new(move |_, stream| {
        send(stream, "200 OK\r\nContent-Length: 100000", &body[..body.len().min(10)]);
        let held = stream.try_clone();
        thread::spawn(move || {
            thread::sleep(silence);
            drop(held);
        });
    })
}
