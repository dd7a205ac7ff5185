//! Pages in a real browser: the way of a newcomer and of an annotator, on a desk and on a phone. Skipped with a notice where
//! `chromedriver` is not installed. `FMR_AXE` names axe-core's `axe.min.js`, which then must find nothing;
//! `FMR_SCREENSHOTS` names a folder for pictures of the pages.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use fmr_experiment::{Changes, Experiment, Lack, Row};
use fmr_human::Verdicts;
use fmr_report::{Components, Page, Report, Results};
use fmr_store::{Part, RowPlan, RunPlan, RunStore};
use fmr_web::{App, Options, People, PeopleSettings, Runs, Server, Tables};
use serde_json::{Value, json};

#[path = "../../evaluation/store/src/toy.rs"]
#[expect(dead_code, reason = "some of it serves the store alone")]
mod toy;

/// A driver that ends with the test.
struct Driver {
    process: Child,
    port: u16,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Driver {
    fn start() -> Option<Self> {
        let started = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut process) = started else {
            fmr_golden::skip("browser", "there is no chromedriver here");
            return None;
        };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| line.unwrap().split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
        // What it says further must not fill its pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, port: port.unwrap() })
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        // The driver keeps connections open, whatever it is asked.
        let (mut reader, mut length) = (BufReader::new(stream), 0);
        for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
            let value = line.to_ascii_lowercase().strip_prefix("content-length:").map(|value| value.trim().parse());
            length = value.map_or(length, Result::unwrap);
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let mut value: Value = serde_json::from_slice(&answer).unwrap();
        assert!(value["value"]["error"].is_null(), "{path}: {value}");
        value["value"].take()
    }
}

/// A window of a browser.
struct Window<'d> {
    driver: &'d Driver,
    session: String,
    name: &'static str,
}

