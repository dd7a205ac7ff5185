#![doc = include_str!("../README.md")]

mod findings;
mod question;
mod round;
mod verdicts;

pub use findings::{Annotator, Findings, Rules};
pub use question::{Answer, EightBit, Question};
pub use round::{Round, Task};
pub use verdicts::{Verdict, VerdictError, Verdicts, check_name};
