//! Element types of stored tensors and their conversion to `f32` and `i64`.

use std::fmt;

use half::{bf16, f16};

use crate::error::Fault;

/// Element type of a tensor as it is stored (always little-endian).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE 754 double precision.
    F64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// Truncated single precision: 8 bits of exponent, 7 of fraction.
    BF16,
    /// Signed 64 bits.
    I64,
    /// Signed 32 bits.
    I32,
    /// Signed 16 bits.
    I16,
    /// Signed 8 bits.
    I8,
    /// Unsigned 64 bits.
    U64,
    /// Unsigned 32 bits.
    U32,
    /// Unsigned 16 bits.
    U16,
    /// Unsigned 8 bits.
    U8,
    /// One byte, zero or not.
    Bool,
    /// Quantised: signed 8 bits, with a scale that is kept elsewhere.
    QI8,
    /// Quantised: unsigned 8 bits, with a scale that is kept elsewhere.
    QU8,
    /// Quantised: signed 32 bits, with a scale that is kept elsewhere.
    QI32,
    /// Eight bits with 4 of exponent; weights of this type usually have scales that are kept elsewhere.
    F8E4M3,
    /// Eight bits with 5 of exponent; weights of this type usually have scales that are kept elsewhere.
    F8E5M2,
    /// Two single-precision numbers.
    C64,
    /// Two double-precision numbers.
    C128,
}

impl Dtype {
    /// Bytes of one element.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::C128 => 16,
            Self::F64 | Self::I64 | Self::U64 | Self::C64 => 8,
            Self::F32 | Self::I32 | Self::U32 | Self::QI32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool | Self::QI8 | Self::QU8 | Self::F8E4M3 | Self::F8E5M2 => 1,
        }
    }

    /// Whether the elements are floating-point numbers that stand for themselves, without a scale.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::BF16)
    }

    /// The type of this name in a safetensors header.
    pub(crate) fn from_safetensors(name: &str) -> Option<Self> {
        Some(match name {
            "F64" => Self::F64,
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::BF16,
            "I64" => Self::I64,
            "I32" => Self::I32,
            "I16" => Self::I16,
            "I8" => Self::I8,
            "U64" => Self::U64,
            "U32" => Self::U32,
            "U16" => Self::U16,
            "U8" => Self::U8,
            "BOOL" => Self::Bool,
            "F8_E4M3" => Self::F8E4M3,
            "F8_E5M2" => Self::F8E5M2,
            "C64" => Self::C64,
            _ => return None,
        })
    }

    /// The type of a torch storage class (`FloatStorage`) or dtype object (`float32`).
    pub(crate) fn from_torch(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" | "float64" | "double" => Self::F64,
            "FloatStorage" | "float32" | "float" => Self::F32,
            "HalfStorage" | "float16" | "half" => Self::F16,
            "BFloat16Storage" | "bfloat16" => Self::BF16,
            "LongStorage" | "int64" | "long" => Self::I64,
            "IntStorage" | "int32" | "int" => Self::I32,
            "ShortStorage" | "int16" | "short" => Self::I16,
            "CharStorage" | "int8" => Self::I8,
            "uint64" => Self::U64,
            "uint32" => Self::U32,
            "uint16" => Self::U16,
            "ByteStorage" | "UntypedStorage" | "uint8" => Self::U8,
            "BoolStorage" | "bool" => Self::Bool,
            "QInt8Storage" | "qint8" => Self::QI8,
            "QUInt8Storage" | "quint8" => Self::QU8,
            "QInt32Storage" | "qint32" => Self::QI32,
            "Float8_e4m3fnStorage" | "float8_e4m3fn" => Self::F8E4M3,
            "Float8_e5m2Storage" | "float8_e5m2" => Self::F8E5M2,
            "ComplexFloatStorage" | "complex64" => Self::C64,
            "ComplexDoubleStorage" | "complex128" => Self::C128,
            _ => return None,
        })
    }

    /// The type of a numpy dtype string such as `f4`.
    pub(crate) fn from_numpy(name: &str) -> Option<Self> {
        Some(match name {
            "f8" => Self::F64,
            "f4" => Self::F32,
            "f2" => Self::F16,
            "i8" => Self::I64,
            "i4" => Self::I32,
            "i2" => Self::I16,
            "i1" => Self::I8,
            "u8" => Self::U64,
            "u4" => Self::U32,
            "u2" => Self::U16,
            "u1" => Self::U8,
            "b1" => Self::Bool,
            _ => return None,
        })
    }

    /// Appends the elements of `bytes`, rounded to `f32`; quantised and complex types are refused.
    pub(crate) fn decode_f32(self, bytes: &[u8], out: &mut Vec<f32>) -> Result<(), Fault> {
        match self {
            Self::F64 => out.extend(each(bytes, |b| f64::from_le_bytes(b) as f32)),
            Self::F32 => out.extend(each(bytes, f32::from_le_bytes)),
            Self::F16 => out.extend(each(bytes, |b| f16::from_le_bytes(b).to_f32())),
            Self::BF16 => out.extend(each(bytes, |b| bf16::from_le_bytes(b).to_f32())),
            Self::I64 => out.extend(each(bytes, |b| i64::from_le_bytes(b) as f32)),
            Self::I32 => out.extend(each(bytes, |b| i32::from_le_bytes(b) as f32)),
            Self::I16 => out.extend(each(bytes, |b| f32::from(i16::from_le_bytes(b)))),
            Self::I8 => out.extend(each(bytes, |b| f32::from(i8::from_le_bytes(b)))),
            Self::U64 => out.extend(each(bytes, |b| u64::from_le_bytes(b) as f32)),
            Self::U32 => out.extend(each(bytes, |b| u32::from_le_bytes(b) as f32)),
            Self::U16 => out.extend(each(bytes, |b| f32::from(u16::from_le_bytes(b)))),
            Self::U8 => out.extend(each(bytes, |b| f32::from(u8::from_le_bytes(b)))),
            Self::Bool => out.extend(bytes.iter().map(|&b| f32::from(u8::from(b != 0)))),
            Self::QI8 | Self::QU8 | Self::QI32 | Self::F8E4M3 | Self::F8E5M2 | Self::C64 | Self::C128 => {
                return Err(self.unreadable("numbers"));
            }
        }
        Ok(())
    }

    fn unreadable(self, wanted: &str) -> Fault {
        let why = match self {
            Self::C64 | Self::C128 => "complex numbers",
            Self::QI8 | Self::QU8 | Self::QI32 => "quantised numbers; fetch the file in floating point",
            Self::F8E4M3 | Self::F8E5M2 => {
                "8-bit numbers, whose scales are kept elsewhere; fetch the file in 16 or 32 bits"
            }
            _ => "floating-point numbers",
        };
        Fault::unsupported(format!("{wanted} are asked for and it holds {self}, which are {why}"))
    }

    /// Appends the elements of `bytes`; floating-point types and values beyond `i64` are refused.
    pub(crate) fn decode_i64(self, bytes: &[u8], out: &mut Vec<i64>) -> Result<(), Fault> {
        match self {
            Self::F64 | Self::F32 | Self::F16 | Self::BF16 | Self::F8E4M3 | Self::F8E5M2 | Self::C64 | Self::C128 => {
                return Err(self.unreadable("integers"));
            }
            Self::QI8 | Self::QU8 | Self::QI32 => return Err(self.unreadable("integers")),
            Self::U64 => {
                for value in each(bytes, u64::from_le_bytes) {
                    out.push(
                        i64::try_from(value)
                            .map_err(|_| Fault::unsupported(format!("the integer {value} does not fit 64 bits")))?,
                    );
                }
            }
            Self::I64 => out.extend(each(bytes, i64::from_le_bytes)),
            Self::I32 => out.extend(each(bytes, |b| i64::from(i32::from_le_bytes(b)))),
            Self::I16 => out.extend(each(bytes, |b| i64::from(i16::from_le_bytes(b)))),
            Self::I8 => out.extend(each(bytes, |b| i64::from(i8::from_le_bytes(b)))),
            Self::U32 => out.extend(each(bytes, |b| i64::from(u32::from_le_bytes(b)))),
            Self::U16 => out.extend(each(bytes, |b| i64::from(u16::from_le_bytes(b)))),
            Self::U8 => out.extend(each(bytes, |b| i64::from(u8::from_le_bytes(b)))),
            Self::Bool => out.extend(bytes.iter().map(|&b| i64::from(b != 0))),
        }
        Ok(())
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::I16 => "i16",
            Self::I8 => "i8",
            Self::U64 => "u64",
            Self::U32 => "u32",
            Self::U16 => "u16",
            Self::U8 => "u8",
            Self::Bool => "bool",
            Self::QI8 => "qint8",
            Self::QU8 => "quint8",
            Self::QI32 => "qint32",
            Self::F8E4M3 => "f8_e4m3",
            Self::F8E5M2 => "f8_e5m2",
            Self::C64 => "complex64",
            Self::C128 => "complex128",
        })
    }
}

