#![doc = include_str!("../README.md")]

mod adversarial;
mod augment;
mod autoencoder;
mod batches;
mod classifier;
mod contrastive;
mod curve;
mod data;
mod diffusion;
mod features;
mod hierarchical;
mod recipe;
mod resize;
mod schedule;
mod session;
mod sources;
mod style;
mod trainee;

pub use adversarial::Adversarial;
pub use augment::Augment;
pub use recipe::{Recipe, TrainError};
pub use session::{Figures, Session, train};
