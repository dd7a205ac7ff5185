//! How far a run is, told to pages as it goes (server-sent events).

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::{App, RowProgress, counts};

/// Most pages that are told at once; more see the figures when they are loaded.
const MOST: usize = 64;
/// Time between looks at the run.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest silence, so that proxies keep the connection.
const SILENCE: Duration = Duration::from_secs(15);

/// Pages that are being told.
#[derive(Debug, Default)]
pub(crate) struct Listeners(AtomicUsize);

impl Listeners {
    /// A place for one more; `None` where there is none.
    pub(crate) fn join(&self) -> Option<Listener<'_>> {
        let joined = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < MOST).then_some(n + 1));
        joined.ok().map(|_| Listener(&self.0))
    }
}

/// The place of one page.
pub(crate) struct Listener<'l>(&'l AtomicUsize);

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells a page about a run until the run is finished, the page is gone or the server stops.
pub(crate) fn tell(app: &App, slug: &str, stop: &AtomicBool, out: &mut dyn Write) -> std::io::Result<()> {
    let begin = Instant::now();
    let mut first: Option<usize> = None;
    let mut told: Option<Vec<RowProgress>> = None;
    let mut spoke = Instant::now();
    let Some(run) = app.runs.get(slug) else { return Ok(()) };
    while !stop.load(Ordering::Relaxed) {
        let Ok(rows) = run.look(counts) else { return Ok(()) };
        let (done, of) = rows.iter().fold((0, 0), |(done, of), row| (done + row.done, of + row.of));
        let since = done.saturating_sub(*first.get_or_insert(done));
        if told.as_ref() != Some(&rows) {
            let seconds = begin.elapsed().as_secs_f64();
            let left = (since > 0).then(|| (of - done.min(of)) as f64 * seconds / since as f64);
            let event = json!({
                "rows": rows.iter().map(|row| json!([row.done, row.of])).collect::<Vec<_>>(),
                "finished": done >= of,
                "left": left.map(f64::round),
            });
            write!(out, "id: {done}\ndata: {event}\n\n")?;
            out.flush()?;
            (told, spoke) = (Some(rows), Instant::now());
            if done >= of {
                return Ok(());
            }
        } else if spoke.elapsed() > SILENCE {
            out.write_all(b": still here\n\n")?;
            out.flush()?;
            spoke = Instant::now();
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
