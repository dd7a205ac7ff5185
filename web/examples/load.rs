//! Visits a server as many people at once would: `load ADDRESS SECONDS READERS ANNOTATORS`, e.g.
//! `load 127.0.0.1:8088 60 200 20`. Readers follow random links. Annotators judge images of the first round that a run's page
//! names, so that the server needs `--people`. Prints how long answers took, and how many verdicts were acknowledged.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, seconds, readers, annotators] = &arguments[..] else {
        return Err("load ADDRESS SECONDS READERS ANNOTATORS".into());
    };
    let end = Instant::now() + Duration::from_secs(seconds.parse()?);
    let (readers, annotators): (usize, usize) = (readers.parse()?, annotators.parse()?);
    let (home, _) = ask(address, "GET", "/", "")?;
    let run = links(&home).into_iter().find(|link| link.starts_with("/run/") && link.matches('/').count() == 2);
    let (page, _) = ask(address, "GET", &run.ok_or("the server shows no run")?, "")?;
    let round = links(&page).into_iter().find(|link| link.starts_with("/annotate/"));
    let (reads, posts, failures) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let keep = |times: &Mutex<Vec<f64>>, begin: Instant| {
        if let Ok(mut times) = times.lock() {
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
    };
    let fail = |what: String| {
        if let Ok(mut failures) = failures.lock() {
            failures.push(what);
        }
    };
    std::thread::scope(|scope| {
        for reader in 0..readers {
            let (reads, fail) = (&reads, &fail);
            scope.spawn(move || {
                let mut random = reader as u64 * 7919 + 1;
                let mut link = "/".to_owned();
                while Instant::now() < end {
                    let begin = Instant::now();
                    match ask(address, "GET", &link, "") {
                        Ok((page, _)) => {
                            keep(reads, begin);
                            random =
                                random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                            let links: Vec<String> =
                                links(&page).into_iter().filter(|link| !link.contains("annotate")).collect();
                            let next = links.get((random >> 33) as usize % links.len().max(1));
                            link = next.cloned().unwrap_or_else(|| "/".to_owned());
                        }
                        Err(error) => {
                            fail(format!("{link}: {error}"));
                            link = "/".to_owned();
                        }
                    }
                    // A reader looks at what came before going on.
                    std::thread::sleep(Duration::from_millis(500 + (random >> 55)));
                }
            });
        }
        let rounds = round.iter().flat_map(|round| (0..annotators).map(move |number| (round, number)));
        for (round, number) in rounds {
            let (posts, fail) = (&posts, &fail);
            scope.spawn(move || {
                let who = format!("load-{}-{number}", std::process::id());
                let mut page = ask(address, "GET", &format!("{round}?who={who}"), "").map(|(page, _)| page);
                while Instant::now() < end {
                    let form = match page.as_ref().map(|page| form(page)) {
                        Ok(Some(form)) => form,
                        Ok(None) => break,
                        Err(error) => return fail(format!("{round}: {error}")),
                    };
                    let begin = Instant::now();
                    page = ask(address, "POST", round, &form).and_then(|(_, location)| {
                        keep(posts, begin);
                        Ok(ask(address, "GET", &location.ok_or("no next image")?, "")?.0)
                    });
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        }
    });
    let failures = failures.into_inner()?;
    for (name, times) in [("pages and images", reads.into_inner()?), ("verdicts acknowledged", posts.into_inner()?)] {
        let mut times = times;
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
        println!("{name}: {}; median {:.1} ms, 95 % {:.1} ms, 99 % {:.1} ms", times.len(), at(0.5), at(0.95), at(0.99));
    }
    println!("failures: {}", failures.len());
    failures.iter().take(5).for_each(|failure| println!("  {failure}"));
    Ok(())
}

/// The body of an answer, and where it leads.
fn ask(address: &str, method: &str, path: &str, body: &str) -> Result<(String, Option<String>), Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let kind = "application/x-www-form-urlencoded";
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or("an answer without an end of its head")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !matches!(status, "200" | "303") {
        return Err(format!("status {status}").into());
    }
    let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).map(str::to_owned);
    Ok((body.to_owned(), location))
}

fn links(page: &str) -> BTreeSet<String> {
    let parts: Vec<&str> = page.split('"').collect();
    let pairs = parts.windows(2).filter(|pair| pair[0].ends_with("href=") || pair[0].ends_with("src="));
    pairs.map(|pair| pair[1].replace("&amp;", "&")).filter(|link| link.starts_with('/')).collect()
}

/// The form of a page with its first answer; `None` where there is nothing more to judge.
fn form(page: &str) -> Option<String> {
    let value = |name: &str| {
        let words = format!("name=\"{name}\" value=\"");
        page.find(&words).and_then(|at| page[at + words.len()..].split('"').next())
    };
    let names = ["who", "task", "ticket", "key", "answer"];
    let fields: Option<Vec<String>> =
        names.iter().map(|name| Some(format!("{name}={}", value(name)?.replace(' ', "+")))).collect();
    fields.map(|fields| fields.join("&"))
}
