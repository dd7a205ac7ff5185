//! Bicubic enlargement of one plane, as the oracle does it.

/// Keys' cubic with a = −½.
fn cubic(t: f32) -> f32 {
    let t = t.abs();
    if t < 1.0 {
        (1.5 * t - 2.5) * t * t + 1.0
    } else if t < 2.0 {
        ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    } else {
        0.0
    }
}

fn taps(from: usize, to: usize, i: usize) -> ([f32; 5], usize) {
    let scale = from as f32 / to as f32;
    let centre = (i as f32 + 0.5) * scale;
    let first = (centre - 2.0 + 0.5).max(0.0) as usize;
    let last = ((centre + 2.0 + 0.5) as usize).min(from);
    let mut w = [0.0; 5];
    for (j, w) in (first..last).zip(w.iter_mut()) {
        *w = cubic(j as f32 - centre + 0.5);
    }
    let sum: f32 = w.iter().sum();
    (w.map(|v| v / sum), first)
}

/// Enlarges a `h × w` plane to `side × side`.
pub(crate) fn enlarge(plane: &[f32], [h, w]: [usize; 2], side: usize, out: &mut [f32]) {
    let mut rows = vec![0.0; h * side];
    for x in 0..side {
        let (weights, first) = taps(w, side, x);
        for y in 0..h {
            let line = &plane[y * w..(y + 1) * w];
            rows[y * side + x] = line[first..].iter().zip(weights).map(|(v, w)| v * w).sum();
        }
    }
    for y in 0..side {
        let (weights, first) = taps(h, side, y);
        let target = &mut out[y * side..(y + 1) * side];
        target.fill(0.0);
        for (j, weight) in weights.iter().enumerate().filter(|(j, _)| first + j < h) {
            let line = &rows[(first + j) * side..][..side];
            target.iter_mut().zip(line).for_each(|(t, v)| *t += weight * v);
        }
    }
}
