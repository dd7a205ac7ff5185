//! Samples and steps into the database.

use fmr_core::perturb::Perturbed;
use rusqlite::{Transaction, params};

use super::value::{Exact, Sql, cached_name, class, outcome_name, to_i64};

/// Adds samples and their steps. Gives the index of a sample that is there already, after which the transaction must not
/// be committed.
pub(super) fn insert(transaction: &Transaction<'_>, row: usize, batch: &[Perturbed]) -> Sql<Option<usize>> {
    let mut sample = transaction.prepare_cached(
        "INSERT OR IGNORE INTO samples (row, idx, key, label, clean_prediction, clean_oracle, reconstruction_prediction,
         reconstruction_oracle, reconstruction_accepted, score0, final_score, final_prediction, final_oracle, outcome,
         ended_at, accepted_updates, final_from, finished, latent_moved, moved_spreads, cached, error)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut step = transaction.prepare_cached(
        "INSERT INTO steps (row, idx, position, t, score, gradient_norm, oracle_true, oracle_class, prediction,
         accepted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let row = to_i64(row)?;
    for perturbed in batch {
        let r = &perturbed.record;
        let index = to_i64(r.index)?;
        let added = sample.execute(params![
            row,
            index,
            r.key,
            to_i64(r.label)?,
            class(r.clean_prediction)?,
            class(r.clean_oracle)?,
            class(r.reconstruction_prediction)?,
            class(r.reconstruction_oracle)?,
            r.reconstruction_accepted,
            Exact(r.score0),
            Exact(r.final_score),
            class(r.final_prediction)?,
            class(r.final_oracle)?,
            outcome_name(r.outcome),
            to_i64(r.ended_at)?,
            to_i64(r.accepted_updates)?,
            r.final_from.map(to_i64).transpose()?,
            r.finished,
            Exact(r.latent_moved),
            r.moved_spreads.map(Exact),
            cached_name(perturbed.cached),
            r.error,
        ])?;
        if added == 0 {
            return Ok(Some(r.index));
        }
        for (position, s) in r.steps.iter().enumerate() {
            step.execute(params![
                row,
                index,
                to_i64(position)?,
                to_i64(s.t)?,
                Exact(s.score),
                Exact(s.gradient_norm),
                s.oracle_true.map(Exact),
                class(s.oracle_class)?,
                class(s.prediction)?,
                s.accepted,
            ])?;
        }
    }
    Ok(None)
}
