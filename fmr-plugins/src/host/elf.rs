//! Whether an ELF file is whole. The system's loader maps what the headers promise, and a process dies of the first
//! page that the file does not have: a library that was copied half-way must be found out before it is loaded.

/// Where a field of the headers stands, by class: 32 bits, 64 bits.
struct Layout {
    wide: bool,
    big: bool,
}

impl Layout {
    fn uint(&self, bytes: &[u8], at: u64, width: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let field = bytes.get(at..at.checked_add(width)?)?;
        let push = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.big { field.iter().fold(0, push) } else { field.iter().rev().fold(0, push) })
    }

    /// A field that is as wide as an address.
    fn address(&self, bytes: &[u8], at: u64) -> Option<u64> {
        self.uint(bytes, at, if self.wide { 8 } else { 4 })
    }
}

/// What the headers promise and the file does not hold, if it is cut short or its headers are damaged.
pub(super) fn lacks(bytes: &[u8]) -> Option<String> {
    let layout = Layout { wide: *bytes.get(4)? == 2, big: *bytes.get(5)? == 2 };
    match end(&layout, bytes) {
        Some(end) if end <= bytes.len() as u64 => None,
        Some(end) => Some(format!("it has {} bytes, but its headers speak of {end}", bytes.len())),
        None => Some(format!("its {} bytes do not hold its own headers", bytes.len())),
    }
}

/// The end of the last segment or table that the headers name.
fn end(layout: &Layout, bytes: &[u8]) -> Option<u64> {
    let by_class = |narrow: u64, wide: u64| if layout.wide { wide } else { narrow };
    let (programs, sections) = (by_class(28, 32), by_class(32, 40));
    let counts = by_class(42, 54);
    let table = |at: u64, counts: u64| {
        let (size, count) = (layout.uint(bytes, counts, 2)?, layout.uint(bytes, counts + 2, 2)?);
        Some((layout.address(bytes, at)?, size, count))
    };
    let (start, size, count) = table(programs, counts)?;
    let mut last = start.checked_add(size.checked_mul(count)?)?;
    if count == 0 || size < by_class(32, 56) {
        return None;
    }
    for i in 0..count {
        let header = start.checked_add(i * size)?;
        let offset = layout.address(bytes, header.checked_add(by_class(4, 8))?)?;
        let length = layout.address(bytes, header.checked_add(by_class(16, 32))?)?;
        last = last.max(offset.checked_add(length)?);
    }
    // The table of sections stands last in most files, so that it shows a cut that the segments hide.
    let (start, size, count) = table(sections, counts + 4)?;
    Some(last.max(start.checked_add(size.checked_mul(count)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, one segment of eight bytes behind it, and a table of one section.
    fn library() -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56 + 8 + 64];
        bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        let mut put = |at: usize, value: u64, width: usize| {
            bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        };
        put(32, 64, 8);
        put(40, 128, 8);
        put(54, 56, 2);
        put(56, 1, 2);
        put(58, 64, 2);
        put(60, 1, 2);
        put(64 + 8, 120, 8);
        put(64 + 32, 8, 8);
        bytes
    }

    #[test]
    fn every_cut_is_found() {
        let whole = library();
        assert_eq!(lacks(&whole), None);
        for length in 6..whole.len() {
            assert!(lacks(&whole[..length]).is_some(), "cut at {length}");
        }
    }

    #[test]
    fn headers_that_overflow_are_refused() {
        for at in [32, 40, 54, 56, 58, 60, 72, 96] {
            let mut bytes = library();
            bytes[at..at + 2].fill(0xff);
            bytes[at + 6..at + 8].fill(0xff);
            assert!(lacks(&bytes).is_some(), "{at}");
        }
    }
}
