//! Runs an input through everything that a user can ask of a checkpoint, and measures what that costs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fmr_checkpoint::{Checkpoint, CheckpointError, Selection};
use peak_alloc::PeakAlloc;

use crate::inputs::Input;

/// Memory that any input may take beyond its own bytes, in bytes.
const MEMORY_BASE: usize = 4 << 20;
/// Memory for each byte of the input: the budget of the crate and the copies that a summary makes of what is listed.
const MEMORY_PER_BYTE: usize = 320;
/// Memory that loaded values of any input may take, in bytes.
const VALUES_BASE: usize = 16 << 20;
/// Processor time that any input may take. The first access to pages that another process held takes most of it.
const TIME_BASE: Duration = Duration::from_millis(250);
/// Processor time for each byte of the input: a dozen passes over what eight steps and 128 bytes of budget can list.
const TIME_PER_BYTE: Duration = Duration::from_micros(10);
/// Printed text of any input, in bytes.
const TEXT: usize = 16 << 10;
/// Times that an input is timed before it counts as slow.
const ATTEMPTS: usize = 3;

/// What became of an input.
pub(crate) enum Verdict {
    /// It was taken for a checkpoint.
    Listed,
    /// It was refused.
    Refused,
    /// It broke a rule.
    Failed(String),
}

/// Measures inputs one after another.
pub(crate) struct Bench {
    memory: &'static PeakAlloc,
    folder: tempfile::TempDir,
    worst_memory: (usize, usize),
    worst_time: (Duration, usize),
}

/// What one run of an input cost and said.
struct Run {
    listed: bool,
    text: String,
    memory: usize,
    time: Duration,
}

impl Bench {
    pub(crate) fn new(memory: &'static PeakAlloc) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        Ok(Self { memory, folder, worst_memory: (0, 0), worst_time: (Duration::ZERO, 0) })
    }

    /// The dearest inputs so far.
    pub(crate) fn worst(&self) -> String {
        format!(
            "most memory {} KiB ({} bytes of input), longest {} ms ({} bytes of input)",
            self.worst_memory.0 >> 10,
            self.worst_memory.1,
            self.worst_time.0.as_millis(),
            self.worst_time.1
        )
    }

    pub(crate) fn run(&mut self, input: &Input) -> Verdict {
        let length = input.bytes.len();
        let allowed = TIME_BASE + TIME_PER_BYTE * u32::try_from(length).unwrap_or(u32::MAX);
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let run = match self.once(input) {
                Ok(run) => run,
                Err(problem) => return Verdict::Failed(problem),
            };
            let in_time = run.time <= allowed;
            last = Some(run);
            if in_time {
                break;
            }
        }
        let Some(run) = last else { return Verdict::Refused };
        self.worst_memory = self.worst_memory.max((run.memory, length));
        self.worst_time = self.worst_time.max((run.time, length));
        let memory = MEMORY_BASE + VALUES_BASE + MEMORY_PER_BYTE * length;
        let problem = if run.time > allowed {
            format!("it took {} ms, {ATTEMPTS} times over; {} are allowed", run.time.as_millis(), allowed.as_millis())
        } else if run.memory > memory {
            format!("it took {} bytes of memory; {memory} are allowed", run.memory)
        } else if run.text.len() > TEXT {
            format!("{} bytes of text were shown", run.text.len())
        } else if run.text.chars().any(|c| c != '\n' && c.is_control()) {
            "control characters were shown".to_owned()
        } else if run.listed {
            return Verdict::Listed;
        } else {
            return Verdict::Refused;
        };
        Verdict::Failed(problem)
    }

    fn once(&self, input: &Input) -> Result<Run, String> {
        let bytes = input.bytes.clone();
        let before = self.memory.current_usage();
        self.memory.reset_peak_usage();
        let clock = Clock::start();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let opened = if input.is_index {
                let path = self.folder.path().join("model.safetensors.index.json");
                if std::fs::write(&path, &bytes).is_err() {
                    return (false, String::new());
                }
                Checkpoint::open(&path)
            } else {
                Checkpoint::from_bytes("input", bytes)
            };
            match opened {
                Ok(checkpoint) => (true, use_everything(&checkpoint)),
                Err(error) => (false, shown(&error)),
            }
        }));
        let time = clock.elapsed();
        let memory = self.memory.peak_usage().saturating_sub(before);
        match ended {
            Ok((listed, text)) => Ok(Run { listed, text, memory, time }),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(format!("it panicked: {}", text.unwrap_or("without a message")))
            }
        }
    }
}

/// Processor time of this thread where the system tells it, else time on the wall: a busy machine takes longer.
struct Clock {
    wall: Instant,
    processor: Option<u64>,
}

impl Clock {
    fn start() -> Self {
        Self { wall: Instant::now(), processor: Self::nanoseconds() }
    }

    fn elapsed(&self) -> Duration {
        match self.processor.zip(Self::nanoseconds()) {
            Some((from, to)) => Duration::from_nanos(to.saturating_sub(from)),
            None => self.wall.elapsed(),
        }
    }

    fn nanoseconds() -> Option<u64> {
        std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
    }
}

fn shown(error: &CheckpointError) -> String {
    format!("{error}\n{error:?}")
}

/// Asks a checkpoint for everything; returns what a user would read.
fn use_everything(checkpoint: &Checkpoint) -> String {
    let mut text = format!("{checkpoint:?}\n");
    match checkpoint.summary() {
        Ok(summary) => text += &summary.to_string(),
        Err(error) => text += &shown(&error),
    }
    let by_keys = || Selection::by_keys(["a.weight", "conv1.weight"]);
    let selections = [
        Selection::default(),
        by_keys(),
        Selection::default().ema(true),
        by_keys().ema(true),
        Selection::default().prefix("a"),
        Selection::default().under("state_dict"),
    ];
    for selection in selections {
        match checkpoint.weights(&selection) {
            Ok(weights) => {
                let wanted: [(&str, &[usize]); 2] = [("a.weight", &[2, 3]), ("absent", &[1])];
                if let Err(error) = weights.check("a toy", wanted) {
                    text += &shown(&error);
                }
                if let Err(error) = weights.load(|_| true) {
                    text += &shown(&error);
                }
            }
            Err(error) => text += &shown(&error),
        }
    }
    for tensor in checkpoint.tensors().iter().take(4) {
        if let Err(error) = checkpoint.tensor_i64(tensor.key()) {
            text += &shown(&error);
        }
    }
    text
}
