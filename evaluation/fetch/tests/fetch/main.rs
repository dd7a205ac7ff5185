//! Files from servers that misbehave, and from mirrors.

#![expect(clippy::unwrap_used, reason = "tests")]

mod mirror;
mod server;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fmr_core::registry::RemoteFile;
use fmr_fetch::{Events, FetchError, Fetched, Fetcher, Patience};
use server::{Answer, Server, cut, head, page, stuck, whole};
use sha2::{Digest as _, Sha256};

/// A folder, a file of 200,000 bytes and a fetcher that waits for nobody long.
struct Lab {
    folder: tempfile::TempDir,
    body: Vec<u8>,
    retries: RefCell<Vec<String>>,
}

impl Lab {
    fn new() -> Self {
        let body = (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Self { folder: tempfile::tempdir().unwrap(), body, retries: RefCell::default() }
    }

    fn to(&self) -> PathBuf {
        self.folder.path().join("deep/weights.pth")
    }

    fn file(&self, url: String) -> RemoteFile {
        let mut file = RemoteFile::new("weights", url);
        file.sha256 = Some(sha256(&self.body).into());
        file
    }

    fn fetch(&self, file: &RemoteFile) -> Result<Fetched, FetchError> {
        let patience = Patience { silence: Duration::from_millis(300), attempts: 3, pause: Duration::from_millis(1) };
        Fetcher::new(None, patience).unwrap().fetch(file, &self.to(), self)
    }

    /// Fetches the body from a server of these answers, and finds it in its place with nothing beside it.
    fn succeeds(&self, answers: Vec<Answer>) -> Server {
        let server = Server::new(answers);
        let fetched = self.fetch(&self.file(server.url("weights.pth"))).unwrap();
        assert_eq!(fetched, Fetched::New { sha256: sha256(&self.body) });
        assert!(fs::read(self.to()).unwrap() == self.body);
        assert_eq!(names(self.to().parent().unwrap()), ["weights.pth"]);
        server
    }

    /// The error of a server of these answers; the file is not there then.
    fn fails(&self, change: impl Fn(RemoteFile) -> RemoteFile, answers: Vec<Answer>) -> String {
        let server = Server::new(answers);
        let error = self.fetch(&change(self.file(server.url("weights.pth")))).unwrap_err();
        assert!(!self.to().exists());
        error.to_string().replace(&server.url(""), "SERVER/").replace(&*self.folder.path().to_string_lossy(), "LAB")
    }
}

impl Events for Lab {
    fn retry(&self, problem: &str, _: Duration) {
        self.retries.borrow_mut().push(problem.to_owned());
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_file_comes_whole_and_is_not_asked_for_again() {
    let lab = Lab::new();
    let server = lab.succeeds(vec![whole(lab.body.clone())]);
    assert_eq!(lab.fetch(&lab.file(server.url("weights.pth"))).unwrap(), Fetched::Present);
    assert_eq!(server.asked().len(), 1);
    fs::write(lab.to(), "another file").unwrap();
    let error = lab.fetch(&lab.file(server.url("weights.pth"))).unwrap_err();
    assert!(matches!(error, FetchError::Other { .. }), "{error}");
    assert_eq!(fs::read(lab.to()).unwrap(), b"another file", "what people put there stays");
}

#[test]
fn a_web_page_is_not_the_file() {
    let lab = Lab::new();
    let page_of = |kind| vec![page(kind, "\n<!DOCTYPE html><html>Log in</html>")];
    for error in
        [lab.fails(|f| f, page_of("text/html; charset=utf-8")), lab.fails(|f| f, page_of("binary/octet-stream"))]
    {
        assert!(error.starts_with("SERVER/weights.pth gives a web page"), "{error}");
        assert!(error.ends_with("put the file at LAB/deep/weights.pth"), "{error}");
    }
    assert!(lab.retries.borrow().is_empty(), "a page does not become a file");
    assert_eq!(names(&lab.folder.path().join("deep")), Vec::<String>::new());
}

#[test]
fn errors_of_the_server_are_tried_again() {
    let lab = Lab::new();
    let server = lab.succeeds(vec![head("500 Oops"), head("503 Busy"), whole(lab.body.clone())]);
    assert_eq!(server.asked().len(), 3);
    let lab = Lab::new();
    let error = lab.fails(|f| f, vec![head("500 Oops")]);
    assert_eq!(error, "SERVER/weights.pth: the server answers with status 500; given up after 3 attempts");
    let error = lab.fails(|f| f, vec![head("404 Gone"), whole(lab.body.clone())]);
    assert_eq!(error, "SERVER/weights.pth: the server answers with status 404");
}

#[test]
fn a_cut_download_goes_on_where_it_was_cut() {
    let lab = Lab::new();
    let server = lab.succeeds([70_000, 100_000, 200_000].map(|sent| cut(lab.body.clone(), "\"v1\"", sent)).into());
    let asked: Vec<_> = server.asked().into_iter().map(|asked| (asked.range, asked.if_range)).collect();
    let part = |from: usize| (Some(format!("bytes={from}-")), Some("\"v1\"".to_owned()));
    assert_eq!(asked, [(None, None), part(70_000), part(170_000)]);
}

#[test]
fn a_later_process_goes_on_too() {
    let lab = Lab::new();
    let cuts = [20_000, 20_000, 20_000, 200_000].map(|sent| cut(lab.body.clone(), "\"v1\"", sent));
    let server = Server::new(cuts.into());
    let file = lab.file(server.url("weights.pth"));
    let error = lab.fetch(&file).unwrap_err().to_string();
    assert!(error.ends_with("given up after 3 attempts"), "{error}");
    assert_eq!(names(&lab.folder.path().join("deep")), ["weights.pth.part", "weights.pth.part.from"]);
    lab.fetch(&file).unwrap();
    assert_eq!(server.asked()[3].range.as_deref(), Some("bytes=60000-"));
    assert!(fs::read(lab.to()).unwrap() == lab.body);
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let lab = Lab::new();
    let body = lab.body.clone();
    let first: Answer = Box::new(move |asked, stream| cut(body.clone(), "\"v1\"", 70_000)(asked, stream));
    lab.succeeds(vec![first, whole(lab.body.clone())]);
}

#[test]
fn pieces_of_different_files_are_not_put_together() {
    let lab = Lab::new();
    // The file changes between two requests; the server keeps to `If-Range`.
    let mut old = lab.body.clone();
    old[0] ^= 1;
    lab.succeeds(vec![cut(old.clone(), "\"v1\"", 70_000), cut(lab.body.clone(), "\"v2\"", 200_000)]);
    // Here it ignores `If-Range`; the hash tells, and everything comes again.
    let lab = Lab::new();
    let body = lab.body.clone();
    let careless: Answer = Box::new(move |asked, stream| {
        let asked = server::Asked { if_range: None, ..asked.clone() };
        cut(body.clone(), "\"v2\"", 200_000)(&asked, stream);
    });
    let server = lab.succeeds(vec![cut(old, "\"v1\"", 70_000), careless]);
    assert_eq!(server.asked()[2].range, None);
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let lab = Lab::new();
    let body = lab.body.clone();
    let redirect: Answer = Box::new(move |asked, stream| match asked.path.as_str() {
        "/weights.pth" => head("302 Found\r\nLocation: /there/weights.pth")(asked, stream),
        _ => whole(body.clone())(asked, stream),
    });
    lab.succeeds(vec![redirect]);
    let lab = Lab::new();
    let error = lab.fails(|f| f, vec![head("302 Found\r\nLocation: /weights.pth")]);
    assert_eq!(error, "SERVER/weights.pth: too many redirects");
}

#[test]
fn a_silent_server_is_not_waited_for() {
    let lab = Lab::new();
    let begun = std::time::Instant::now();
    lab.succeeds(vec![stuck(lab.body.clone(), Duration::from_secs(60)), whole(lab.body.clone())]);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(lab.retries.borrow()[0].contains("timed out"), "{:?}", lab.retries.borrow());
}

#[test]
fn other_bytes_are_refused() {
    let lab = Lab::new();
    let mut other = lab.body.clone();
    other[100_000] ^= 1;
    let error = lab.fails(|f| f, vec![whole(other)]);
    assert!(error.contains(&format!("the published file {}; it is not used", sha256(&lab.body))), "{error}");
    assert_eq!(names(&lab.folder.path().join("deep")), Vec::<String>::new());
    // A few digits of the hash, and the size, count as well.
    let few = |file: RemoteFile| file.with_sha256("00000000");
    assert!(lab.fails(few, vec![whole(lab.body.clone())]).contains("the published file 00000000"));
    let long = |file: RemoteFile| file.with_bytes(200_001);
    let error = lab.fails(long, vec![whole(lab.body.clone())]);
    assert_eq!(error, "SERVER/weights.pth gives 200000 bytes, the published file has 200001");
    let unannounced: Answer = Box::new({
        let body = lab.body.clone();
        move |_, stream| {
            use std::io::Write as _;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            (0..10).for_each(|_| drop(stream.write_all(&body)));
        }
    });
    let error = lab.fails(|file| file.with_bytes(200_000), vec![unannounced]);
    assert!(error.ends_with("the published file has 200000"), "{error}");
}

#[test]
fn nobody_is_there() {
    let lab = Lab::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = lab.fetch(&lab.file(format!("http://{free}/weights.pth"))).unwrap_err().to_string();
    assert!(error.contains("efused") && error.ends_with("given up after 3 attempts"), "{error}");
}
