//! What a call fails with on its way to the host's error buffers.

use fmr_core::registry::MakeError;
use fmr_core::{ComponentError, SettingError, SettingProblem};

use crate::abi::{self, Status};

/// A status other than OK with its explanation.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: Status,
    /// Key of the setting, or what was asked.
    pub(super) subject: String,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, subject: String::new(), message: message.into() }
    }

    pub(super) fn bad_call(message: impl Into<String>) -> Self {
        Self::new(abi::BAD_CALL, message)
    }

    /// As `create` puts it, also to hosts of version 1.0.
    pub(super) fn of_create(self) -> Self {
        let status = if self.status == abi::UNKNOWN_NAME { abi::BAD_SETTING } else { self.status };
        Self { status, ..self }
    }

    /// Writes the texts, each as far as there is room.
    ///
    /// # Safety
    /// `error` is null or valid as the header describes.
    pub(super) unsafe fn write(&self, error: *mut abi::Error) {
        if error.is_null() {
            return;
        }
        // SAFETY: valid by the caller's promise; the size comes first in every version.
        let error = unsafe {
            if ((*error).size as usize) < size_of::<abi::Error>() {
                return;
            }
            &mut *error
        };
        for (text, from) in [(&mut error.message, &self.message), (&mut error.subject, &self.subject)] {
            // Cut between characters, so that what arrives is UTF-8.
            let fits = from.floor_char_boundary(text.cap);
            if !text.ptr.is_null() {
                // SAFETY: the host lends `cap` bytes at `ptr`, and `fits` is no more.
                unsafe { text.ptr.copy_from_nonoverlapping(from.as_ptr(), fits) };
            }
            text.len = if fits == from.len() { fits } else { from.len() };
            if fits < text.cap && fits < from.len() && !text.ptr.is_null() {
                // SAFETY: `fits..cap` is inside the buffer.
                unsafe { text.ptr.add(fits).write_bytes(b' ', text.cap - fits) };
            }
        }
    }
}

impl From<ComponentError> for Failure {
    fn from(error: ComponentError) -> Self {
        let status = if error.cancelled || super::call::cancelled() { abi::CANCELLED } else { abi::FAILED };
        Self { status, subject: error.asked, message: error.problem }
    }
}

impl From<MakeError> for Failure {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Setting(e) => setting(e),
            MakeError::Component(e) => e.into(),
            other => Self::new(abi::FAILED, other.to_string()),
        }
    }
}

fn setting(error: SettingError) -> Failure {
    let (status, message) = match &error.problem {
        // A wrong value of an enumeration is not the name of something.
        SettingProblem::UnknownName { what, name, .. } if what != "value" => {
            let help = error.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
            (abi::UNKNOWN_NAME, format!("there is no {what} {name:?}{help}"))
        }
        SettingProblem::Absent(text) => (abi::UNKNOWN_NAME, text.clone()),
        other => (abi::BAD_SETTING, other.to_string()),
    };
    Failure { status, subject: error.key, message }
}
