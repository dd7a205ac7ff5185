//! Pages of a synthetic run: what they say, where they lead, and what they refuse.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fmr_store::{Part, RowPlan, RunPlan, RunStore};
use fmr_web::{Answer, App, Options, Request, Runs, Server, Tables, answer, write_site};
use tempfile::TempDir;

#[path = "../../evaluation/store/src/toy.rs"]
mod toy;

const EXPERIMENT: &str = include_str!("toy.toml");

/// A run of two rows over `samples` images; the second row is half done.
fn run(home: &Path, name: &str, samples: usize) -> PathBuf {
    let dir = home.join(name);
    let plan = RunPlan { experiment: EXPERIMENT.to_owned(), ..toy::plan(samples) };
    let mut store = RunStore::create(&dir, &plan).unwrap();
    store.commit("mnist/lenet", &toy::batch(0..samples), Duration::ZERO).unwrap();
    let mut other = toy::batch(0..samples / 2);
    for sample in &mut other {
        let label = sample.record.label;
        sample.record.final_prediction = Some(if sample.record.index % 5 == 0 { (label + 1) % 4 } else { label });
    }
    store.commit("cifar/resnet", &other, Duration::ZERO).unwrap();
    dir
}

fn app(roots: Vec<PathBuf>) -> App {
    let tables = |store: &RunStore| {
        let done = store.done("mnist/lenet").map_err(|error| error.to_string())?;
        Ok(Tables { title: "A <b>bold</b> & small run".to_owned(), body: format!("<p>{done} images</p>") })
    };
    App::new(Runs::of(roots), Box::new(tables))
}

fn world() -> (TempDir, App) {
    let home = tempfile::tempdir().unwrap();
    run(home.path(), "Toy 1", 40);
    let app = app(vec![home.path().to_owned()]);
    (home, app)
}

fn get(app: &App, address: &str) -> Answer {
    answer(app, &Request::of(address)).unwrap_or_else(|error| Answer::of_error(&error))
}

fn text(app: &App, address: &str) -> String {
    let found = get(app, address);
    assert_eq!(found.status, 200, "{address}: {}", String::from_utf8_lossy(&found.body));
    String::from_utf8(found.body).unwrap()
}

fn links(page: &str) -> BTreeSet<String> {
    let parts = page.split(['"']).collect::<Vec<_>>();
    let pairs = parts.windows(2).filter(|pair| pair[0].ends_with("href=") || pair[0].ends_with("src="));
    pairs.map(|pair| pair[1].replace("&amp;", "&")).filter(|link| !link.starts_with(['#', 'd'])).collect()
}

#[test]
fn the_list_leads_to_tables_rows_and_samples() {
    let (_home, app) = world();
    let home = text(&app, "/");
    assert!(
        home.contains("A &lt;b&gt;bold&lt;/b&gt; &amp; small run") && home.contains("unfinished: 60 of 80 images"),
        "{home}"
    );
    let tables = text(&app, "/run/toy-1");
    assert!(tables.contains("<p>40 images</p>") && tables.contains("data-events=\"/run/toy-1/events\""), "{tables}");
    let row = text(&app, "/run/toy-1/row/0");
    assert!(row.contains("<b>40</b> of 40 images") && row.contains("test/00003"), "{row}");
    let sample = text(&app, "/run/toy-1/row/0/sample/5");
    for words in ["budget exhausted", "Course of the search", "Oracle&#39;s probability", "Updates", "difference"] {
        let plain = words.replace("&#39;", "'");
        assert!(sample.contains(words) || sample.contains(&plain), "{words}\n{sample}");
    }
}

