//! Data sets: pictures in a class folder, and containers of many.

mod containers;
mod pictures;

pub(crate) use containers::Containers;
pub(crate) use pictures::Pictures;

use fmr_data::DataSettings;
use serde_json::Value;

use crate::{Allowance, Reading};

/// Pixels that a picture may declare: few, so that declared sizes are often beyond it.
const MOST_PIXELS: u64 = 1 << 20;

/// The same for all inputs, which are small: the workspace of a decoder, and pixels within the limit.
const ALLOWANCE: Allowance =
    Allowance { memory: 96 << 20, memory_per_byte: 0, micros: 5_000_000, micros_per_byte: 0, text: 10_000 };

/// Reads a data set, and all of its images.
fn read(mut settings: Value) -> Reading {
    settings["max-pixels"] = MOST_PIXELS.into();
    let read = || -> Result<String, String> {
        let settings: DataSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        let data = settings.load().map_err(|error| error.to_string())?;
        (0..data.len()).try_for_each(|i| data.image(i).map(drop).map_err(|error| error.to_string()))?;
        Ok(data.remarks().join("\n"))
    };
    match read() {
        Ok(text) => Reading { taken: true, text },
        Err(text) => Reading { taken: false, text },
    }
}
