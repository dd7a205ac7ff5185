//! How an oracle's class scores become a verdict.
