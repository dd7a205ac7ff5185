//! Data sets: readers and seeded subsets.
