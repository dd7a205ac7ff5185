//! What came of one sheet.

use std::collections::BTreeSet;
use std::fmt;

use crate::{Sheet, Tolerance, Values};

/// Results compared so far, and those still wanted.
#[derive(Debug)]
pub struct Report<'s> {
    sheet: &'s Sheet,
    open: BTreeSet<&'s str>,
    tensors: usize,
    values: usize,
    /// Largest error as a fraction of its tolerance, and where.
    worst: Option<(f64, &'s str)>,
    failures: Vec<String>,
}

impl<'s> Report<'s> {
    pub(crate) fn new(sheet: &'s Sheet) -> Self {
        let open = sheet.wanted().collect();
        Self { sheet, open, tensors: 0, values: 0, worst: None, failures: Vec::new() }
    }

    /// Whether the sheet holds a result of that name that nothing was offered for yet.
    pub fn wants(&self, name: &str) -> bool {
        self.open.contains(name)
    }

    /// Names that nothing was offered for yet.
    pub fn open(&self) -> impl Iterator<Item = &'s str> {
        self.open.iter().copied()
    }

    /// Offers a result; one that the sheet does not want is passed over.
    pub fn floats(&mut self, name: &str, got: &[f32]) {
        let Some(name) = self.open.take(name) else { return };
        let tensor = &self.sheet.tensors()[name];
        let Values::Float(want) = &tensor.values else {
            return self.fail(name, "it holds integers".to_owned());
        };
        if got.len() != want.len() {
            let problem = format!("{} values instead of the {} of {:?}", got.len(), want.len(), tensor.shape);
            return self.fail(name, problem);
        }
        self.count(name, got.len(), fraction(self.sheet.tolerance(name), got, want));
    }

    /// Offers integers; they must be equal. A result that the sheet does not want is passed over.
    pub fn ints(&mut self, name: &str, got: &[i64]) {
        let Some(name) = self.open.take(name) else { return };
        let Values::Int(want) = &self.sheet.tensors()[name].values else {
            return self.fail(name, "it holds floating-point values".to_owned());
        };
        if got.len() != want.len() {
            return self.fail(name, format!("{} values instead of {}", got.len(), want.len()));
        }
        let wrong = got.iter().zip(want).filter(|(a, b)| a != b).count();
        let first = got.iter().zip(want).position(|(a, b)| a != b);
        self.count(name, got.len(), 0.0);
        if let Some(first) = first {
            let (a, b) = (got[first], want[first]);
            self.fail(name, format!("{wrong} of {} differ, the first at {first}: {a} instead of {b}", got.len()));
        }
    }

    /// Leaves out a tensor that the case itself calls informative, and says so.
    pub fn informative(&mut self, name: &str) {
        if self.open.remove(name) {
            println!("{}: {name} is informative only", self.sheet.name());
        }
    }

    /// Leaves a tensor to the test named here, and says so.
    pub fn elsewhere(&mut self, name: &str, test: &str) {
        if self.open.remove(name) {
            println!("{}: {name} is compared by {test}", self.sheet.name());
        }
    }

    /// Number of tensors compared.
    pub fn tensors(&self) -> usize {
        self.tensors
    }

    /// Number of values compared.
    pub fn values(&self) -> usize {
        self.values
    }

    /// Everything that is wrong, one line each, results that are missing included.
    pub fn into_failures(self) -> Vec<String> {
        let mut failures = self.failures;
        let missing = self.open.iter().map(|name| format!("{}: {name} was not computed", self.sheet.name()));
        failures.extend(missing);
        failures
    }

    fn count(&mut self, name: &'s str, values: usize, fraction: f64) {
        self.tensors += 1;
        self.values += values;
        if self.worst.is_none_or(|(worst, _)| fraction > worst) {
            self.worst = Some((fraction, name));
        }
        if fraction > 1.0 {
            self.fail(name, format!("its error is {fraction:.3} of the tolerance"));
        }
    }

    fn fail(&mut self, name: &str, problem: String) {
        self.failures.push(format!("{}: {name}: {problem}", self.sheet.name()));
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} tensors, {} values", self.sheet.name(), self.tensors, self.values)?;
        if let Some((worst, name)) = self.worst {
            write!(f, ", worst error {worst:.3} of its tolerance ({name})")?;
        }
        if !self.open.is_empty() {
            write!(f, ", {} NOT COMPUTED", self.open.len())?;
        }
        if !self.failures.is_empty() {
            write!(f, ", {} FAILED", self.failures.len())?;
        }
        Ok(())
    }
}

/// Largest error as a fraction of the tolerance; infinite where a value is not a number.
fn fraction(tolerance: Tolerance, got: &[f32], want: &[f32]) -> f64 {
    let ratio = |error: f64, bound: f64| match (error == 0.0, error.is_nan() || bound == 0.0) {
        (true, _) => 0.0,
        (false, true) => f64::INFINITY,
        (false, false) => error / bound,
    };
    let pairs = || got.iter().zip(want).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    match tolerance {
        Tolerance::Exact => pairs().map(|(a, b)| ratio((a - b).abs(), 0.0)).fold(0.0, f64::max),
        Tolerance::Each { rtol, atol } => {
            pairs().map(|(a, b)| ratio((a - b).abs(), atol + rtol * b.abs())).fold(0.0, f64::max)
        }
        Tolerance::Norm(bound) => {
            let error = pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            let norm = pairs().map(|(_, b)| b.powi(2)).sum::<f64>().sqrt();
            ratio(error, bound * norm)
        }
    }
}
