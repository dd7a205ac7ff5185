//! Reads model checkpoints without executing anything they contain.
