//! The buffers that a plugin explains a failure in.

use crate::abi;

const MESSAGE: usize = 16 * 1024;
const SUBJECT: usize = 1024;

/// Room for an error's message and subject.
pub(super) struct Texts {
    message: Vec<u8>,
    subject: Vec<u8>,
    error: Box<abi::Error>,
}

impl Texts {
    pub(super) fn new() -> Self {
        let (mut message, mut subject) = (vec![0; MESSAGE], vec![0; SUBJECT]);
        let error = Box::new(abi::Error {
            size: size_of::<abi::Error>() as u32,
            reserved: 0,
            message: abi::Text { ptr: message.as_mut_ptr(), cap: MESSAGE, len: 0 },
            subject: abi::Text { ptr: subject.as_mut_ptr(), cap: SUBJECT, len: 0 },
        });
        Self { message, subject, error }
    }

    /// For the callee; valid as long as these texts.
    pub(super) fn error(&mut self) -> *mut abi::Error {
        &raw mut *self.error
    }

    /// Message and subject, whatever bytes came: what is not UTF-8 shows as such, what did not fit is marked.
    pub(super) fn read(&self) -> (String, String) {
        (read(&self.message, self.error.message.len), read(&self.subject, self.error.subject.len))
    }
}

fn read(buffer: &[u8], len: usize) -> String {
    let bytes = &buffer[..len.min(buffer.len())];
    let text = String::from_utf8_lossy(bytes);
    let mut text = text.trim_end_matches(['\0', ' ', '\n']).to_owned();
    if len > buffer.len() {
        text.push('…');
    } else if std::str::from_utf8(bytes).is_err() {
        text.push_str(" (its text is not valid UTF-8)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_become_text() {
        assert_eq!(read(b"fine", 4), "fine");
        assert_eq!(read(b"cut", 9), "cut…");
        assert_eq!(read(b"\xffx\xfe", 3), "\u{fffd}x\u{fffd} (its text is not valid UTF-8)");
        assert_eq!(read(b"abc", usize::MAX), "abc…");
        assert_eq!(read(b"abc", 0), "");
    }
}
