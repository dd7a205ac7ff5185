//! Between pixels in [0, 1] and the range of a model.

use burn::tensor::Tensor;

/// The colours that a model knows, in its range of −1 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Colours {
    pub(crate) lowest: f32,
    pub(crate) highest: f32,
    /// Steps from the lowest colour to one above the highest, less one: 2^bits − 1.
    pub(crate) steps: f32,
    /// 8-bit values that become one colour.
    bin: f32,
}

impl Colours {
    /// Of so many bits, 1 to 8.
    pub(crate) fn of_bits(bits: f64) -> Self {
        let bin = (8.0 - bits).exp2() as f32;
        let colours = Self { lowest: -1.0, highest: 1.0, steps: (bits.exp2() - 1.0) as f32, bin };
        Self { highest: colours.of_pixel(255.0), ..colours }
    }

    /// The colour of an 8-bit value. Likelihoods compare colours for equality, so there is one expression for all.
    pub(crate) fn of_pixel(&self, pixel: f32) -> f32 {
        ((pixel / self.bin).floor() * self.bin - 127.5) / 127.5
    }

    /// The colours of values in [0, 1], by the nearest 8-bit value.
    pub(crate) fn of_unit<const D: usize>(&self, values: Tensor<D>) -> Tensor<D> {
        let pixels = (values * 255.0 + 0.5).floor().clamp(0.0, 255.0);
        ((pixels / self.bin).floor() * self.bin - 127.5) / 127.5
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn colours_of_eight_and_five_bits() {
        let eight = Colours::of_bits(8.0);
        assert_eq!((eight.highest, eight.steps, eight.of_pixel(128.0)), (1.0, 255.0, 0.5 / 127.5));
        let five = Colours::of_bits(5.0);
        assert_eq!((five.highest, five.steps), ((248.0 - 127.5) / 127.5, 31.0));
        assert_eq!(five.of_pixel(7.0), -1.0);
        let unit = Tensor::<1>::from_floats([0.0, 0.5, 1.0, 2.0], &Device::flex());
        let of_unit = |colours: Colours| colours.of_unit(unit.clone()).into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(of_unit(five), [-1.0, five.of_pixel(128.0), five.highest, five.highest]);
        assert_eq!(of_unit(eight), [-1.0, eight.of_pixel(128.0), 1.0, 1.0]);
    }
}
