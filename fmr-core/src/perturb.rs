//! Algorithm 1 over an active set.
