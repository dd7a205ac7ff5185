//! Tables, contact sheets and exports.
