//! Random numbers and changes that all kinds of inputs share.

use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;

/// A number below `end`; 0 where `end` is 0.
pub(crate) fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    if end == 0 { 0 } else { random.random_range(0..end) }
}

/// One of some values.
pub(crate) fn pick<'v, T>(random: &mut ChaCha8Rng, values: &'v [T]) -> &'v T {
    &values[below(random, values.len())]
}

/// A number of repetitions: mostly few, at times very many.
pub(crate) fn repetitions(random: &mut ChaCha8Rng) -> usize {
    match below(random, 64) {
        0 => below(random, 20_000),
        1..=7 => below(random, 500),
        _ => below(random, 5),
    }
}

/// Changes bytes, numbers or stretches of a file, up to four times.
pub(crate) fn change(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=below(random, 4) {
        if below(random, 4) == 0 {
            reshape(random, bytes);
        } else {
            overwrite(random, bytes);
        }
    }
}

/// Writes something else in the place of a few bytes.
pub(crate) fn overwrite(random: &mut ChaCha8Rng, bytes: &mut [u8]) {
    if bytes.len() < 4 {
        return;
    }
    // Headers are at the front, and matter most.
    let end = if random.random_bool(0.5) { bytes.len().min(64) } else { bytes.len() };
    let at = below(random, end - 3);
    match below(random, 6) {
        0 => bytes[at] ^= 1 << below(random, 8),
        1 => bytes[at] = random.next_u32() as u8,
        2 => bytes[at] = *pick(random, b"(.)]}tuesbRQqhrj\x81\x85\x86\x94\x1b\n{}[]\",="),
        3 => bytes[at..at + 2].copy_from_slice(pick::<[u8; 2]>(random, &[[0, 0], [255, 255], [0, 1], [127, 255]])),
        4 => {
            let number: u32 = *pick(random, &[0, 1, u32::MAX, 1 << 16, 1 << 31, 1 << 20]);
            let number = if random.random_bool(0.5) { number.to_be_bytes() } else { number.to_le_bytes() };
            bytes[at..at + 4].copy_from_slice(&number);
        }
        _ => {
            let end = (at + 1 + below(random, 8)).min(bytes.len());
            bytes[at..end].fill(*pick(random, &[0, 0x7f, 0x80, 0xff]));
        }
    }
}

/// Cuts, doubles, moves or removes a stretch.
fn reshape(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = below(random, bytes.len());
    let most = if random.random_bool(0.5) { 32 } else { bytes.len() };
    let end = (at + 1 + below(random, most)).min(bytes.len());
    match below(random, 4) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let times = if end - at <= 32 { 1 + repetitions(random) } else { 1 };
            let copy = bytes[at..end].repeat(times);
            bytes.splice(at..at, copy);
        }
        _ => {
            let stretch = bytes[at..end].to_vec();
            let to = below(random, bytes.len());
            bytes.splice(to..to, stretch);
        }
    }
}
