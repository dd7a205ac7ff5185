//! Measures readings one after another.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::clock::Clock;
use crate::{Allowance, Input, MEMORY, Reader, Reading};

/// Times that an input is timed before it counts as slow.
const ATTEMPTS: usize = 3;
/// An input that takes longer never ends.
const HANGS: Duration = Duration::from_secs(60);

/// Inputs of one kind and one seed.
pub struct Campaign<'r> {
    reader: &'r dyn Reader,
    seed: u64,
    figures: Figures,
    watch: Arc<Watch>,
}

/// What a campaign found of the inputs so far.
#[derive(Debug, Default, Clone)]
pub struct Figures {
    inputs: u64,
    bytes: u64,
    /// Inputs that were taken for a file of their kind.
    pub taken: u64,
    /// Bytes on the heap, and those of the input.
    memory: (usize, usize),
    /// Processor time, and bytes of the input.
    time: (Duration, usize),
    text: usize,
}

/// An input that broke a rule.
#[derive(Debug)]
pub struct Failure {
    /// The input.
    pub input: Input,
    /// Its number.
    pub number: u64,
    /// The campaign's seed.
    pub seed: u64,
    /// Which rule.
    pub problem: String,
}

/// What one reading cost and said.
struct Measured {
    reading: Reading,
    memory: usize,
    time: Duration,
}

impl<'r> Campaign<'r> {
    /// A campaign of that seed.
    pub fn new(reader: &'r dyn Reader, seed: u64) -> Self {
        let watch = Watch::new(reader.name(), seed);
        Self { reader, seed, figures: Figures::default(), watch }
    }

    /// What was found so far.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Makes and reads the input of a number.
    ///
    /// # Errors
    /// The input broke a rule. An input that never ends ends the process, with its number.
    pub fn run(&mut self, number: u64) -> Result<(), Failure> {
        // The golden ratio spreads consecutive numbers over all seeds.
        let seed = self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let input = self.reader.make(&mut ChaCha8Rng::seed_from_u64(seed));
        self.watch.begin(number);
        let measured = self.measure(&input);
        self.watch.end();
        let problem = match measured {
            Ok(measured) => self.note(&input, &measured),
            Err(problem) => Some(problem),
        };
        problem.map_or(Ok(()), |problem| Err(Failure { input, number, seed: self.seed, problem }))
    }

    /// Reads an input, several times where it is slow.
    fn measure(&self, input: &Input) -> Result<Measured, String> {
        let allowed = self.reader.allowance().time(input.bytes.len());
        let mut measured = self.once(input)?;
        for _ in 1..ATTEMPTS {
            if measured.time <= allowed {
                break;
            }
            measured = self.once(input)?;
        }
        Ok(measured)
    }

    fn once(&self, input: &Input) -> Result<Measured, String> {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let clock = Clock::start();
        let ended = catch_unwind(AssertUnwindSafe(|| self.reader.read(input)));
        let time = clock.elapsed();
        let memory = MEMORY.peak_usage().saturating_sub(before);
        let reading = ended.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            format!("it panicked: {}", text.unwrap_or("without a message"))
        })?;
        Ok(Measured { reading, memory, time })
    }

    /// Adds a reading to the figures; gives the rule that it broke.
    fn note(&mut self, input: &Input, measured: &Measured) -> Option<String> {
        let (length, allowance) = (input.bytes.len(), self.reader.allowance());
        let Measured { reading, memory, time } = measured;
        let figures = &mut self.figures;
        figures.inputs += 1;
        figures.bytes += length as u64;
        figures.taken += u64::from(reading.taken);
        figures.memory = figures.memory.max((*memory, length));
        figures.time = figures.time.max((*time, length));
        figures.text = figures.text.max(reading.text.len());
        let (most_time, most_memory) = (allowance.time(length), allowance.memory(length));
        if *time > most_time {
            let (time, most_time) = (time.as_millis(), most_time.as_millis());
            Some(format!("it took {time} ms, {ATTEMPTS} times over; {most_time} are allowed"))
        } else if *memory > most_memory {
            Some(format!("it took {memory} bytes of memory; {most_memory} are allowed"))
        } else if reading.text.len() > allowance.text {
            Some(format!("{} bytes of text were shown", reading.text.len()))
        } else {
            let control = reading.text.chars().find(|c| *c != '\n' && c.is_control());
            control.map(|c| format!("the control character {c:?} was shown"))
        }
    }
}

impl Drop for Campaign<'_> {
    fn drop(&mut self) {
        self.watch.end();
    }
}

impl Allowance {
    fn time(&self, bytes: usize) -> Duration {
        Duration::from_micros(self.micros + self.micros_per_byte * bytes as u64)
    }

    fn memory(&self, bytes: usize) -> usize {
        self.memory + self.memory_per_byte * bytes
    }
}

impl Failure {
    /// Keeps the input in a folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn keep(&self, folder: &Path) -> std::io::Result<std::path::PathBuf> {
        let path = folder.join(format!("mutate-{}-{}.bin", self.seed, self.number));
        std::fs::write(&path, &self.input.bytes)?;
        Ok(path)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, number, seed, problem } = self;
        write!(f, "input {number} of seed {seed}, {} of {} bytes: {problem}", input.kind, input.bytes.len())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inputs, bytes, taken, memory, time, text } = self;
        write!(
            f,
            "{inputs} inputs of {bytes} bytes, {taken} taken; most memory {} KiB ({} bytes of input), ",
            memory.0 >> 10,
            memory.1
        )?;
        write!(f, "longest {} ms ({} bytes of input), longest text {text} bytes", time.0.as_millis(), time.1)
    }
}

/// Ends the process where an input never ends. A reader cannot be stopped from outside.
struct Watch {
    origin: Instant,
    /// Milliseconds from the origin at which the input began, plus one; 0 between inputs.
    began: AtomicU64,
    number: AtomicU64,
}

impl Watch {
    fn new(kind: &'static str, seed: u64) -> Arc<Self> {
        let watch = Arc::new(Self { origin: Instant::now(), began: AtomicU64::new(0), number: AtomicU64::new(0) });
        let weak = Arc::downgrade(&watch);
        std::thread::spawn(move || Self::look(&weak, kind, seed));
        watch
    }

    fn begin(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
        self.began.store(self.now() + 1, Ordering::Release);
    }

    fn end(&self) {
        self.began.store(0, Ordering::Release);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn look(watch: &Weak<Self>, kind: &str, seed: u64) {
        while let Some(watch) = watch.upgrade() {
            let began = watch.began.load(Ordering::Acquire);
            if began > 0 && u128::from(watch.now().saturating_sub(began)) > HANGS.as_millis() {
                let number = watch.number.load(Ordering::Relaxed);
                eprintln!("{kind}: input {number} of seed {seed} has not ended in {} s", HANGS.as_secs());
                std::process::exit(1);
            }
            drop(watch);
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}
