//! SA, PA, VR, FMR and their intervals.
