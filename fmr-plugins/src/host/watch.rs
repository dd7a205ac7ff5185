//! A time limit on calls into foreign code.
//!
//! Native code cannot be stopped from outside. A call with a limit therefore runs on a thread of its own with data of
//! its own; when the limit is over, the caller goes on and the thread is left behind with all that it uses.
//! Threads are kept for later calls, as frameworks tie pools and device contexts to them, and each serves one budget of
//! threads, so that a plugin may size such pools once. A caller keeps its thread from call to call: a system that finds
//! both on one core, one of them asleep, then has nowhere else to put them. Callers that swapped threads cost a fifth of a
//! small model's speed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// Threads whose caller has ended, by the budget of the calls that they serve.
static IDLE: Mutex<BTreeMap<u32, Vec<Sender<Job>>>> = Mutex::new(BTreeMap::new());

fn idle() -> MutexGuard<'static, BTreeMap<u32, Vec<Sender<Job>>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The threads of a caller, one a budget.
#[derive(Default)]
struct Mine(BTreeMap<u32, Sender<Job>>);

impl Drop for Mine {
    fn drop(&mut self) {
        let mut idle = idle();
        for (budget, thread) in std::mem::take(&mut self.0) {
            idle.entry(budget).or_default().push(thread);
        }
    }
}

thread_local! {
    static MINE: RefCell<Mine> = RefCell::default();
}

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// The job is still running, on a thread that is left behind.
    Overdue,
    /// The job never ran: the system gives no thread.
    NoThread,
}

/// Runs a job of that budget of threads, for at most `limit`.
///
/// # Errors
/// It has not finished.
pub(super) fn within<R: Send + 'static>(
    limit: Option<Duration>,
    budget: u32,
    job: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Unfinished> {
    let Some(limit) = limit else { return Ok(job()) };
    let (done, result) = mpsc::sync_channel(1);
    // Without a receiver, what a late job gives is dropped on its own thread.
    let thread = submit(budget, Box::new(move || drop(done.send(job())))).map_err(|_| Unfinished::NoThread)?;
    match result.recv_timeout(limit) {
        Ok(result) => {
            MINE.with_borrow_mut(|mine| mine.0.insert(budget, thread));
            Ok(result)
        }
        // Nobody sends to the thread any more: it ends when the job does.
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(Unfinished::Overdue),
    }
}

/// Gives a thread a job: the caller's own, else one that is idle, else a new one.
fn submit(budget: u32, mut job: Job) -> std::io::Result<Sender<Job>> {
    let known = || {
        let own = MINE.with_borrow_mut(|mine| mine.0.remove(&budget));
        own.or_else(|| idle().get_mut(&budget).and_then(Vec::pop))
    };
    while let Some(thread) = known() {
        match thread.send(job) {
            Ok(()) => return Ok(thread),
            Err(mpsc::SendError(back)) => job = back,
        }
    }
    let (send, jobs) = mpsc::channel::<Job>();
    let work = move || {
        job();
        jobs.into_iter().for_each(|job| job());
    };
    std::thread::Builder::new().name("plugin call".into()).spawn(work)?;
    Ok(send)
}

#[derive(Debug, Default)]
struct State {
    busy: bool,
    stuck: bool,
}

/// Lets calls of one instance in: one at a time where it is not thread-safe, none any more after one never returned.
#[derive(Debug)]
pub(super) struct Gate {
    shared: bool,
    state: Mutex<State>,
    changed: Condvar,
}

/// An earlier call never returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stuck;

/// Leave to be in a call. It moves into the job, so that it ends when the job does.
pub(super) struct Pass(Arc<Gate>);

impl Gate {
    pub(super) fn new(shared: bool) -> Arc<Self> {
        Arc::new(Self { shared, state: Mutex::default(), changed: Condvar::new() })
    }

    /// Waits for leave.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Pass, Stuck> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.busy && !state.stuck && !self.shared {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stuck {
            return Err(Stuck);
        }
        state.busy = true;
        Ok(Pass(Arc::clone(self)))
    }

    /// Closes for good.
    pub(super) fn give_up(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stuck = true;
        self.changed.notify_all();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).busy = false;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{self, ThreadId};

    use super::*;

    #[test]
    fn results_come_back_and_overdue_jobs_do_not_hold_the_caller() {
        assert_eq!(within(None, 0, || 1), Ok(1));
        assert_eq!(within(Some(Duration::from_secs(60)), 0, || 2), Ok(2));
        let (release, wait) = mpsc::channel::<()>();
        let late = within(Some(Duration::from_millis(20)), 0, move || wait.recv().is_ok());
        assert_eq!(late, Err(Unfinished::Overdue));
        drop(release);
    }

    #[test]
    fn threads_are_used_again_for_calls_of_their_budget() {
        let on = |budget| within(Some(Duration::from_secs(60)), budget, || thread::current().id()).unwrap();
        let distinct = |ids: Vec<ThreadId>| ids.into_iter().collect::<HashSet<_>>();
        // Budgets that no other test uses.
        let (one, other) = (distinct((0..20).map(|_| on(901)).collect()), distinct((0..20).map(|_| on(902)).collect()));
        assert!(one.len() == 1 && other.len() == 1);
        assert!(one.is_disjoint(&other));
        // A caller's own thread serves others when the caller has ended.
        let first = thread::spawn(move || on(903)).join().unwrap();
        assert_eq!(thread::spawn(move || on(903)).join().unwrap(), first);
    }

    #[test]
    fn a_gate_lets_one_call_in_at_a_time() {
        let (gate, inside, most) = (Gate::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let pass = gate.enter().ok().unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(pass);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
    }

    #[test]
    fn nobody_waits_behind_a_stuck_call() {
        let gate = Gate::new(false);
        let _never_ends = gate.enter().ok().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter().is_err());
            thread::sleep(Duration::from_millis(10));
            gate.give_up();
            assert!(waiting.join().unwrap());
        });
        assert!(gate.enter().is_err());
    }
}