fn each<const N: usize, T>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    bytes.as_chunks().0.iter().map(move |chunk| decode(*chunk))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_type_converts_to_f32() {
        let decoded = |dtype: Dtype, bytes: &[u8]| {
            let mut out = Vec::new();
            dtype.decode_f32(bytes, &mut out).unwrap();
            out
        };
        assert_eq!(decoded(Dtype::F64, &1.5f64.to_le_bytes()), [1.5]);
        assert_eq!(decoded(Dtype::F16, &[0x00, 0xc1, 0x01, 0x00]), [-2.5, 5.960_464_5e-8]);
        assert_eq!(decoded(Dtype::BF16, &[0x20, 0xc0]), [-2.5]);
        assert_eq!(decoded(Dtype::I64, &(-7i64).to_le_bytes()), [-7.0]);
        assert_eq!(decoded(Dtype::U64, &u64::MAX.to_le_bytes()), [1.844_674_4e19]);
        assert_eq!(decoded(Dtype::I8, &[0xff]), [-1.0]);
        assert_eq!(decoded(Dtype::U8, &[0xff]), [255.0]);
        assert_eq!(decoded(Dtype::Bool, &[0, 1, 2]), [0.0, 1.0, 1.0]);
    }

    #[test]
    fn integers_are_exact_or_refused() {
        let mut out = Vec::new();
        Dtype::I64.decode_i64(&i64::MIN.to_le_bytes(), &mut out).unwrap();
        Dtype::U16.decode_i64(&[0xff, 0xff], &mut out).unwrap();
        assert_eq!(out, [i64::MIN, 65535]);
        assert!(Dtype::U64.decode_i64(&u64::MAX.to_le_bytes(), &mut out).is_err());
        assert!(Dtype::F32.decode_i64(&[0; 4], &mut out).is_err());
    }

    #[test]
    fn numbers_that_need_a_scale_are_refused() {
        for dtype in [Dtype::QI8, Dtype::QU8, Dtype::QI32, Dtype::F8E4M3, Dtype::F8E5M2, Dtype::C64, Dtype::C128] {
            assert!(!dtype.is_float(), "{dtype}");
            assert!(dtype.decode_f32(&[0; 16], &mut Vec::new()).is_err());
            assert!(dtype.decode_i64(&[0; 16], &mut Vec::new()).is_err());
        }
    }
}