impl<'d> Window<'d> {
    fn open(driver: &'d Driver, name: &'static str, [width, height]: [usize; 2]) -> Self {
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"];
        let metrics = json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0 } });
        let options = json!({ "args": arguments, "mobileEmulation": metrics });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" }
        } } });
        let session = driver.ask("POST", "/session", &wanted)["sessionId"].as_str().unwrap().to_owned();
        Self { driver, session, name }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.driver.ask(method, format!("/session/{}/{path}", self.session).trim_end_matches('/'), body)
    }

    fn go(&self, address: &str) {
        self.ask("POST", "url", &json!({ "url": address }));
    }

    fn find(&self, how: &str, what: &str) -> String {
        let found = self.ask("POST", "element", &json!({ "using": how, "value": what }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    fn click(&self, how: &str, what: &str) {
        let element = self.find(how, what);
        self.ask("POST", &format!("element/{element}/click"), &json!({}));
    }

    fn type_in(&self, selector: &str, text: &str) {
        let element = self.find("css selector", selector);
        self.ask("POST", &format!("element/{element}/value"), &json!({ "text": text }));
    }

    fn run(&self, script: &str) -> Value {
        self.ask("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap().to_owned()
    }

    /// Waits until the address holds `part`: the words of a list stand on the page before as well.
    fn wait_for_address(&self, part: &str) {
        let begin = Instant::now();
        loop {
            let address = self.run("return location.search");
            if address.as_str().unwrap().contains(part) {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{part}: {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait_for(&self, words: &str) {
        let begin = Instant::now();
        while !self.text().contains(words) {
            assert!(begin.elapsed() < Duration::from_secs(20), "{words}\n{}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Nothing is wider than the window, nothing is complained about, axe finds nothing; and a picture.
    fn check(&self, page: &str) {
        let wide = self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert!(wide.as_i64().unwrap() <= 0, "{page} is {wide} pixels too wide on {}", self.name);
        let broken = self.run("return [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)");
        assert_eq!(broken, json!([]), "{page}");
        let said = self.ask("POST", "se/log", &json!({ "type": "browser" }));
        assert_eq!(said, json!([]), "{page}: the console is not empty");
        if let Ok(axe) = std::env::var("FMR_AXE") {
            let axe = std::fs::read_to_string(axe).unwrap();
            let tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
            let script = format!(
                "{axe};\nconst done = arguments[arguments.length - 1];\n\
                 axe.run(document, {{ runOnly: {} }}).then(r => done(r.violations.map(v => \
                 v.id + ': ' + v.nodes.map(n => n.html).slice(0, 3).join(' | '))))",
                json!(tags)
            );
            let found = self.ask("POST", "execute/async", &json!({ "script": script, "args": [] }));
            assert_eq!(found, json!([]), "{page} on {}", self.name);
        }
        if let Ok(folder) = std::env::var("FMR_SCREENSHOTS") {
            let picture = self.ask("GET", "screenshot", &json!({}));
            let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(Path::new(&folder).join(format!("{}-{page}.png", self.name)), bytes).unwrap();
        }
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.ask("DELETE", "", &json!({}));
        }
    }
}

struct Nothing;

impl Components for Nothing {
    fn prompt(&self, _: &str) -> Option<String> {
        None
    }

    fn lacks(&self, _: &Row) -> Option<Lack> {
        None
    }
}

fn tables(store: &RunStore) -> Result<Tables, String> {
    let text = store.plan().experiment.clone();
    let experiment = Experiment::parse(Path::new("toy.toml"), text, store.dir(), &Changes::default());
    let experiment = experiment.map_err(|e| e.in_a_line())?;
    let results = Results::read(store).map_err(|e| e.to_string())?;
    let report = Report::of(&experiment, &results, &Nothing);
    let body = Page { report: &report, results: &results, samples: 0 }.body().map_err(|e| e.to_string())?;
    Ok(Tables { title: report.title, body })
}

/// A server of a run of 150 images that people are asked about.
fn serve(home: &Path) -> Server {
    let plan = RunPlan { experiment: include_str!("toy.toml").to_owned(), ..toy::plan(150) };
    let mut store = RunStore::create(&home.join("runs/digits-001"), &plan).unwrap();
    let mut batch: Vec<_> = (0..150).map(|index| toy::sample(index, 3, 32)).collect();
    // Images of their own, so that each is judged.
    for (index, sample) in batch.iter_mut().enumerate() {
        for image in [&mut sample.original, &mut sample.final_image] {
            image[[0, 0, 0]] = index as f32 / 160.0;
        }
    }
    store.commit("mnist/lenet", &batch, Duration::ZERO).unwrap();
    store.commit("cifar/resnet", &batch[..100], Duration::ZERO).unwrap();
    let verdicts = Verdicts::open(&home.join("people.sqlite")).unwrap();
    let people = People::new(verdicts, PeopleSettings { samples: 40, ..PeopleSettings::default() }).unwrap();
    let app = App::new(Runs::of(vec![home.join("runs")]), Box::new(tables)).asking(people);
    let options = Options { host: Ipv4Addr::LOCALHOST.into(), port: 0, hosts: Vec::new(), token: None };
    Server::start(app, &options).unwrap()
}

const SIZES: [(&str, [usize; 2]); 2] = [("desk", [1280, 900]), ("phone", [390, 844])];

#[test]
fn a_newcomer_finds_the_worst_images_and_compares() {
    let Some(driver) = Driver::start() else { return };
    let home = tempfile::tempdir().unwrap();
    let server = serve(home.path());
    for (name, size) in SIZES {
        let window = Window::open(&driver, name, size);
        window.go(&server.url());
        window.check("home");
        window.click("link text", "digits-001");
        window.wait_for("Figures");
        window.check("run");
        window.click("link text", "worst first");
        window.wait_for("of 150 images");
        window.check("worst");
        window.click("css selector", ".card");
        window.wait_for("Course of the search");
        window.check("sample");
        window.click("partial link text", "Next");
        window.wait_for("Previous");
        window.click("link text", "Back to the list");
        window.run("document.querySelector('select[name=ending]').value = 'failed'");
        window.click("css selector", "form.filter button");
        window.wait_for_address("ending=failed");
        window.wait_for("of 150 images");
        window.go(&format!("{}compare", server.url()));
        window.check("choose");
        window.run("document.querySelector('select[name=b]').selectedIndex = 1");
        window.click("css selector", "form.filter button");
        window.wait_for("Images that tell them apart");
        window.check("compare");
    }
    server.stop();
}

#[test]
fn an_annotator_judges_by_keyboard_and_by_touch() {
    let Some(driver) = Driver::start() else { return };
    let home = tempfile::tempdir().unwrap();
    let server = serve(home.path());
    for (name, size) in SIZES {
        let window = Window::open(&driver, name, size);
        window.go(&server.url());
        window.click("link text", "digits-001");
        window.wait_for("Figures");
        window.click("link text", "judge images");
        window.wait_for("Your name");
        window.check("name");
        window.type_in("input[name=who]", name);
        window.click("css selector", "form button");
        window.wait_for("Image 1 of");
        window.check("judge");
        for judged in 1..=20 {
            match name {
                "desk" => window.type_in("body", if judged % 2 == 0 { "1" } else { "u" }),
                _ => window.click("css selector", ".answers button"),
            }
            window.wait_for(&format!("Image {} of", judged + 1));
        }
        window.click("css selector", ".undo");
        window.wait_for("What does this image show?");
        window.go(&format!("{}people/digits-001/0", server.url()));
        window.wait_for("controls right");
        window.check("findings");
    }
    let count = Verdicts::open(&home.path().join("people.sqlite")).unwrap().count().unwrap();
    assert_eq!(count, 40);
    server.stop();
}
