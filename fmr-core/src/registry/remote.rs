//! Where files are published.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::SettingError;

type Text = Cow<'static, str>;

/// A published file: where it is downloaded from, and how to tell that the right bytes came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RemoteFile {
    /// Setting that names the file on this machine, e.g. `weights`.
    pub key: Text,
    /// Address, `https://…` or `http://…`.
    pub url: Text,
    /// SHA-256 of the bytes that the address gives, in hexadecimal, or its first digits (at least 8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Text>,
    /// Number of bytes that the address gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What the address gives is an archive (zip, tar, gzipped tar), and the file is its member of this name. `*` stands for
    /// any characters but `/`, `{NAME}` for some of them; with a `{NAME}` the members that match become a folder of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Text>,
    /// Name in that folder of each member that matches, made of what each `{NAME}` stood for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Text>,
    /// Licence or terms of use, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<Text>,
}

/// Fewest digits of a SHA-256 that identify a file.
const FEWEST_DIGITS: usize = 8;

impl RemoteFile {
    /// The file that the setting `key` names, published at an address.
    pub fn new(key: &'static str, url: impl Into<Text>) -> Self {
        let (sha256, bytes, member, names, licence) = Default::default();
        Self { key: key.into(), url: url.into(), sha256, bytes, member, names, licence }
    }

    /// The same with a hash.
    #[must_use]
    pub fn with_sha256(self, digits: &'static str) -> Self {
        Self { sha256: Some(digits.into()), ..self }
    }

    /// The same with a size.
    #[must_use]
    pub fn with_bytes(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// The same as a member of an archive.
    #[must_use]
    pub fn with_member(self, member: &'static str) -> Self {
        Self { member: Some(member.into()), ..self }
    }

    /// The same as a folder of an archive's members.
    #[must_use]
    pub fn with_members(self, member: &'static str, names: &'static str) -> Self {
        Self { member: Some(member.into()), names: Some(names.into()), ..self }
    }

    /// The same with terms of use.
    #[must_use]
    pub fn with_licence(self, licence: &'static str) -> Self {
        Self { licence: Some(licence.into()), ..self }
    }

    /// Whether the bytes that come are known by more than their first digits, so that no server can give others.
    pub fn is_pinned(&self) -> bool {
        self.sha256.as_ref().is_some_and(|digits| digits.len() == 64)
    }

    /// Whether a SHA-256 in lower-case hexadecimal is the published one; `true` where none is stated.
    pub fn is(&self, sha256: &str) -> bool {
        self.sha256.as_ref().is_none_or(|digits| sha256.starts_with(&digits.to_ascii_lowercase()))
    }

    /// The last part of the address, without what follows `?` or `#`; empty where the address ends in `/`.
    pub fn file_name(&self) -> &str {
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    /// Checks what a person wrote.
    ///
    /// # Errors
    /// The address is none, the hash is none or too short, or `names` stands without a `member` that has a `{NAME}`.
    pub fn check(&self) -> Result<(), SettingError> {
        let host = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://"));
        let plain = self.url.bytes().all(|byte| byte.is_ascii_graphic());
        let is_address = plain && host.is_some_and(|rest| rest.find('/').is_some_and(|at| at > 0));
        SettingError::require(is_address, "url", format!("{:?}", self.url), "https://HOST/PATH or http://HOST/PATH")?;
        if let Some(digits) = &self.sha256 {
            let sound = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let sound = sound && (FEWEST_DIGITS..=64).contains(&digits.len());
            SettingError::require(sound, "sha256", format!("{digits:?}"), "8 to 64 hexadecimal digits")?;
        }
        match (&self.member, &self.names) {
            (None, Some(_)) => Err(SettingError::new("names", "needs `member`, which says what is unpacked")),
            (Some(member), None) if member.contains('{') => {
                Err(SettingError::new("member", "has a `{NAME}`, so `names` must say what each file is called"))
            }
            (Some(member), Some(_)) if !member.contains('{') => Err(SettingError::new(
                "names",
                "needs a `{NAME}` in `member`; one member takes the name of the setting",
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_checked() {
        let sound = RemoteFile::new("weights", "https://a.org/b/c.pth?x=1").with_sha256("0123abcd");
        sound.check().unwrap();
        assert_eq!(sound.file_name(), "c.pth");
        assert!(sound.is("0123abcdef") && !sound.is("0123abce") && !sound.is_pinned());
        let wrong = |change: fn(&mut RemoteFile)| {
            let mut file = sound.clone();
            change(&mut file);
            file.check().unwrap_err().key
        };
        assert_eq!(wrong(|f| f.url = "ftp://a.org/b".into()), "url");
        assert_eq!(wrong(|f| f.url = "https://a.org".into()), "url");
        assert_eq!(wrong(|f| f.url = "https://a.org/b c".into()), "url");
        assert_eq!(wrong(|f| f.sha256 = Some("0123abc".into())), "sha256");
        assert_eq!(wrong(|f| f.sha256 = Some("0123abcg".into())), "sha256");
        assert_eq!(wrong(|f| f.names = Some("{a}".into())), "names");
        assert_eq!(wrong(|f| f.member = Some("x/{a}".into())), "member");
        assert_eq!(
            wrong(|f| {
                f.member = Some("x".into());
                f.names = Some("y".into());
            }),
            "names"
        );
    }
}
