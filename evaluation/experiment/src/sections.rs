//! Tables of an experiment file that say how the work is done and what people read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::world::World;

/// Tiles in which 3 × 3 convolutions of stride 1 are computed on the processor. Larger tiles take fewer multiplications and
/// round more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MinimalFiltering {
    /// 4 × 4 outputs at most: a quarter of the multiplications, about twice the rounding error of the direct sum.
    #[default]
    #[serde(rename = "4x4")]
    Four,
    /// 2 × 2 outputs: 4/9 of the multiplications, about the rounding error of the direct sum.
    #[serde(rename = "2x2")]
    Two,
    /// The direct sum.
    #[serde(rename = "off")]
    Off,
}

/// The `[run]` table: how the work is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RunSettings {
    /// Samples perturbed together; 0: what suits the device (see [`RunSettings::side_by_side`]). Results do not depend
    /// on it.
    pub batch: usize,
    /// Batches worked on side by side, each on a thread of its own; 0: what suits the device. Results do not depend on
    /// it.
    pub lanes: usize,
    /// Seed of whatever is random (restarts, the gradient-free estimator).
    pub seed: u64,
    /// Device that computes unless a component's table names another.
    pub device: String,
    /// How far 3 × 3 convolutions of built-in components may save products on the processor.
    pub minimal_filtering: MinimalFiltering,
    /// Folder that new runs are put in, relative to where the command runs.
    pub folder: PathBuf,
    /// Whether final images are kept with all their digits; else rounded to 8 bits.
    pub keep_exact_finals: bool,
    /// Whether the latents of final images are kept.
    pub keep_latents: bool,
    /// Folder of latents, reconstructions and the oracle's answers on originals and reconstructions, shared by runs;
    /// relative to where the command runs. Absent: rows of one run share theirs, and nothing outlives the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// Samples of each row perturbed a second time, to see whether results repeat.
    pub repeat: usize,
    /// Share of a row's samples, from 0 to 1, that may fail. Beyond it the command says so first and ends with status 3.
    pub failed_share: f64,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            batch: 0,
            lanes: 0,
            seed: 0,
            device: "cpu".to_owned(),
            minimal_filtering: MinimalFiltering::default(),
            folder: "runs".into(),
            keep_exact_finals: true,
            keep_latents: false,
            cache: None,
            repeat: 1,
            failed_share: 0.05,
        }
    }
}

/// How a run is spread over threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideBySide {
    /// Threads, each with a batch of its own.
    pub lanes: usize,
    /// Samples of a batch.
    pub batch: usize,
}

impl RunSettings {
    /// Threads and samples of a batch on a machine with `cores`, with what suits the device where the file leaves it
    /// open: one small batch a core on the processor, because each stays in its core's cache; two large batches on a
    /// graphics card, so that one computes while the other is copied.
    pub fn side_by_side(&self, cores: usize) -> SideBySide {
        let suits = if self.device == "cpu" {
            SideBySide { lanes: cores.max(1), batch: 4 }
        } else {
            SideBySide { lanes: 2, batch: 64 }
        };
        let given = |given: usize, suits: usize| if given == 0 { suits } else { given };
        SideBySide { lanes: given(self.lanes, suits.lanes), batch: given(self.batch, suits.batch) }
    }
}

/// The `[evaluate]` table: what else the images of a run are good for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct EvaluateSettings {
    /// Names of targets that are shown the originals and final images of every row, which were made for the row's own target
    /// (Tables 6, 8, 9, 10 of the paper). Nothing is searched anew.
    pub also: Vec<String>,
    /// Names of oracles that judge the originals and final images of every row beside the row's own.
    pub oracles: Vec<String>,
}

/// The `[report]` table: what people read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReportSettings {
    /// Whose models, and whether it is the paper's setting.
    pub world: World,
    /// Decimals of figures in percent.
    pub digits: usize,
    /// Samples of each row on its contact sheet.
    pub samples: usize,
    /// Further remarks for the reader, one sentence each.
    pub remarks: Vec<String>,
    /// Whether the figures of each class are printed (Tables 13 and 14), and not a detail of the page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub class_by_class: bool,
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self { world: World::default(), digits: 2, samples: 12, remarks: Vec::new(), class_by_class: false }
    }
}
