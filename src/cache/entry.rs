//! One entry as bytes: a magic number, the lengths, the values, and a checksum over all of it.

use fmr_core::perturb::TargetFree;
use ndarray::{Array1, Array3};
use sha2::{Digest as _, Sha256};

const MAGIC: &[u8; 8] = b"fmr-ans1";
/// Bytes of the checksum, the first of a SHA-256.
const CHECKSUM: usize = 16;
/// Lengths: latent, oracle on the original, three sides of the reconstruction, oracle on the reconstruction.
const LENGTHS: usize = 6;

/// An entry as bytes. A part that is absent has length 0: no latent, answer or image is empty.
pub(super) fn encode(answers: &TargetFree) -> Vec<u8> {
    let TargetFree { latent, oracle_original, reconstruction, oracle_reconstruction } = answers;
    let (c, h, w) = reconstruction.as_ref().map_or((0, 0, 0), Array3::dim);
    let judged = oracle_reconstruction.as_ref().map_or(0, Array1::len);
    let mut bytes = Vec::with_capacity(MAGIC.len() + 8 * LENGTHS + answers.bytes() + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    for length in [latent.len(), oracle_original.len(), c, h, w, judged] {
        bytes.extend_from_slice(&(length as u64).to_le_bytes());
    }
    let values = latent.iter().chain(oracle_original).chain(reconstruction.iter().flatten());
    for value in values.chain(oracle_reconstruction.iter().flatten()) {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum[..CHECKSUM]);
    bytes
}

/// The entry that the bytes hold; `None` where they are damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<TargetFree> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if Sha256::digest(body)[..CHECKSUM] != *checksum {
        return None;
    }
    let (lengths, values) = body.strip_prefix(MAGIC)?.split_at_checked(8 * LENGTHS)?;
    let mut sides = [0_usize; LENGTHS];
    for (side, bytes) in sides.iter_mut().zip(lengths.as_chunks::<8>().0) {
        *side = usize::try_from(u64::from_le_bytes(*bytes)).ok()?;
    }
    let [latent, oracle, c, h, w, judged] = sides;
    let (words, rest) = values.as_chunks::<4>();
    let mut words = words.iter().map(|word| f32::from_le_bytes(*word));
    let mut take = |count: usize| -> Option<Vec<f32>> {
        let taken: Vec<f32> = words.by_ref().take(count).collect();
        (taken.len() == count).then_some(taken)
    };
    let latent = Array1::from(take(latent)?);
    let oracle_original = Array1::from(take(oracle)?);
    let pixels = c.checked_mul(h)?.checked_mul(w)?;
    let image = Array3::from_shape_vec((c, h, w), take(pixels)?).ok()?;
    let judged = Array1::from(take(judged)?);
    if !rest.is_empty() || words.next().is_some() {
        return None;
    }
    let reconstruction = (pixels > 0).then_some(image);
    let oracle_reconstruction = (!judged.is_empty()).then_some(judged);
    Some(TargetFree { latent, oracle_original, reconstruction, oracle_reconstruction })
}
