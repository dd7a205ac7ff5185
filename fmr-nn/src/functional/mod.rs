//! The operations that models are written with, as functions on tensors.

mod convolution;
mod dense;
mod embedding;
mod filtering;
mod normalisation;
mod pooling;
mod rows;
mod sampling;

pub use convolution::{Reordered, Window, conv2d};
pub use dense::linear;
pub use embedding::timestep_embedding;
pub use filtering::{filtered_leaky_relu, scale_planes, upfirdn2d};
pub use normalisation::{batch_norm, channel_affine, channel_moments, group_norm, layer_norm, modulated_group_norm};
pub use pooling::max_pool;
pub(crate) use rows::swap;
pub use rows::{Rows, swapped, take_rows};
pub use sampling::{average_pool, join_channels, straight_through, upsample, upsample2};

pub use crate::attention::{
    PackedOrder, Regions, attention, biased_self_attention, packed_spatial_attention, self_attention,
    spatial_self_attention,
};
pub use crate::depthwise::depthwise_conv2d;
pub use crate::kernels::conv::Rectify;
pub use crate::kernels::filtered::Filtering;
pub use crate::kernels::fir::{Fir, Sampling};
pub use crate::kernels::norm::Activation;
pub use crate::pointwise::{Pointwise, pointwise, rectify};
