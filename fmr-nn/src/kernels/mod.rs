//! Host kernels for the layers that dominate the time. Slices in, slices out; shapes are checked by the callers in
//! [`crate::ops`]. Results are independent of batch size, tiling and number of threads, bit for bit.

pub mod attention;
pub mod bfloat16;
pub mod buffers;
pub mod conv;
pub mod depthwise;
pub mod filtered;
pub mod fir;
pub mod gemm;
pub mod norm;
pub mod parallel;
pub mod simd;
pub mod spatial_attention;
pub mod winograd;
