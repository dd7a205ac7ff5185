//! Searches that aim at a class: what the target says of their final images.

use fmr_core::logits::{log_softmax, prediction};
use fmr_core::scorer::{Aim, Targeted};
use fmr_store::{RowPlan, RowResults, RunStore, StoreError};

/// What the target says of the final image of a search that aimed at a class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Aimed {
    /// Cross-entropy of the class that is aimed at.
    pub loss: f64,
    /// Probability of the true class.
    pub p_true: f64,
    /// Probability of the class that is aimed at.
    pub p_target: f64,
    /// Whether the target takes the image for that class.
    pub reached: bool,
}

/// Of each image of a row that aims at a class; `None` for others.
pub(crate) fn of(store: &RunStore, row: &RowResults) -> Result<Option<Vec<Aimed>>, StoreError> {
    let Some(scorer) = scorer(&row.plan) else { return Ok(None) };
    let mut all = Vec::with_capacity(row.records.len());
    for record in &row.records {
        let shown = store.shown(&row.plan.id, record.index)?;
        let last = if record.final_from.is_some() { &shown.final_image } else { &shown.original };
        let (clean, logits) = (&shown.original.answer.logits, &last.answer.logits);
        let classes = row.plan.classes.len();
        if record.outcome.is_failure() || classes < 2 || clean.len() != classes || logits.len() != classes {
            continue;
        }
        let aim = scorer.aim(clean.view(), record.label);
        let logs = log_softmax(logits.view());
        let reached = prediction(logits.view()) == Some(aim);
        all.push(Aimed { loss: -logs[aim], p_true: logs[record.label].exp(), p_target: logs[aim].exp(), reached });
    }
    Ok(Some(all))
}

/// The scorer of a row that aims at a class, by what its fingerprint says.
fn scorer(plan: &RowPlan) -> Option<Targeted> {
    plan.fingerprint.get("scorer.kind").filter(|kind| *kind == "targeted")?;
    let aim = match plan.fingerprint.get("scorer.target") {
        None => Aim::default(),
        Some(text) => text.parse::<usize>().map_or_else(|_| Aim::Name(text.clone()), Aim::Index),
    };
    Some(Targeted { class: aim.among(&plan.classes).ok()? })
}
