//! Latents that a fixture describes in words and formulas instead of storing them.

use ndarray::Array2;
use toml::Table;

/// The recipe's numbers, read from its keys and from its sentences.
pub(crate) struct Recipe {
    pairs: usize,
    seed: u64,
    signal: Signal,
    /// Columns, and sites of one channel.
    width: usize,
    sites: usize,
    scales: usize,
    /// Channels that stream 1 is drawn for.
    channels: usize,
    /// Weights of what all sites of a channel, all channels of a site, share.
    shared: [f64; 2],
    /// Least strength of the signal, and weight of the noise on the perturbed rows.
    base: f64,
    noise: f64,
    /// Every so many columns are constant, at that value.
    constant: (usize, usize, f32),
    /// Every so many columns are a copy of the one before.
    copied: (usize, usize),
    /// Pairs `i % fold == held` are test rows.
    fold: usize,
    held: usize,
}

struct Signal {
    step: usize,
    offset: usize,
    amplitude: f64,
}

impl Recipe {
    pub(crate) fn read(input: &Table) -> Self {
        let integer = |key: &str| input[key].as_integer().unwrap() as usize;
        let text = input["recipe"].as_str().unwrap();
        let train = input["train"].as_str().unwrap();
        Self {
            pairs: integer("pairs"),
            seed: integer("seed") as u64,
            signal: Signal {
                step: integer("signal_step"),
                offset: integer("signal_offset"),
                amplitude: input["signal_amplitude"].as_float().unwrap(),
            },
            width: after(text, "D = "),
            sites: after(text, "HW = "),
            scales: after(text, "(c mod "),
            channels: after(text, "u(1, i*"),
            shared: [before(text, " * u(1, "), before(text, " * u(2, ")],
            base: after(text, "(signal(j) * ("),
            noise: before(text, " * u(3, "),
            constant: (
                after(text, "columns j with j mod "),
                after(tail(text, "Afterwards:"), " = "),
                after(text, "become "),
            ),
            copied: (after(tail(text, "; columns j with"), " j mod "), after(tail(text, "; columns j with"), " = ")),
            fold: after(train, "i % "),
            held: after(train, "!= "),
        }
    }

    /// Latents, labels, train rows and test rows.
    pub(crate) fn make(&self) -> (Array2<f32>, Vec<bool>, Vec<usize>, Vec<usize>) {
        let (n, d) = (self.pairs, self.width);
        let mut latents = Array2::zeros((2 * n, d));
        let bases: Vec<u64> = (0..5).map(|s| splitmix64(self.seed.wrapping_mul(1_000_003).wrapping_add(s))).collect();
        let u = |stream: usize, index: usize| {
            (splitmix64(bases[stream].wrapping_add(index as u64)) >> 40) as f64 / f64::from(1 << 24) - 0.5
        };
        for i in 0..n {
            for j in 0..d {
                let (c, s) = (j / self.sites, j % self.sites);
                let scale = 2.0_f64.powi((c % self.scales) as i32 - 2);
                let own = u(0, i * d + j)
                    + self.shared[0] * u(1, i * self.channels + c)
                    + self.shared[1] * u(2, i * self.sites + s);
                let original = scale * own;
                let signal = self.signal_at(j);
                let moved = signal * (self.base + u(4, i * d + j)) + self.noise * u(3, i * d + j);
                latents[[i, j]] = original as f32;
                latents[[n + i, j]] = (original + scale * moved) as f32;
            }
        }
        for mut row in latents.rows_mut() {
            let (every, rest, value) = self.constant;
            (0..d).filter(|j| j % every == rest).for_each(|j| row[j] = value);
            let (every, rest) = self.copied;
            (1..d).filter(|j| j % every == rest).for_each(|j| row[j] = row[j - 1]);
        }
        let labels = (0..2 * n).map(|i| i >= n).collect();
        let (test, train) = (0..2 * n).partition(|i| (i % n) % self.fold == self.held);
        (latents, labels, train, test)
    }

    fn signal_at(&self, j: usize) -> f64 {
        let Signal { step, offset, amplitude } = self.signal;
        match (j % step == offset, (j / step).is_multiple_of(2)) {
            (false, _) => 0.0,
            (true, true) => amplitude,
            (true, false) => -amplitude,
        }
    }
}

fn splitmix64(x: u64) -> u64 {
    let z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn tail<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).unwrap_or_else(|| panic!("the recipe does not say `{mark}`")).1
}

fn is_number(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

/// The number that follows `mark`.
fn after<N: std::str::FromStr>(text: &str, mark: &str) -> N {
    let rest = tail(text, mark);
    let number = &rest[..rest.find(|c| !is_number(c)).unwrap_or(rest.len())];
    number.trim_end_matches('.').parse().unwrap_or_else(|_| panic!("no number after `{mark}` in the recipe"))
}

/// The number that stands before `mark`.
fn before(text: &str, mark: &str) -> f64 {
    let head = text.split_once(mark).unwrap_or_else(|| panic!("the recipe does not say `{mark}`")).0;
    head[head.rfind(|c| !is_number(c)).map_or(0, |at| at + 1)..].parse().unwrap()
}
