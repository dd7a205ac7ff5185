//! Rounds in which people judge images of runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fmr_core::metrics::Reading;
use fmr_human::{EightBit, Findings, Question, Round, Rules, Task, VerdictError, Verdicts};
use fmr_report::PeopleSaid;
use fmr_store::{ImageRole, RunStore};
use sha2::{Digest as _, Sha256};

use crate::app::{App, experiment, row_id};
use crate::error::WebError;

/// One of so many samples has its original among the images, as a control.
const CONTROLS: u8 = 5;

/// What people are asked.
#[derive(Debug, Clone, Copy)]
pub struct PeopleSettings {
    /// Samples of each row, chosen at random.
    pub samples: usize,
    /// Seed of the choice and of the order.
    pub seed: u64,
    /// Whose verdicts count.
    pub rules: Rules,
}

impl Default for PeopleSettings {
    fn default() -> Self {
        Self { samples: 200, seed: 0, rules: Rules::default() }
    }
}

/// The verdicts, and the rounds that are under way.
#[derive(Debug)]
pub struct People {
    verdicts: Mutex<Verdicts>,
    pub(crate) settings: PeopleSettings,
    secret: [u8; 32],
    rounds: Mutex<BTreeMap<(String, usize), Arc<RowRound>>>,
}

/// The round of a row.
#[derive(Debug)]
pub(crate) struct RowRound {
    /// A name that does not tell which row it is.
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) row: usize,
    pub(crate) round: Round,
    /// Names of the tasks.
    pub(crate) names: Vec<String>,
    /// Sample and image of each task.
    places: Vec<(usize, ImageRole)>,
    /// Samples of the round that are finished.
    samples: BTreeSet<usize>,
    /// Samples of the row that were finished when the round was made.
    finished: usize,
}

impl People {
    /// Over a database of verdicts.
    ///
    /// # Errors
    /// The verdicts cannot be read.
    pub fn new(verdicts: Verdicts, settings: PeopleSettings) -> Result<Self, VerdictError> {
        let secret = verdicts.secret()?;
        Ok(Self { verdicts: Mutex::new(verdicts), settings, secret, rounds: Mutex::default() })
    }

    pub(crate) fn verdicts(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A word that a page of this server alone can know, for what a text stands for.
    pub(crate) fn word(&self, parts: &[&str]) -> String {
        let mut hash = Sha256::new().chain_update(self.secret);
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Place of a sample in a random order, and whether its original is a control.
    fn draw(&self, slug: &str, row: usize, index: usize) -> ([u8; 8], bool) {
        let hash = Sha256::new().chain_update(self.settings.seed.to_le_bytes()).chain_update(slug);
        let hash = hash.chain_update((row as u64).to_le_bytes()).chain_update((index as u64).to_le_bytes()).finalize();
        let mut place = [0; 8];
        place.copy_from_slice(&hash[..8]);
        (place, hash[8] % CONTROLS == 0)
    }

    /// The round of a row, with the samples that are finished now.
    pub(crate) fn round(&self, app: &App, slug: &str, row: usize) -> Result<Arc<RowRound>, WebError> {
        let run = app.run(slug)?;
        let listing = app.listing(&run, row)?;
        let rounds = || self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (slug.to_owned(), row);
        if let Some(known) = rounds().get(&key).filter(|round| round.finished == listing.outlines.len()) {
            return Ok(Arc::clone(known));
        }
        let plan = app.plan(&run)?;
        let metrics = experiment(&run, &plan)?.metrics;
        let planned = &plan.rows[row];
        let mut drawn: Vec<([u8; 8], usize)> = (0..planned.samples).map(|i| (self.draw(slug, row, i).0, i)).collect();
        drawn.sort_unstable();
        let drawn: BTreeSet<usize> = drawn.into_iter().take(self.settings.samples).map(|(_, index)| index).collect();
        let records: Vec<_> = listing.outlines.iter().map(|outline| outline.record.clone()).collect();
        let reading = Reading::new(&metrics, &records);
        let (mut tasks, mut places, mut samples) = (Vec::new(), Vec::new(), BTreeSet::new());
        for record in records.iter().filter(|record| drawn.contains(&record.index) && !record.component_failed()) {
            samples.insert(record.index);
            let control = self.draw(slug, row, record.index).1.then_some(ImageRole::Original);
            let last = reading.produced(record).then_some(ImageRole::Final);
            for role in control.into_iter().chain(last) {
                let image = run.look(|store: &RunStore| {
                    let id = row_id(store.plan(), row)?;
                    let missing = || WebError::NotFound(format!("image of sample {}", record.index));
                    let hash = store.hash_of(&id, record.index, role)?.ok_or_else(missing)?;
                    Ok::<_, WebError>(EightBit::of(store.image(&hash)?.view()))
                })?;
                tasks.push(Task {
                    image,
                    question: Question::about(record.label, &planned.classes),
                    label: record.label,
                    sample: record.index,
                    control: role == ImageRole::Original,
                });
                places.push((record.index, role));
            }
        }
        let round = Round { tasks, seed: self.settings.seed };
        let names = round.names(&self.verdicts())?;
        let name = self.word(&["round", slug, &row.to_string()]);
        let finished = records.len();
        let made = RowRound { name, slug: slug.to_owned(), row, round, names, places, samples, finished };
        let made = Arc::new(made);
        rounds().insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// The round of a name.
    pub(crate) fn named(&self, app: &App, name: &str) -> Result<Arc<RowRound>, WebError> {
        for run in app.runs.list() {
            let Ok(plan) = app.plan(&run) else { continue };
            for row in 0..plan.rows.len() {
                if self.word(&["round", &run.slug, &row.to_string()]) == name {
                    return self.round(app, &run.slug, row);
                }
            }
        }
        Err(WebError::NotFound("round of images at this address".to_owned()))
    }
}

impl RowRound {
    /// The image of a task as a PNG file.
    pub(crate) fn image(&self, app: &App, task: usize) -> Result<Vec<u8>, WebError> {
        let (index, role) = self.places[task];
        let missing = || WebError::NotFound("image".to_owned());
        app.run(&self.slug)?
            .look(|store: &RunStore| store.png_of(&row_id(store.plan(), self.row)?, index, role)?.ok_or_else(missing))
    }

    /// The place of a task by its name.
    pub(crate) fn task(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// What people say about a sample: absent where it is not of the round, or nobody whose verdict counts judged its final
    /// image.
    pub(crate) fn said(&self, findings: &Findings, index: usize) -> Option<PeopleSaid> {
        if !self.samples.contains(&index) {
            return None;
        }
        let of = |role: ImageRole| self.places.iter().position(|place| *place == (index, role));
        let accepted = |role: ImageRole| of(role).and_then(|task| findings.accepted[task]);
        let last = accepted(ImageRole::Final);
        // An image that the search did not produce needs no verdict.
        (last.is_some() || of(ImageRole::Final).is_none())
            .then(|| PeopleSaid { original: accepted(ImageRole::Original), last })
    }
}

impl From<VerdictError> for WebError {
    fn from(error: VerdictError) -> Self {
        match error {
            VerdictError::Name | VerdictError::Answer(_) => Self::Request(error.to_string()),
            _ => Self::Report(error.to_string()),
        }
    }
}
