//! The ball around its start that no latent of a search leaves.

use ndarray::{Array1, ArrayView1};

use super::rule::norm;
use super::settings::{Norm, Projection};

impl Projection {
    /// The nearest latent to `latent` in the ball around `start` whose values are allowed. `units` holds the unit of each
    /// value; absent, the latent's own.
    pub(super) fn project(
        &self,
        mut latent: Array1<f32>,
        start: ArrayView1<'_, f32>,
        units: Option<&[f32]>,
    ) -> Array1<f32> {
        let unit = |i: usize| units.map_or(1.0, |units| units[i]);
        match self.norm {
            Norm::Linf => {
                for (i, (value, start)) in latent.iter_mut().zip(start).enumerate() {
                    let most = self.radius as f32 * unit(i);
                    *value = start + (*value - start).clamp(-most, most);
                }
            }
            Norm::L2 => {
                // A value without a unit does not move, and has no distance.
                let part = |i: usize, change: f32| if unit(i) == 0.0 { 0.0 } else { change / unit(i) };
                let changes: Array1<f32> =
                    latent.iter().zip(start).enumerate().map(|(i, (value, start))| part(i, value - start)).collect();
                let length = norm(changes.view());
                if length > self.radius {
                    let share = (self.radius / length) as f32;
                    latent.iter_mut().zip(start).for_each(|(value, start)| *value = start + (*value - start) * share);
                }
            }
        }
        if let Some([least, most]) = self.within {
            latent.mapv_inplace(|value| value.clamp(least, most));
        }
        latent
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::super::settings::Around;
    use super::*;

    fn ball(norm: Norm, radius: f64, within: Option<[f32; 2]>) -> Projection {
        Projection { norm, radius, around: Around::Start, within }
    }

    #[test]
    fn values_stay_within_the_radius_and_the_bounds() {
        let start = array![0.5, 0.5, 0.0];
        let project = |p: Projection| p.project(array![0.75, 0.53125, -0.25], start.view(), None);
        assert_eq!(project(ball(Norm::Linf, 0.125, None)), array![0.625, 0.53125, -0.125]);
        assert_eq!(project(ball(Norm::Linf, 0.125, Some([0.0, 1.0]))), array![0.625, 0.53125, 0.0]);
    }

    #[test]
    fn a_latent_outside_the_euclidean_ball_comes_back_to_its_surface() {
        let start = array![1.0, 1.0];
        let project = |latent, units: Option<&[f32]>| ball(Norm::L2, 5.0, None).project(latent, start.view(), units);
        assert_eq!(project(array![7.0, 9.0], None), array![4.0, 5.0]);
        assert_eq!(project(array![4.0, 5.0], None), array![4.0, 5.0]);
        // In units of 10 the same change is short.
        assert_eq!(project(array![7.0, 9.0], Some(&[10.0, 10.0])), array![7.0, 9.0]);
    }
}
