//! A time limit on calls into foreign code.
//!
//! Native code cannot be stopped from outside. A call with a limit therefore runs on a thread of its own with data of
//! its own; when the limit is over, the caller goes on and the thread is left behind with all that it uses.
//! Threads are kept for later calls, as frameworks tie pools and device contexts to them.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that wait for work.
static IDLE: Mutex<Vec<Sender<Job>>> = Mutex::new(Vec::new());

/// The call did not return in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overdue;

/// Runs a job, for at most `limit`.
///
/// # Errors
/// The job is still running, on a thread that is left behind.
pub(super) fn within<R: Send + 'static>(
    limit: Option<Duration>,
    job: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Overdue> {
    let Some(limit) = limit else { return Ok(job()) };
    let (done, result) = mpsc::sync_channel(1);
    // Without a receiver, what a late job gives is dropped on its own thread.
    submit(Box::new(move || drop(done.send(job()))));
    match result.recv_timeout(limit) {
        Ok(result) => Ok(result),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(Overdue),
    }
}

fn submit(mut job: Job) {
    loop {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(thread) = idle else { break };
        match thread.send(job) {
            Ok(()) => return,
            Err(mpsc::SendError(back)) => job = back,
        }
    }
    let (send, jobs) = mpsc::channel::<Job>();
    std::thread::spawn(move || {
        let mut next = Some(job);
        while let Some(job) = next {
            job();
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(send.clone());
            next = jobs.recv().ok();
        }
    });
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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{self, ThreadId};

    use super::*;

    #[test]
    fn results_come_back_and_overdue_jobs_do_not_hold_the_caller() {
        assert_eq!(within(None, || 1), Ok(1));
        assert_eq!(within(Some(Duration::from_secs(60)), || 2), Ok(2));
        let (release, wait) = mpsc::channel::<()>();
        let late = within(Some(Duration::from_millis(20)), move || wait.recv().is_ok());
        assert_eq!(late, Err(Overdue));
        drop(release);
    }

    #[test]
    fn threads_are_used_again() {
        let ids: Vec<ThreadId> =
            (0..20).map(|_| within(Some(Duration::from_secs(60)), || thread::current().id()).unwrap()).collect();
        let mut distinct = ids.clone();
        distinct.sort_by_key(|id| format!("{id:?}"));
        distinct.dedup();
        assert!(distinct.len() < ids.len());
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
