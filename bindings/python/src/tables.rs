//! Samples and steps as columns, the same that `fmr export` writes.

use fmr::Error;
use fmr::store::RunStore;
use serde_json::{Map, Value};

use crate::arrow::{ArrowTable, Builder};

/// Name and builder of a column.
type Named = (&'static str, fn(&str) -> Builder);

/// The columns of samples.
const SAMPLES: [Named; 24] = [
    ("row", Builder::text),
    ("index", Builder::int),
    ("key", Builder::text),
    ("label", Builder::int),
    ("class", Builder::text),
    ("clean_prediction", Builder::int),
    ("clean_oracle", Builder::int),
    ("reconstruction_prediction", Builder::int),
    ("reconstruction_oracle", Builder::int),
    ("reconstruction_accepted", Builder::bool),
    ("score0", Builder::float),
    ("final_score", Builder::float),
    ("final_prediction", Builder::int),
    ("final_prediction_class", Builder::text),
    ("final_oracle", Builder::int),
    ("final_oracle_class", Builder::text),
    ("outcome", Builder::text),
    ("ended_at", Builder::int),
    ("accepted_updates", Builder::int),
    ("final_from", Builder::int),
    ("finished", Builder::bool),
    ("latent_moved", Builder::float),
    ("moved_spreads", Builder::float),
    ("error", Builder::text),
];

/// The same of steps.
const STEPS: [Named; 10] = [
    ("row", Builder::text),
    ("index", Builder::int),
    ("key", Builder::text),
    ("t", Builder::int),
    ("score", Builder::float),
    ("gradient_norm", Builder::float),
    ("oracle_true", Builder::float),
    ("oracle_class", Builder::int),
    ("prediction", Builder::int),
    ("accepted", Builder::bool),
];

/// A row for each finished sample.
pub(crate) fn samples(store: &RunStore) -> Result<ArrowTable, Error> {
    let mut table = Table::new(&SAMPLES);
    for row in store.results()?.rows {
        for record in &row.records {
            table.push(&fmr::store::sample_fields(&row.plan, record));
        }
    }
    Ok(table.done())
}

/// A row for each attempted update.
pub(crate) fn steps(store: &RunStore) -> Result<ArrowTable, Error> {
    let mut table = Table::new(&STEPS);
    for row in store.results()?.rows {
        for record in &row.records {
            for step in &record.steps {
                table.push(&fmr::store::step_fields(&row.plan, record, step));
            }
        }
    }
    Ok(table.done())
}

struct Table(Vec<(&'static str, Builder)>);

impl Table {
    fn new(columns: &[Named]) -> Self {
        Self(columns.iter().map(|(name, builder)| (*name, builder(name))).collect())
    }

    fn push(&mut self, fields: &Map<String, Value>) {
        for (name, builder) in &mut self.0 {
            builder.push(fields.get(*name).unwrap_or(&Value::Null));
        }
    }

    fn done(self) -> ArrowTable {
        ArrowTable::new(self.0.into_iter().map(|(_, builder)| builder.done()).collect())
    }
}
