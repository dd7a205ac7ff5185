//! Whose models the figures of a row are of.

use serde::{Deserialize, Serialize};

/// Whether a row's figures may be held against the paper's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum World {
    /// The experiment does not say.
    #[default]
    Unstated,
    /// Small models, trained by this project: a different setting than the paper's.
    Small,
    /// The paper's models, weights and data.
    Paper,
    /// Models that others published, in a different setting than the paper's.
    Other,
}

impl World {
    /// What a table says about the row's setting.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Unstated => {
                "The experiment does not say whose models these are (report.world). Not the paper's setting."
            }
            Self::Small => "Small world: small models trained by this project. Not the paper's setting.",
            Self::Paper => "The paper's setting: its models, weights and data.",
            Self::Other => "Published models in another setting than the paper's.",
        }
    }
}
