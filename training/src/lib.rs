//! Training of the small world's models: a recipe (TOML) names data, model, losses and schedule; a [`Session`] runs it
//! step by step with checkpoints, resumes it exactly where it stopped, and writes weights with their measured quality.

mod augment;
mod autoencoder;
mod batches;
mod classifier;
mod contrastive;
mod data;
mod recipe;
mod resize;
mod schedule;
mod session;

pub use augment::Augment;
pub use recipe::{Recipe, TrainError};
pub use session::{Figures, Session, train};
