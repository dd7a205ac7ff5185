//! Which latent channels ("variates") carry information: upstream's statistics and the mask that a quantile makes.

use std::path::Path;

use fmr_checkpoint::{CheckpointError, read_bytes, shown};

/// Bytes that a file of statistics may have: of 84 layers of 32 variates it has 11 KB.
const LONGEST: u64 = 16 << 20;

/// The divergence of each variate from its prior, in bits a value, averaged over positions and images.
#[derive(Debug, Clone, PartialEq)]
pub struct DivStats {
    layers: usize,
    variates: usize,
    /// `[layers, variates]`.
    values: Vec<f64>,
}

/// Statistics that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DivStatsError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] CheckpointError),
    /// The file is no array of statistics, or that of a different model.
    #[error("{}: {problem}", shown::path(path))]
    Array {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl DivStats {
    /// Reads `div_stats.npy`: a NumPy array `[layers, variates]` of floats.
    ///
    /// # Errors
    /// [`DivStatsError`]; `layers` is the number that the model has, and `variates` those of each of its layers.
    pub fn read(path: &Path, variates: &[usize]) -> Result<Self, DivStatsError> {
        let array = |problem: String| DivStatsError::Array { path: path.to_owned(), problem };
        let stats = Self::parse(&read_bytes(path, LONGEST)?).map_err(|problem| array(problem.to_owned()))?;
        if stats.layers != variates.len() || variates.iter().any(|v| *v != stats.variates) {
            let (layers, each) = (stats.layers, stats.variates);
            let other = format!("it has {each} variates in each of {layers} layers, the model others");
            return Err(array(format!("{other} ({} layers)", variates.len())));
        }
        Ok(stats)
    }

    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        const NOT_NUMPY: &str = "it is no NumPy array";
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or(NOT_NUMPY)?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or(NOT_NUMPY)?;
        let (length, rest) = if version[0] == 1 {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or(NOT_NUMPY)?;
            (u32::from(u16::from_le_bytes(*length)), rest)
        } else {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or(NOT_NUMPY)?;
            (u32::from_le_bytes(*length), rest)
        };
        let (header, data) = rest.split_at_checked(length as usize).ok_or(NOT_NUMPY)?;
        let header = std::str::from_utf8(header).map_err(|_| NOT_NUMPY)?;
        if !header.contains("'fortran_order': False") {
            return Err("its values are in Fortran's order; save it in C's");
        }
        let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')')).ok_or(NOT_NUMPY)?.0;
        let sizes: Vec<usize> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
        let [layers, variates] = sizes[..] else { return Err("it has not two dimensions, layers and variates") };
        let values: Vec<f64> = if header.contains("'descr': '<f4'") {
            data.as_chunks::<4>().0.iter().map(|v| f32::from_le_bytes(*v).into()).collect()
        } else if header.contains("'descr': '<f8'") {
            data.as_chunks::<8>().0.iter().map(|v| f64::from_le_bytes(*v)).collect()
        } else {
            return Err("its values are not floats of 32 or 64 bits in little-endian order");
        };
        if layers.checked_mul(variates) != Some(values.len()) || values.is_empty() {
            return Err("it has not as many values as its header says");
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err("a value is not finite");
        }
        Ok(Self { layers, variates, values })
    }

    /// Whether each variate of each layer is among the share `quantile` of those with the largest divergence.
    pub fn kept(&self, quantile: f64) -> Vec<Vec<bool>> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len() - 1) as f64 * (1.0 - quantile).clamp(0.0, 1.0);
        let below = place.floor() as usize;
        let above = (below + 1).min(sorted.len() - 1);
        let threshold = sorted[below] + (sorted[above] - sorted[below]) * place.fract();
        self.values.chunks_exact(self.variates).map(|layer| layer.iter().map(|v| *v > threshold).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn file(header: &str, values: &[f32]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        bytes
    }

    const HEADER: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n";

    #[test]
    fn the_largest_share_is_kept() {
        let stats = DivStats::parse(&file(HEADER, &[0.1, 3.0, 2.0, 0.2])).unwrap();
        assert_eq!(stats.kept(0.5), [[false, true], [true, false]]);
        assert_eq!(stats.kept(0.25), [[false, true], [false, false]]);
        // A threshold that is itself a statistic keeps what is larger alone.
        assert_eq!(stats.kept(1.0), [[false, true], [true, true]]);
        assert_eq!(stats.kept(0.0), [[false; 2]; 2]);
    }

    #[test]
    fn other_files_are_refused() {
        let problem = |bytes: &[u8]| DivStats::parse(bytes).unwrap_err();
        assert!(problem(b"PK").contains("no NumPy array"));
        assert!(problem(&file(HEADER, &[1.0])).contains("as many values"));
        assert!(problem(&file(&HEADER.replace("(2, 2)", "(4,)"), &[1.0; 4])).contains("two dimensions"));
        assert!(problem(&file(&HEADER.replace("<f4", ">f4"), &[1.0; 4])).contains("little-endian"));
        assert!(problem(&file(&HEADER.replace("False", "True"), &[1.0; 4])).contains("Fortran"));
        assert!(problem(&file(HEADER, &[f32::NAN; 4])).contains("finite"));
        let huge = HEADER.replace("(2, 2)", "(99999999999, 99999999999)");
        assert!(problem(&file(&huge, &[1.0; 4])).contains("as many values"));
    }
}
