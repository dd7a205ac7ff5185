//! What a check found.

use std::fmt;
use std::sync::Arc;

use crate::host::{Library, Role};

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Allowed, but worth knowing.
    Note,
    /// Not looked at.
    Skip,
    /// Breaks the contract.
    Fail,
}

/// One probe's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The component, e.g. `target "linear"`, or `library`.
    pub component: String,
    /// What was looked at.
    pub probe: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen, and for a failure what to do.
    pub detail: String,
}

/// All findings on one library. Prints for people.
#[derive(Debug)]
pub struct Report {
    /// The library.
    pub library: Arc<Library>,
    /// In the order of looking.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing breaks the contract.
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|f| f.verdict != Verdict::Fail)
    }

    /// Number of findings of a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|f| f.verdict == verdict).count()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Pass => "ok  ",
            Verdict::Note => "note",
            Verdict::Skip => "skip",
            Verdict::Fail => "FAIL",
        };
        write!(f, "{mark}  {}: {}", self.probe, self.detail)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.library)?;
        let mut component = "";
        for finding in &self.findings {
            if finding.component != component {
                component = &finding.component;
                writeln!(f, "{component}")?;
            }
            writeln!(f, "  {finding}")?;
        }
        let (failed, noted) = (self.count(Verdict::Fail), self.count(Verdict::Note));
        match failed {
            0 => writeln!(f, "\nIt keeps the contract; {noted} notes."),
            _ => writeln!(f, "\nIt breaks the contract in {failed} places; {noted} notes."),
        }
    }
}

/// A report under way.
pub(super) struct Writer<'a> {
    component: String,
    report: Report,
    tell: &'a mut dyn FnMut(&Finding),
}

impl<'a> Writer<'a> {
    pub(super) fn new(library: Arc<Library>, tell: &'a mut dyn FnMut(&Finding)) -> Self {
        Self { component: String::new(), report: Report { library, findings: vec![] }, tell }
    }

    pub(super) fn component(&mut self, role: Role, name: &str) {
        self.component = format!("{role} {name:?}");
    }

    pub(super) fn component_is_library(&mut self) {
        self.component = "library".into();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.report.findings.is_empty()
    }

    pub(super) fn finish(self) -> Report {
        self.report
    }

    fn add(&mut self, verdict: Verdict, probe: &str, detail: impl Into<String>) {
        let finding =
            Finding { component: self.component.clone(), probe: probe.to_owned(), verdict, detail: detail.into() };
        (self.tell)(&finding);
        self.report.findings.push(finding);
    }

    pub(super) fn pass(&mut self, probe: &str, detail: impl Into<String>) {
        self.add(Verdict::Pass, probe, detail);
    }

    pub(super) fn note(&mut self, probe: &str, detail: impl Into<String>) {
        self.add(Verdict::Note, probe, detail);
    }

    pub(super) fn skip(&mut self, probe: &str, detail: impl Into<String>) {
        self.add(Verdict::Skip, probe, detail);
    }

    pub(super) fn fail(&mut self, probe: &str, detail: impl Into<String>) {
        self.add(Verdict::Fail, probe, detail);
    }
}
