//! Many samples on several threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::{PerturbError, Perturbed, Perturber, SampleBatch};

/// Time between two calls of [`Workers::tick`].
const BETWEEN_TICKS: Duration = Duration::from_millis(200);

/// Threads that perturb batches side by side.
///
/// On a processor, several small batches side by side are faster than one large one: each stays in its core's cache, and
/// no layer waits for the slowest thread.
#[derive(Clone, Copy)]
pub struct Workers<'a> {
    /// Number of threads, each with a batch of its own; `run.lanes` of an experiment file.
    pub threads: usize,
    /// Samples of a batch.
    pub batch: usize,
    /// Called once on each thread before its first batch, e.g. to keep its kernels from starting threads of their own.
    pub enter: &'a (dyn Fn() + Sync),
    /// Asked before each batch. `false` begins no more batches; those in progress are finished and handed over, except
    /// those that a component gave up because it was told to.
    pub go_on: &'a (dyn Fn() -> bool + Sync),
    /// Called now and then on the calling thread while it waits for a batch.
    pub tick: &'a dyn Fn(),
}

impl Workers<'_> {
    /// Perturbs the samples at `positions`. `samples` makes the batch of some positions; `done` is handed each batch's
    /// outcomes on this thread, in order of completion.
    ///
    /// # Errors
    /// The first error of `samples`, of a batch or of `done`. Batches in progress are finished and dropped.
    pub fn run<E: From<PerturbError> + Send>(
        &self,
        perturber: &Perturber<'_>,
        positions: &[usize],
        samples: &(dyn Fn(&[usize]) -> Result<SampleBatch, E> + Sync),
        mut done: impl FnMut(Vec<Perturbed>) -> Result<(), E>,
    ) -> Result<(), E> {
        let batches: Vec<&[usize]> = positions.chunks(self.batch.max(1)).collect();
        let Self { enter, go_on, tick, .. } = *self;
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel(self.threads.max(1) * 2);
            for _ in 0..self.threads.clamp(1, batches.len().max(1)) {
                let sender = sender.clone();
                let (next, stop, batches) = (&next, &stop, &batches);
                scope.spawn(move || {
                    enter();
                    while !stop.load(Ordering::Relaxed) && go_on() {
                        let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                        let outcome = match samples(batch).map(|batch| perturber.run(&batch)) {
                            Ok(Err(PerturbError::Cancelled)) if !go_on() => break,
                            Ok(outcome) => outcome.map_err(E::from),
                            Err(error) => Err(error),
                        };
                        // The receiver is gone when the run has ended with an error.
                        if sender.send(outcome).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut result = Ok(());
            loop {
                let outcome = match receiver.recv_timeout(BETWEEN_TICKS) {
                    Ok(outcome) => outcome,
                    Err(RecvTimeoutError::Timeout) => {
                        tick();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                if result.is_ok() {
                    result = outcome.and_then(&mut done);
                    if result.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            }
            result
        })
    }
}
