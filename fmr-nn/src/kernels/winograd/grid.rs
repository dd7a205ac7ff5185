//! Where the tiles of images lie: in bands of rows, and in memory as the transforms read them.

use crate::kernels::conv::ConvShape;
use crate::kernels::simd::{Lanes, MAX_LANES, VectorJob, dispatch, fetch};

/// Tiles that the transforms take at once, all of one image: a chunk.
pub(super) const CHUNK: usize = MAX_LANES;
/// Floats of a line of the cache.
const LINE: usize = 16;
/// Tiles of an image that are worked on together, about: their copies stay in the cache.
const BAND: usize = 192;

/// Tiles of `M × M` outputs: a band of rows of the tiles of an image.
#[derive(Clone, Copy)]
pub(super) struct Grid<const M: usize> {
    /// The first row of tiles.
    pub(super) first: usize,
    pub(super) high: usize,
    pub(super) wide: usize,
}

impl<const M: usize> Grid<M> {
    pub(super) fn of(shape: &ConvShape) -> Self {
        let [oh, ow] = shape.output();
        Self { first: 0, high: oh.div_ceil(M), wide: ow.div_ceil(M) }
    }

    pub(super) fn tiles(self) -> usize {
        self.high * self.wide
    }

    /// Rows of the bands that the image is cut into when `least` tasks should have work: as many as give whole chunks.
    pub(super) fn band(self, least: usize) -> usize {
        let most = self.high.div_ceil(least).max(1);
        let enough = BAND.div_ceil(self.wide).min(most);
        // Chunks of a band over chunks that its tiles would fill.
        let waste = |rows: usize| (rows * self.wide).div_ceil(CHUNK) as f64 / (rows * self.wide) as f64;
        (enough..=(2 * enough).min(most)).min_by(|a, b| waste(*a).total_cmp(&waste(*b))).unwrap_or(enough)
    }

    /// A part of the rows.
    pub(super) fn rows(self, first: usize, count: usize) -> Self {
        Self { first, high: count.min(self.high - first), ..self }
    }

    pub(super) fn chunks(self) -> usize {
        self.tiles().div_ceil(CHUNK)
    }

    /// Distance of rows of a phase; a tile reads its own place and the next one.
    pub(super) fn pitch(self) -> usize {
        self.wide + 1
    }

    /// Floats of a phase: what tiles read at one place of their patches.
    pub(super) fn phase(self) -> usize {
        (self.high + 1) * self.pitch()
    }

    /// Floats of a padded channel.
    pub(super) fn plane(self) -> usize {
        M * M * self.phase()
    }

    /// Copies the band of each plane with its padding, split by the phases of row and column: what tiles in a row read at
    /// one place of their patches then lies side by side.
    pub(super) fn pad_into(self, shape: &ConvShape, x: &[f32], padded: &mut [f32]) {
        let [h, w] = shape.input;
        let planes = padded.len() / self.plane();
        assert!(x.len() >= planes * h * w, "images too short");
        let (x, padded) = (x.as_ptr(), padded.as_mut_ptr());
        let job = PadJob { grid: self, input: shape.input, pad: shape.pad, planes, x, padded };
        // SAFETY: the assertion and the division bound every access.
        unsafe { dispatch(&job) };
    }
}

/// Planes to be padded and split.
struct PadJob<const M: usize> {
    grid: Grid<M>,
    input: [usize; 2],
    pad: [usize; 4],
    planes: usize,
    x: *const f32,
    padded: *mut f32,
}

impl<const M: usize> VectorJob for PadJob<M> {
    /// # Safety
    /// `planes` planes must be readable at `x`, as many of the grid writable at `padded`, and the instruction set of `V`
    /// available.
    #[inline(always)]
    unsafe fn run<V: Lanes>(&self) {
        let ([_, w], [_, left, ..], pitch) = (self.input, self.pad, self.grid.pitch());
        // A few places beyond whole vectors are cheaper one by one.
        let vectors = if pitch % V::N <= 2 { pitch - pitch % V::N } else { pitch };
        for plane in 0..self.planes {
            // Rows of a band are short and its planes far apart: processors do not guess what comes next.
            let next = if plane + 1 < self.planes { self.input[0] * w } else { 0 };
            for column in (0..vectors).step_by(V::N) {
                let len = V::N.min(pitch - column);
                // The places of four vectors that hold values of the image: the same in all rows.
                let spans: [_; 4] = std::array::from_fn(|i| {
                    let at = M * column + i * V::N;
                    [left.saturating_sub(at).min(V::N), (left + w).saturating_sub(at).min(V::N)]
                });
                for row in 0..M * (self.grid.high + 1) {
                    let to = self.padded.wrapping_add(self.place(plane, row) + column);
                    // SAFETY: only values of the image are read; `len` places are left in the rows of all phases.
                    unsafe {
                        let mut parts = [V::splat(0.0); 4];
                        if let Some(line) = self.line(plane, row) {
                            let line = line.wrapping_add(M * column);
                            if next > 0 {
                                (0..M * V::N).step_by(LINE).for_each(|at| fetch(line.wrapping_add(next + at)));
                            }
                            for (i, (part, [from, to])) in parts.iter_mut().zip(spans).enumerate().take(M) {
                                *part = V::load_span(line.wrapping_add(i * V::N), from, to);
                            }
                            parts = deal::<V, M>(parts);
                        }
                        for (x, part) in parts.iter().enumerate().take(M) {
                            part.store_first(to.add(x * self.grid.phase()), len);
                        }
                    }
                }
            }
            for row in 0..M * (self.grid.high + 1) {
                let to = self.padded.wrapping_add(self.place(plane, row));
                for column in vectors..pitch {
                    for x in 0..M {
                        let at = M * column + x;
                        let line = self.line(plane, row).filter(|_| (left..left + w).contains(&at));
                        // SAFETY: as above.
                        unsafe {
                            *to.add(x * self.grid.phase() + column) = line.map_or(0.0, |line| *line.wrapping_add(at));
                        }
                    }
                }
            }
        }
    }
}

