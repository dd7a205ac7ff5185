//! Rotation, scale and shear in one resampling.

use crate::layout::Parameters;

/// Keys' cubic with a = −½ at the four pixels around an offset in [0, 1): it interpolates, so that the identity is
/// exact, and its slope is continuous, so that the pull-back is exact on the grid too.
fn weights(t: f64) -> [f64; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1.0, -1.5 * t3 + 2.0 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2]
}

fn slopes(t: f64) -> [f64; 4] {
    let t2 = t * t;
    [-1.5 * t2 + 2.0 * t - 0.5, 4.5 * t2 - 5.0 * t, -4.5 * t2 + 4.0 * t + 0.5, 1.5 * t2 - t]
}

/// From centred coordinates of the result to those of the source, `[[xx, xy], [yx, yy]]`: a rotation by the angle,
/// after a shear along the rows, after a division by the magnification.
fn matrix(p: &Parameters) -> [[f64; 2]; 2] {
    let (sin, cos) = p.rotation.sin_cos();
    let shrink = (-p.scale).exp();
    [[cos, cos * p.shear - sin], [sin, sin * p.shear + cos]].map(|row| row.map(|v| v * shrink))
}

/// One pixel of the result: where it comes from.
struct Source {
    rows: [usize; 4],
    columns: [usize; 4],
    t: [f64; 2],
}

fn source(matrix: &[[f64; 2]; 2], [h, w]: [usize; 2], [x, y]: [f64; 2]) -> Source {
    let centre = |n: usize| (n as f64 - 1.0) / 2.0;
    let sx = matrix[0][0] * x + matrix[0][1] * y + centre(w);
    let sy = matrix[1][0] * x + matrix[1][1] * y + centre(h);
    // Beyond the border the border's pixels go on.
    let taps = |at: f64, n: usize| [-1, 0, 1, 2].map(|k| (at.floor() as i64 + k).clamp(0, n as i64 - 1) as usize);
    Source { rows: taps(sy, h), columns: taps(sx, w), t: [sx - sx.floor(), sy - sy.floor()] }
}

/// Every pixel of the result with its centred coordinates.
fn pixels([h, w]: [usize; 2]) -> impl Iterator<Item = (usize, [f64; 2])> {
    let centre = |n: usize| (n as f64 - 1.0) / 2.0;
    (0..h * w).map(move |i| (i, [(i % w) as f64 - centre(w), (i / w) as f64 - centre(h)]))
}

fn weigh(plane: &[f32], w: usize, s: &Source, columns: &[f64; 4], rows: &[f64; 4]) -> f64 {
    let row = |r: usize| -> f64 { s.columns.iter().zip(columns).map(|(c, k)| f64::from(plane[r * w + c]) * k).sum() };
    s.rows.iter().zip(rows).map(|(r, k)| row(*r) * k).sum()
}

/// The image `[c, h, w]` rotated, scaled and sheared about its centre.
pub(crate) fn warp(p: &Parameters, [c, h, w]: [usize; 3], image: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; c * h * w];
    let matrix = matrix(p);
    for (i, at) in pixels([h, w]) {
        let s = source(&matrix, [h, w], at);
        let (columns, rows) = (weights(s.t[0]), weights(s.t[1]));
        for (plane, out) in image.chunks_exact(h * w).zip(out.chunks_exact_mut(h * w)) {
            out[i] = weigh(plane, w, &s, &columns, &rows) as f32;
        }
    }
    out
}

/// Gradient in rotation, scale and shear, written to `slope`, given that in the result.
pub(crate) fn warp_gradient(
    p: &Parameters,
    [c, h, w]: [usize; 3],
    image: &[f32],
    gradient: &[f32],
    slope: &mut Parameters,
) {
    debug_assert_eq!(image.len(), c * h * w);
    let m = matrix(p);
    let mut d = [[0.0; 2]; 2];
    for (i, at) in pixels([h, w]) {
        let s = source(&m, [h, w], at);
        let (columns, rows) = (weights(s.t[0]), weights(s.t[1]));
        let (column_slopes, row_slopes) = (slopes(s.t[0]), slopes(s.t[1]));
        let (mut dx, mut dy) = (0.0, 0.0);
        for (plane, g) in image.chunks_exact(h * w).zip(gradient.chunks_exact(h * w)) {
            dx += f64::from(g[i]) * weigh(plane, w, &s, &column_slopes, &rows);
            dy += f64::from(g[i]) * weigh(plane, w, &s, &columns, &row_slopes);
        }
        for (k, v) in at.iter().enumerate() {
            d[0][k] += dx * v;
            d[1][k] += dy * v;
        }
    }
    let (sin, cos) = p.rotation.sin_cos();
    let shrink = (-p.scale).exp();
    let turned = [[-sin, -sin * p.shear - cos], [cos, cos * p.shear - sin]].map(|row| row.map(|v| v * shrink));
    let sheared = [[0.0, cos * shrink], [0.0, sin * shrink]];
    let dot = |a: &[[f64; 2]; 2]| -> f64 { a.iter().flatten().zip(d.iter().flatten()).map(|(a, b)| a * b).sum() };
    slope.rotation = dot(&turned);
    slope.scale = -dot(&m);
    slope.shear = dot(&sheared);
}
