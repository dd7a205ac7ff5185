//! The sparse mask over latent dimensions.