impl<const M: usize> PadJob<M> {
    /// Where a row of a padded plane would begin if it had its padding; none for those that are nothing else.
    #[inline(always)]
    fn line(&self, plane: usize, row: usize) -> Option<*const f32> {
        let ([h, w], [top, left, ..]) = (self.input, self.pad);
        let row = M * self.grid.first + row;
        let inside = (top..top + h).contains(&row);
        inside.then(|| self.x.wrapping_add((plane * h + row - top) * w).wrapping_sub(left))
    }

    /// Where a row's first phase begins.
    #[inline(always)]
    fn place(&self, plane: usize, row: usize) -> usize {
        (M * M * plane + row % M * M) * self.grid.phase() + row / M * self.grid.pitch()
    }
}

/// The floats of `M` vectors, every `M`-th in a vector of its own.
///
/// # Safety
/// The instruction set of `V` must be available.
#[inline(always)]
unsafe fn deal<V: Lanes, const M: usize>([a, b, c, d]: [V; 4]) -> [V; 4] {
    // SAFETY: by the contract.
    unsafe {
        let [even, odd] = a.unzip(b);
        if M == 2 {
            return [even, odd, c, d];
        }
        let [even_on, odd_on] = c.unzip(d);
        let ([first, third], [second, fourth]) = (even.unzip(even_on), odd.unzip(odd_on));
        [first, second, third, fourth]
    }
}

/// Sixteen tiles of a band, or its last ones.
pub(super) struct Chunk {
    /// Image in the group.
    pub(super) image: usize,
    /// Place of the first tile in a phase.
    pub(super) origin: usize,
    /// Distances of the tiles' places from it: less than two vectors.
    at: [i32; CHUNK],
    /// Whether these count from 0 to 15.
    straight: bool,
    /// For each eight tiles that lie in two runs: how many lie in the first.
    splits: [Option<usize>; CHUNK / 8],
    /// Runs of tiles in a row: first lane, length, row of the band and column of the first tile.
    pub(super) runs: Vec<[usize; 4]>,
}

impl Chunk {
    pub(super) fn new<const M: usize>(grid: Grid<M>, number: usize) -> Self {
        let first = number % grid.chunks() * CHUNK;
        let place = |tile: usize| tile / grid.wide * grid.pitch() + tile % grid.wide;
        let last = grid.tiles().min(first + CHUNK);
        let origin = place(first);
        // Lanes beyond the last tile read on; their results are not used.
        let at = std::array::from_fn(|lane| {
            let tile = (first + lane).min(last - 1);
            (place(tile) + first + lane - tile - origin) as i32
        });
        let mut runs = Vec::new();
        let mut tile = first;
        while tile < last {
            let column = tile % grid.wide;
            let len = (grid.wide - column).min(last - tile);
            runs.push([tile - first, len, tile / grid.wide, column]);
            tile += len;
        }
        let splits = std::array::from_fn(|half| {
            let at: &[i32] = &at[half * 8..half * 8 + 8];
            let jumps: Vec<usize> = (1..8).filter(|lane| at[*lane] != at[lane - 1] + 1).collect();
            match jumps[..] {
                [] => Some(8),
                [split] => Some(split),
                _ => None,
            }
        });
        let straight = runs.len() == 1;
        Self { image: number / grid.chunks(), origin, at, straight, splits, runs }
    }

    /// What the tiles from lane `half` on read at a place of their patches; `p` is where the first tile reads.
    ///
    /// # Safety
    /// Two vectors must be readable at `p`, and the instruction set of `V` available.
    #[inline(always)]
    pub(super) unsafe fn read<V: Lanes>(&self, p: *const f32, half: usize) -> V {
        // SAFETY: by the contract; distances are less than two vectors.
        unsafe {
            if self.straight {
                return V::load(p.add(half));
            }
            match self.splits[half / 8] {
                Some(lanes) if V::N == 8 => {
                    let (first, last) = (self.at[half] as usize, self.at[half + 7] as usize);
                    V::join(V::load(p.add(first)), V::load(p.add(last - 7)), lanes)
                }
                _ => V::pick(p, self.at.as_ptr().add(half)),
            }
        }
    }
}
