//! People judge images of a synthetic run.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use fmr_human::Verdicts;
use fmr_store::{Part, RowPlan, RunPlan, RunStore};
use fmr_web::{Answer, App, People, PeopleSettings, Request, Runs, Tables, answer, post};
use tempfile::TempDir;

#[path = "../../evaluation/store/src/toy.rs"]
#[expect(dead_code, reason = "some of it serves the store alone")]
mod toy;

const EXPERIMENT: &str = include_str!("toy.toml");

/// A run of 40 samples, 20 of which people are asked about.
fn world() -> (TempDir, App) {
    let home = tempfile::tempdir().unwrap();
    let plan = RunPlan { experiment: EXPERIMENT.to_owned(), ..toy::plan(40) };
    let mut store = RunStore::create(&home.path().join("runs/secret-model"), &plan).unwrap();
    // Images of their own, so that each is a task of its own.
    let mut batch: Vec<_> = (0..40).map(|index| toy::sample(index, 1, 8)).collect();
    for (index, sample) in batch.iter_mut().enumerate() {
        for image in [&mut sample.original, &mut sample.reconstruction, &mut sample.final_image] {
            image[[0, 0, 0]] = index as f32 / 64.0;
        }
    }
    store.commit("mnist/lenet", &batch, Duration::ZERO).unwrap();
    drop(store);
    let app = open(home.path());
    (home, app)
}

fn open(home: &Path) -> App {
    let tables = |_: &RunStore| Ok(Tables { title: "toy".to_owned(), body: String::new() });
    let verdicts = Verdicts::open(&home.join("people.sqlite")).unwrap();
    let people = People::new(verdicts, PeopleSettings { samples: 20, ..PeopleSettings::default() }).unwrap();
    App::new(Runs::of(vec![home.join("runs")]), Box::new(tables)).asking(people)
}

fn text(app: &App, address: &str) -> String {
    let found = answer(app, &Request::of(address)).unwrap_or_else(|error| Answer::of_error(&error));
    String::from_utf8(found.body).unwrap()
}

fn after<'t>(text: &'t str, words: &str) -> &'t str {
    let at = text.find(words).unwrap_or_else(|| panic!("{words}\n{text}"));
    text[at + words.len()..].split('"').next().unwrap()
}

/// The address of the round.
fn round(app: &App) -> String {
    format!("/annotate/{}", after(&text(app, "/run/secret-model"), "href=\"/annotate/"))
}

/// The form of a page with an answer.
fn form(page: &str, answer: &str) -> String {
    let of = |name: &str| after(page, &format!("name=\"{name}\" value=\"")).to_owned();
    let names = ["who", "task", "ticket", "key"];
    let fields: Vec<String> = names.iter().map(|name| format!("{name}={}", of(name))).collect();
    format!("{}&seconds=1.5&answer={answer}", fields.join("&"))
}

fn send(app: &App, address: &str, form: &str) -> Answer {
    post(app, &Request::of(address), form).unwrap_or_else(|error| Answer::of_error(&error))
}

/// Judges everything; `answer` says what somebody sees in the image of a page.
fn judge_all(app: &App, who: &str, answer: impl Fn(usize) -> &'static str) -> usize {
    let round = round(app);
    let mut page = text(app, &format!("{round}?who={who}"));
    let mut judged = 0;
    while page.contains("image to judge") {
        let sent = send(app, &round, &form(&page, answer(judged)));
        assert_eq!(sent.status, 303, "{}", String::from_utf8_lossy(&sent.body));
        judged += 1;
        page = text(app, &sent.location.unwrap());
    }
    assert!(page.contains("You have judged all"), "{page}");
    judged
}

#[test]
fn a_page_tells_nothing_but_the_question() {
    let (_home, app) = world();
    let round = round(&app);
    assert!(text(&app, &round).contains("Your name"));
    let page = text(&app, &format!("{round}?who=ann"));
    assert!(page.contains("What does this image show?") && page.contains("data-key=\"1\""), "{page}");
    for telling in ["secret", "lenet", "LeNet", "final", "original", "reconstruction", "CLIP", "test/0", "score"] {
        assert!(!page.contains(telling), "{telling}\n{page}");
    }
    let address = format!("/annotate/{}", after(&page, "src=\"/annotate/"));
    let image = answer(&app, &Request::of(&address)).unwrap();
    assert!(image.kind == "image/png" && image.version.is_none());
}

#[test]
fn verdicts_are_counted_once_and_outlive_the_server() {
    let (home, app) = world();
    let round = round(&app);
    let page = text(&app, &format!("{round}?who=ann"));
    let sent = form(&page, "class+0");
    let count = || Verdicts::open(&home.path().join("people.sqlite")).unwrap().count().unwrap();
    for _ in 0..3 {
        assert_eq!(send(&app, &round, &sent).status, 303);
    }
    assert_eq!(count(), 1, "a form that is sent thrice is one verdict");
    // A second thought is a verdict of its own.
    let location = send(&app, &round, &sent).location.unwrap();
    let undo = after(&text(&app, &location), "class=\"undo\" href=\"").replace("&amp;", "&");
    let again = text(&app, &undo);
    assert_eq!(after(&again, "name=\"task\" value=\""), after(&page, "name=\"task\" value=\""));
    assert_eq!(send(&app, &round, &form(&again, "class+1")).status, 303);
    assert_eq!(count(), 2);
    drop(app);
    // Another server goes on where this one stopped.
    let app = open(home.path());
    let next = text(&app, &format!("{round}?who=ann"));
    assert!(next.contains("Image 2 of "), "{next}");
    assert_ne!(after(&next, "name=\"task\" value=\""), after(&page, "name=\"task\" value=\""));
}

#[test]
fn forged_and_broken_forms_are_refused() {
    let (home, app) = world();
    let round = round(&app);
    let sent = form(&text(&app, &format!("{round}?who=ann")), "class+0");
    let key = sent.split('&').find(|part| part.starts_with("key=")).unwrap();
    for broken in [
        sent.replace(key, "key=0000000000000000"),
        sent.replace(key, ""),
        sent.replace("answer=class+0", "answer=class+9"),
        sent.replace("answer=class+0", "answer=yes"),
        sent.replace("who=ann", "who=%1b%5b2J"),
        sent.replace("task=", "task=0"),
        String::new(),
    ] {
        assert_eq!(send(&app, &round, &broken).status, 400, "{broken}");
    }
    assert_eq!(send(&app, "/annotate/0123456789abcdef", &sent).status, 404);
    assert_eq!(Verdicts::open(&home.path().join("people.sqlite")).unwrap().count().unwrap(), 0);
}

#[test]
fn findings_say_who_looks_and_what_fmr_people_see() {
    let (_home, app) = world();
    assert!(text(&app, "/people/secret-model/0").contains("Nobody has judged yet"));
    // Eve says zero to everything; Ann does so at times.
    let judged = judge_all(&app, "eve", |_| "class+0");
    assert!(judged > 10, "{judged}");
    let alone = text(&app, "/people/secret-model/0");
    assert!(alone.contains("eve") && alone.contains("FMR as people see it"), "{alone}");
    judge_all(&app, "ann", |at| if at % 2 == 0 { "class+0" } else { "cannot-tell" });
    let both = text(&app, "/people/secret-model/0");
    assert!(both.contains("ann") && both.contains("controls right"), "{both}");
    assert!(
        both.contains("people (majority)") && both.contains("(the search&#39;s)") || both.contains("(the search's)")
    );
}