#[test]
fn filters_and_orders_stand_in_the_address() {
    let (_home, app) = world();
    let count = |query: &str| {
        let page = text(&app, &format!("/run/toy-1/row/0?{query}"));
        let from =
            page.find("<b>").and_then(|at| page[at..].find("</b> of ").map(|end| page[at + 3..at + end].to_owned()));
        from.unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(count("ending=failed"), 7);
    assert_eq!(count("class=2"), 10);
    assert_eq!(count("class=3&ending=failed"), 4);
    assert_eq!(count("target=right") + count("target=wrong"), 40);
    assert_eq!(count("least=0&most=100"), 40);
    assert_eq!(count("least=101"), 0);
    // What is not understood changes nothing.
    assert_eq!(count("ending=never&class=x&sort=%ff&page=-1&size=0"), 40);
    let first = |sort: &str| {
        let page = text(&app, &format!("/run/toy-1/row/0?size=1&sort={sort}"));
        page[page.find("/sample/").unwrap() + 8..].split(['?', '"']).next().unwrap().parse::<usize>().unwrap()
    };
    assert_eq!((first("index"), first("oracle")), (0, 39));
    // A reader of a filtered list goes on within it.
    let sample = text(&app, "/run/toy-1/row/0/sample/3?ending=failed");
    assert!(sample.contains("/sample/9?ending=failed") && !sample.contains("rel=\"prev\""), "{sample}");
    let last = text(&app, "/run/toy-1/row/0?size=7&page=99");
    assert!(last.contains("Page 6 of 6"), "{last}");
}

#[test]
fn images_are_pngs_with_a_version() {
    let (_home, app) = world();
    let versions: Vec<String> = ["original", "reconstruction", "final", "difference"]
        .map(|name| {
            let image = get(&app, &format!("/run/toy-1/row/0/image/4/{name}"));
            assert_eq!((image.status, image.kind), (200, "image/png"));
            assert!(image.body.starts_with(b"\x89PNG"));
            image.version.unwrap()
        })
        .to_vec();
    assert_eq!(versions.iter().collect::<BTreeSet<_>>().len(), 4);
    let known = Request { known: Some(versions[2].clone()), ..Request::of("/run/toy-1/row/0/image/4/final") };
    assert_eq!(answer(&app, &known).unwrap().status, 304);
}

#[test]
fn rows_are_compared_on_the_images_that_both_have() {
    let (_home, app) = world();
    let page = text(&app, "/compare?a=toy-1%3A0&b=toy-1%3A1");
    assert!(page.contains("Images that tell them apart") && page.contains("of 20 images"), "{page}");
    assert!(page.contains("McNemar") && page.contains("FMR"), "{page}");
    assert!(text(&app, "/compare").contains("<select"));
    assert_eq!(get(&app, "/compare?a=toy-1%3A0&b=../etc").status, 400);
}

#[test]
fn nothing_but_the_runs_is_found() {
    let (home, app) = world();
    std::fs::write(home.path().join("secret.txt"), "secret").unwrap();
    for address in [
        "/static/..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/secret.txt",
        "/run/..",
        "/run/%2e%2e%2fToy%201",
        "/run/toy-1/row/0/image/4/..%2ffinal",
        "/run/toy-1/../../secret.txt",
        "/secret.txt",
        "/run/toy-1/row/2",
        "/run/toy-1/row/0/sample/40",
    ] {
        let found = get(&app, address);
        assert_eq!(found.status, 404, "{address}");
        assert!(!String::from_utf8_lossy(&found.body).contains("root:"), "{address}");
    }
    for address in
        ["/run/toy-1/row/-1", "/run/toy-1/row/0/sample/99999999999999999999", "/run/toy-1/row/0/image/x/final"]
    {
        assert_eq!(get(&app, address).status, 400, "{address}");
    }
    let page = get(&app, "/run/%3Cscript%3E");
    assert!(!String::from_utf8_lossy(&page.body).contains("<script>"), "an address is text");
}

#[test]
fn every_link_of_the_pages_leads_somewhere() {
    let (_home, app) = world();
    let (mut known, mut open) = (BTreeSet::new(), vec!["/".to_owned()]);
    while let Some(address) = open.pop() {
        if known.len() < 1500 && known.insert(address.clone()) {
            let found = get(&app, &address);
            assert_eq!(found.status, 200, "{address}");
            if found.kind.starts_with("text/html") {
                open.extend(links(&String::from_utf8(found.body).unwrap()));
            }
        }
    }
    assert!(known.len() > 200, "{}", known.len());
}

#[test]
fn a_site_is_whole_and_opens_from_disk() {
    let (home, app) = world();
    let site = home.path().join("out/site");
    let files = write_site(&app, &site, 12).unwrap();
    assert!(files > 2 * 12 * 5, "{files}");
    let mut pages = vec![site.join("index.html")];
    let mut known = BTreeSet::new();
    while let Some(page) = pages.pop() {
        if !known.insert(page.clone()) {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(!text.contains("<form") && !text.contains("<script"), "{}", page.display());
        for link in links(&text) {
            assert!(!link.starts_with('/') && !link.contains("://"), "{link}");
            let to = page.parent().unwrap().join(&link);
            assert!(to.is_file(), "{} leads to {link}", page.display());
            if link.ends_with(".html") {
                pages.push(to.canonicalize().unwrap());
            }
        }
    }
    // The same runs make the same bytes.
    let again = home.path().join("out/again");
    write_site(&app, &again, 12).unwrap();
    for page in ["index.html", "toy-1/index.html", "toy-1/row-0/sample-3.html"] {
        assert_eq!(std::fs::read(site.join(page)).unwrap(), std::fs::read(again.join(page)).unwrap());
    }
}

fn options() -> Options {
    Options { host: Ipv4Addr::LOCALHOST.into(), port: 0, hosts: Vec::new(), token: None }
}

/// What a server answers to these lines.
fn ask(port: u16, lines: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "{}\r\nConnection: close\r\n\r\n", lines.replace("PORT", &port.to_string())).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn port(server: &Server) -> u16 {
    let url = server.url();
    url.trim_start_matches("http://127.0.0.1:").split('/').next().unwrap().parse().unwrap()
}

#[test]
fn the_server_guards_itself() {
    let (_home, app) = world();
    let server = Server::start(app, &options()).unwrap();
    let port = port(&server);
    let page = ask(port, "GET /run/toy-1/row/0 HTTP/1.1\r\nHost: localhost:PORT");
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("default-src 'none'") && page.contains("nosniff"),
        "{page}"
    );
    assert!(!page.contains("style=\"") && !page.contains("<style"), "the policy forbids inline styles");
    assert!(ask(port, "GET / HTTP/1.1\r\nHost: evil.example:PORT").starts_with("HTTP/1.1 421"));
    let foreign = "POST / HTTP/1.1\r\nHost: localhost:PORT\r\nOrigin: http://evil.example\r\nContent-Length: 0";
    assert!(ask(port, foreign).starts_with("HTTP/1.1 403"));
    assert!(ask(port, "DELETE / HTTP/1.1\r\nHost: localhost:PORT").starts_with("HTTP/1.1 405"));
    assert!(ask(port, "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost:PORT").starts_with("HTTP/1.1 404"));
    server.stop();
}

#[test]
fn an_open_server_needs_a_token() {
    let (_home, app) = world();
    let open = Options { host: Ipv4Addr::UNSPECIFIED.into(), ..options() };
    let refused = Server::start(app, &open).unwrap_err().to_string();
    assert!(refused.contains("--token"), "{refused}");
    let (_home, app) = world();
    let server = Server::start(app, &Options { token: Some("a-long-secret".to_owned()), ..options() }).unwrap();
    let port = port(&server);
    assert!(ask(port, "GET / HTTP/1.1\r\nHost: localhost:PORT").starts_with("HTTP/1.1 403"));
    let entered = ask(port, "GET /compare?token=a-long-secret&a=1 HTTP/1.1\r\nHost: localhost:PORT");
    assert!(entered.starts_with("HTTP/1.1 303") && entered.contains("Location: /compare?a=1"), "{entered}");
    let cookie = "GET / HTTP/1.1\r\nHost: localhost:PORT\r\nCookie: fmr-token=a-long-secret";
    assert!(ask(port, cookie).starts_with("HTTP/1.1 200"));
    server.stop();
}

#[test]
fn a_page_follows_a_run_and_the_server_stops_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let dir = run(home.path(), "live", 12);
    let server = Server::start(app(vec![dir.clone()]), &options()).unwrap();
    let port = port(&server);
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET /run/live/events HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n").unwrap();
    let mut heard = String::new();
    let mut hear = |words: &str| {
        let mut bytes = [0; 512];
        while !heard.contains(words) {
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "{words}: {heard}");
            heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    hear("[[12,12],[6,12]]");
    let mut store = RunStore::open_to_judge(&dir).unwrap();
    store.commit("cifar/resnet", &toy::batch(6..9), Duration::ZERO).unwrap();
    hear("[[12,12],[9,12]]");
    let begin = std::time::Instant::now();
    server.stop();
    assert!(begin.elapsed() < Duration::from_secs(2));
}
