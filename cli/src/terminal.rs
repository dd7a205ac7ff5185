//! What a terminal, or a log file, shows while a run works.

use std::cell::RefCell;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use fmr::core::Outcome;
use fmr::core::Working;
use fmr::core::perturb::Perturbed;
use fmr::{Begun, Events, Phase};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two lines of a log.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// Shows a run on stderr: a bar on a terminal, else a plain line a minute.
#[derive(Default)]
pub struct Terminal(RefCell<Shown>);

#[derive(Default)]
struct Shown {
    bar: Option<ProgressBar>,
    log: Option<Log>,
    row: Counts,
    /// What takes long, in words; empty where nothing does.
    working: String,
}

/// Progress in plain lines.
struct Log {
    begun: Instant,
    last: Instant,
    /// Images finished by this process.
    done: usize,
    /// Images finished before this process began.
    before: usize,
    images: usize,
}

/// How the searches of the present row ended.
#[derive(Default)]
struct Counts {
    title: String,
    exhausted: usize,
    stopped: usize,
    rejected: usize,
    failed: usize,
}

impl Events for Terminal {
    fn begun(&self, begun: Begun<'_>) {
        let mut shown = self.0.borrow_mut();
        if std::io::stderr().is_terminal() {
            shown.bar = Some(bar(begun));
            return;
        }
        let now = Instant::now();
        let log = Log { begun: now, last: now, done: 0, before: begun.done, images: begun.images };
        if let Some(dir) = begun.dir {
            eprintln!("{}: {} of {} images done", dir.display(), log.before, log.images);
        }
        shown.log = Some(log);
    }

    fn row(&self, title: &str, phase: Phase) {
        let mut shown = self.0.borrow_mut();
        let title = match phase {
            Phase::Spread => format!("spread of latents, {title}"),
            Phase::Mask => format!("mask of {title}"),
            Phase::Prepare => format!("what shards of {title} share"),
            Phase::Transfer => format!("{title}, shown to others"),
            _ => title.to_owned(),
        };
        shown.row = Counts { title, ..Counts::default() };
        shown.update();
    }

    fn batch(&self, batch: &[Perturbed]) {
        let mut shown = self.0.borrow_mut();
        batch.iter().for_each(|sample| shown.row.add(sample.record.outcome));
        if let Some(bar) = &shown.bar {
            bar.inc(batch.len() as u64);
        }
        let Shown { log, row, .. } = &mut *shown;
        if let Some(log) = log {
            log.add(batch.len(), row);
        }
        shown.update();
    }

    fn working(&self, working: &[Working]) {
        let mut shown = self.0.borrow_mut();
        shown.working = told(working);
        let Shown { log, working, .. } = &mut *shown;
        if let Some(log) = log.as_mut().filter(|log| log.last.elapsed() >= BETWEEN_LINES && !working.is_empty()) {
            log.last = Instant::now();
            eprintln!("{working}");
        }
        shown.update();
    }

    fn warning(&self, sentence: &str) {
        let shown = self.0.borrow();
        match &shown.bar {
            Some(bar) => bar.suspend(|| eprintln!("warning: {sentence}")),
            None => eprintln!("warning: {sentence}"),
        }
    }

    fn finished(&self) {
        self.clear();
    }
}

impl Terminal {
    /// Takes the bar away, so that what follows stands on a line of its own.
    pub fn clear(&self) {
        if let Some(bar) = self.0.borrow_mut().bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Shown {
    fn update(&self) {
        if let Some(bar) = &self.bar {
            let gap = if self.working.is_empty() { "" } else { "; " };
            bar.set_message(format!("{}{gap}{}", self.working, self.row));
        }
    }
}

/// The work under way that began first, and how many others there are.
fn told(working: &[Working]) -> String {
    let Some((first, others)) = working.split_first() else { return String::new() };
    let mut words = format!("{}: {} {}/{}", first.component, first.what, first.done, first.of);
    if !others.is_empty() {
        words += &format!(" and {} more", others.len());
    }
    words
}

fn bar(begun: Begun<'_>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(begun.images as u64), ProgressDrawTarget::stderr());
    // The template is a constant; were it wrong the default style would serve.
    if let Ok(style) = ProgressStyle::with_template("{bar:28} {pos}/{len} {eta:>4}  {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_position(begun.done as u64);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

impl Log {
    fn add(&mut self, images: usize, row: &Counts) {
        self.done += images;
        let finished = self.before + self.done;
        let due = self.last.elapsed() >= BETWEEN_LINES || finished == self.images;
        if due {
            self.last = Instant::now();
            eprintln!("{}", self.line(self.begun.elapsed(), row));
        }
    }

    fn line(&self, elapsed: Duration, row: &Counts) -> String {
        let finished = self.before + self.done;
        let rate = self.done as f64 / elapsed.as_secs_f64().max(1e-3);
        let left = self.images.saturating_sub(finished);
        let eta = Duration::try_from_secs_f64(left as f64 / rate.max(1e-9)).unwrap_or(Duration::MAX);
        let eta = if left == 0 { "done".to_owned() } else { format!("{} left", HumanDuration(eta)) };
        format!("{finished} of {} images done, {left} to go, {:.1} a minute, {eta}; {row}", self.images, 60.0 * rate)
    }
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::BudgetReached | Outcome::EarlyExit => self.exhausted += 1,
            Outcome::StoppedByOracle => self.stopped += 1,
            Outcome::ReconstructionRejected => self.rejected += 1,
            _ => self.failed += 1,
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { title, exhausted, stopped, rejected, failed } = self;
        write!(f, "{title}: {exhausted} exhausted the budget, {stopped} stopped, {rejected} rejected")?;
        if *failed > 0 {
            write!(f, ", {failed} failed")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use fmr::core::Progress;

    use super::*;

    #[test]
    fn work_that_takes_long_is_told() {
        let progress = Progress::default();
        let tasks = [10, 20].map(|of| progress.begin("generator \"toy\"", "invert an image", of));
        assert!(tasks[0].reached(3).is_ok());
        assert_eq!(told(&progress.now()), "generator \"toy\": invert an image 3/10 and 1 more");
        drop(tasks);
        assert_eq!(told(&progress.now()), "");
    }

    #[test]
    fn a_log_line_says_how_far_the_run_is() {
        let now = Instant::now();
        let log = Log { begun: now, last: now, done: 30, before: 10, images: 100 };
        let row = Counts { title: "MNIST · LeNet".to_owned(), exhausted: 25, stopped: 5, ..Counts::default() };
        let line = log.line(Duration::from_secs(60), &row);
        let wanted = "40 of 100 images done, 60 to go, 30.0 a minute, 2 minutes left; \
                      MNIST · LeNet: 25 exhausted the budget, 5 stopped, 0 rejected";
        assert_eq!(line, wanted);
    }
}
