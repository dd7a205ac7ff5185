//! Comparing values and keeping count.

use std::collections::BTreeSet;

use serde_json::Value;

/// What was compared, and what differed.
#[derive(Default)]
pub(crate) struct Tally {
    cases: usize,
    values: usize,
    case: String,
    tolerance: (f64, f64),
    differences: Vec<String>,
    not_understood: BTreeSet<String>,
}

impl Tally {
    /// The values that follow belong to this case.
    pub(crate) fn begin(&mut self, case: &str, tolerance: (f64, f64)) {
        self.cases += 1;
        self.case = case.to_owned();
        self.tolerance = tolerance;
    }

    /// Something that no comparison exists for.
    pub(crate) fn not_understood(&mut self, what: &str) {
        self.not_understood.insert(format!("{}: {what}", self.case));
    }

    /// Two things that must be equal.
    pub(crate) fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ours: &T, wanted: &T) {
        self.values += 1;
        if ours != wanted {
            self.differences.push(format!("{}: {what}: {ours:?}, must be {wanted:?}", self.case));
        }
    }

    /// A condition that must hold.
    pub(crate) fn holds(&mut self, what: &str, holds: bool) {
        self.same(what, &holds, &true);
    }

    /// Two numbers that must agree within the case's tolerance.
    pub(crate) fn close(&mut self, what: &str, ours: f64, wanted: f64) {
        self.values += 1;
        let (rtol, atol) = self.tolerance;
        let agree = (ours - wanted).abs() <= atol + rtol * wanted.abs();
        if !agree {
            self.differences.push(format!("{}: {what}: {ours}, must be {wanted}", self.case));
        }
    }

    /// Two numbers that must agree within a relative tolerance of its own.
    pub(crate) fn near(&mut self, what: &str, ours: f64, wanted: f64, absolute: f64) {
        self.values += 1;
        let agree = (ours - wanted).abs() <= absolute;
        if !agree {
            self.differences.push(format!("{}: {what}: {ours}, must be {wanted} ± {absolute}", self.case));
        }
    }

    /// A number or nothing against a number or null.
    pub(crate) fn value(&mut self, what: &str, ours: Option<f64>, wanted: &Value) {
        match (ours, wanted.as_f64()) {
            (Some(ours), Some(wanted)) => self.close(what, ours, wanted),
            (ours, _) => {
                self.values += 1;
                if ours.is_some() || !wanted.is_null() {
                    self.differences.push(format!("{}: {what}: {ours:?}, must be {wanted}", self.case));
                }
            }
        }
    }

    /// A list of numbers; null stands for one that is not finite.
    pub(crate) fn list(&mut self, what: &str, ours: impl IntoIterator<Item = f64>, wanted: &Value) {
        let ours: Vec<f64> = ours.into_iter().collect();
        let Some(wanted) = wanted.as_array() else {
            self.differences.push(format!("{}: {what}: {wanted} is no list", self.case));
            return;
        };
        self.same(&format!("length of {what}"), &ours.len(), &wanted.len());
        for (i, (ours, wanted)) in ours.into_iter().zip(wanted).enumerate() {
            self.value(&format!("{what}[{i}]"), Some(ours).filter(|v| v.is_finite()), wanted);
        }
    }

    /// Prints the counts. Fails where anything differed, or where nothing was compared though `required`, unless all
    /// that is there is for another test (`elsewhere` cases).
    pub(crate) fn report(self, required: bool, elsewhere: usize) {
        println!("compared {} values of {} golden cases", self.values, self.cases);
        for what in &self.not_understood {
            println!("not understood: {what}");
        }
        let nothing = self.cases == 0 && (elsewhere == 0 || !self.not_understood.is_empty());
        assert!(!(nothing && required), "no golden case of a known kind; not understood: {:?}", self.not_understood);
        let shown = self.differences.iter().take(25).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.differences.is_empty(), "{} values differ:\n{shown}", self.differences.len());
    }
}
