//! Where people judge: one image, one question. Nothing on the page tells which model, which step or what a machine says.

use fmr_core::shown;
use fmr_human::{Answer, Verdict, check_name};
use maud::{Markup, html};

use super::layout::{Crumb, page};
use crate::app::App;
use crate::error::WebError;
use crate::guard::same;
use crate::links::Links;
use crate::people::{People, RowRound};
use crate::query::{Query, encoded};

/// Seconds after which a look counts as a pause.
const PAUSE: f64 = 60.0;

fn people(app: &App) -> Result<&People, WebError> {
    let missing = || WebError::NotFound("round of images here: `fmr serve --people FILE` begins one".to_owned());
    app.people.as_ref().ok_or_else(missing)
}

/// The address of the next image of somebody.
fn address(round: &RowRound, who: &str, again: Option<&str>) -> String {
    let query = Query::default().with("who", who);
    let query = if let Some(task) = again { query.with("again", task) } else { query };
    format!("/annotate/{}{query}", round.name)
}

/// The next image that somebody is asked about, or the question for a name.
///
/// # Errors
/// Nobody is asked here, or the runs or the verdicts cannot be read.
pub(crate) fn annotate(app: &App, name: &str, query: &Query) -> Result<String, WebError> {
    let people = people(app)?;
    let round = people.named(app, name)?;
    let Some(who) = query.get("who") else { return Ok(ask_name(&round)) };
    check_name(who)?;
    let judged = people.verdicts().judged_by(who)?;
    let times = |at: usize| {
        let task = &round.round.tasks[at];
        judged.get(&(task.image, task.question.to_string())).copied().unwrap_or(0)
    };
    let order = round.round.order(who);
    let done = order.iter().filter(|at| times(**at) > 0).count();
    let again = query.get("again").and_then(|task| round.task(task));
    let Some(at) = again.or_else(|| order.iter().copied().find(|at| times(*at) == 0)) else {
        let body = html! {
            p { "You have judged all " (order.len()) " images. Thank you." }
        };
        return Ok(page(Links::Live, "Done", &[Crumb::here("people")], &body));
    };
    let task = &round.round.tasks[at];
    // The same page sent twice is one verdict. A changed mind is a new one.
    let ticket = people.word(&["ticket", who, &round.names[at], &times(at).to_string()]);
    let last = query.get("last").and_then(|task| round.task(task));
    let body = html! {
        form.judge method="post" action={ "/annotate/" (round.name) } data-keys {
            input type="hidden" name="who" value=(who);
            input type="hidden" name="task" value=(round.names[at]);
            input type="hidden" name="ticket" value=(ticket);
            input type="hidden" name="key" value=(people.word(&["form"]));
            input type="hidden" name="seconds" value="";
            img.judged width="336" height="336" alt="image to judge"
                src={ "/annotate/" (round.name) "/image/" (encoded(&round.names[at])) };
            div.answers role="group" aria-label="Answers" {
                @for (place, answer) in task.question.answers().into_iter().enumerate() {
                    @let key = key(answer, place);
                    button type="submit" name="answer" value=(answer.to_string()) data-key=[&key] {
                        (words(answer, &|class| task.question.name(class)))
                        @if let Some(key) = &key { " " kbd aria-hidden="true" { (key) } }
                    }
                }
            }
        }
        p role="status" { "Image " ((done + 1).min(order.len())) " of " (order.len()) }
        @if let Some(last) = last {
            p { a.undo href=(address(&round, who, Some(&round.names[last]))) data-key="z" { "Judge the last image again" } " " kbd aria-hidden="true" { "z" } }
        }
    };
    let body = html! { (body) script src="/static/annotate.js" defer {} };
    Ok(page(Links::Live, &task.question.to_string(), &[Crumb::here("people")], &body))
}

fn words(answer: Answer, name: &dyn Fn(usize) -> String) -> String {
    match answer {
        Answer::Class(class) => shown::text(&name(class)),
        Answer::Yes => "Yes".to_owned(),
        Answer::No => "No".to_owned(),
        Answer::CannotTell => "Can't tell".to_owned(),
    }
}

/// The key of an answer: 1 to 9 and 0 for classes, letters for the others.
fn key(answer: Answer, place: usize) -> Option<String> {
    match answer {
        Answer::Class(_) => (place < 10).then(|| ((place + 1) % 10).to_string()),
        Answer::Yes => Some("y".to_owned()),
        Answer::No => Some("n".to_owned()),
        Answer::CannotTell => Some("u".to_owned()),
    }
}

fn ask_name(round: &RowRound) -> String {
    let body = html! {
        p { "You will see one image after the other and say what it shows. Say what you see yourself; there is no hurry." }
        p { "Choose a name and keep it: you can stop at any time and go on later under the same name." }
        form.filter method="get" action={ "/annotate/" (round.name) } {
            label { "Your name" input.wide type="text" name="who" required maxlength="60" autocomplete="nickname"; }
            button type="submit" { "Begin" }
        }
    };
    page(Links::Live, "Judge images", &[Crumb::here("people")], &body)
}

/// Takes a verdict, and gives the address of the next image.
///
/// # Errors
/// The form is not of this server, makes no sense, or the verdict cannot be kept.
pub(crate) fn judge(app: &App, name: &str, form: &Query) -> Result<String, WebError> {
    let people = people(app)?;
    let refuse = |problem: &str| WebError::Request(problem.to_owned());
    if !form.get("key").is_some_and(|key| same(key, &people.word(&["form"]))) {
        return Err(refuse("this form is not of this server; load the page again"));
    }
    let round = people.named(app, name)?;
    let who = form.get("who").ok_or_else(|| refuse("a verdict needs a name"))?;
    let at = form.get("task").and_then(|task| round.task(task)).ok_or_else(|| refuse("there is no such image"))?;
    let answer =
        form.get("answer").and_then(|answer| answer.parse().ok()).ok_or_else(|| refuse("there is no answer"))?;
    let ticket = form.get("ticket").ok_or_else(|| refuse("a verdict needs a ticket"))?;
    let seconds = form.parsed("seconds").filter(|s: &f64| s.is_finite() && *s >= 0.0).unwrap_or(0.0).min(PAUSE);
    let task = &round.round.tasks[at];
    let verdict = Verdict { annotator: who.to_owned(), answer, seconds };
    people.verdicts().add(task.image, &task.question, &verdict, ticket)?;
    let query = Query::default().with("who", who).with("last", &round.names[at]);
    Ok(format!("/annotate/{}{query}", round.name))
}

/// An image to judge.
///
/// # Errors
/// Nobody is asked here, or there is no such image.
pub(crate) fn judged_image(app: &App, name: &str, task: &str) -> Result<Vec<u8>, WebError> {
    let round = people(app)?.named(app, name)?;
    let at = round.task(task).ok_or_else(|| WebError::NotFound("image at this address".to_owned()))?;
    round.image(app, at)
}

/// The address of the round of a row, and of its findings, where people are asked.
pub(super) fn ways(app: &App, slug: &str, row: usize) -> Markup {
    let Some(people) = &app.people else { return html! {} };
    let name = people.word(&["round", slug, &row.to_string()]);
    html! {
        ", " a href={ "/annotate/" (name) } { "judge images" }
        ", " a href={ "/people/" (encoded(slug)) "/" (row) } { "what people say" }
    }
}
