//! Names that every file system takes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Most bytes of a safe name, so that a prefix and a suffix still fit into the 255 that file systems take.
pub const LONGEST: usize = 100;
/// Bytes of a hyphen and a hash.
const SUFFIX: usize = 9;
/// Names that Windows keeps for devices, with any extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// A name that every file system takes, for a text that may be anything: letters, digits, spaces and `.`, `_`, `-` stay,
/// all else becomes `-`; dots and spaces at the ends go. It has at most [`LONGEST`] bytes. A name that was cut or changed
/// ends in a hash of the whole text, so that two texts do not share one; they may still differ in case alone, see
/// [`Names`].
///
/// ```
/// use fmr_files::safe_name;
///
/// assert_eq!(safe_name("n01440764_18.JPEG"), "n01440764_18.JPEG");
/// assert_eq!(safe_name("../../etc/passwd"), "-..-etc-passwd-3754d6cb");
/// assert!(safe_name(&"n".repeat(247)).len() <= 100);
/// ```
pub fn safe_name(text: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ') { c } else { '-' };
    let name: String = text.chars().map(keep).collect();
    let name = name.trim_matches(['.', ' ']);
    if name == text && name.len() <= LONGEST && !name.is_empty() && !is_device(name) {
        return name.to_owned();
    }
    with_hash(name, text)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let port = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|rest| rest.chars().count() == 1 && rest.chars().all(|c| c.is_numeric()))
    };
    DEVICES.contains(&stem.as_str()) || port("com") || port("lpt")
}

/// The beginning of a name with a hash of a text.
fn with_hash(name: &str, text: &str) -> String {
    let mut end = name.len().min(LONGEST - SUFFIX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let mut safe = name[..end].to_owned();
    if is_device(&safe) {
        // An extension hides no device.
        safe.insert(0, '-');
        safe.truncate(end);
    }
    safe.push_str(if safe.is_empty() { "" } else { "-" });
    let digest = Sha256::digest(text);
    for byte in digest.iter().take(4) {
        let _ = write!(safe, "{byte:02x}");
    }
    safe
}

/// Names of one folder, no two of which are the same, also where a file system takes large and small letters for one.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// A safe name for a text that no other has. The same texts in the same order get the same names.
    pub fn unique(&mut self, text: &str) -> String {
        let mut name = safe_name(text);
        let mut count = 1;
        while !self.0.insert(name.to_lowercase()) {
            count += 1;
            name = with_hash(&safe_name(text), &format!("{text}\n{count}"));
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay() {
        for name in ["mnist-lenet", "n01440764_18.JPEG", "tench, Tinca".trim_end_matches(", Tinca"), "犬", "a b", "-x"]
        {
            assert_eq!(safe_name(name), name);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_or_nowhere_do_not() {
        for name in
            ["", ".", "..", "../x", "a/b", "a\\b", "con", "NUL.png", "com1", "a\0b", "a\nb", ".hidden", "dot.", "C:x"]
        {
            let safe = safe_name(name);
            assert!(
                !safe.contains(['/', '\\', ':', '\0', '\n']) && !safe.starts_with('.') && !safe.is_empty(),
                "{safe:?}"
            );
            assert_ne!(safe, name);
            assert!(!is_device(&safe), "{safe:?}");
        }
    }

    #[test]
    fn names_of_a_folder_differ_whatever_its_file_system() {
        let mut names = Names::default();
        let all: Vec<String> = ["One", "one", "ONE", "one", "a/b", "a-b"].iter().map(|n| names.unique(n)).collect();
        let lower: BTreeSet<String> = all.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!((all[0].as_str(), all[5].as_str(), lower.len()), ("One", "a-b", 6), "{all:?}");
        let mut again = Names::default();
        assert_eq!(all[..2], ["One", "one"].map(|n| again.unique(n)));
    }

    proptest! {
        #[test]
        fn any_text_gives_a_safe_name(text in "\\PC{0,300}|[.a/ ]{0,8}") {
            let safe = safe_name(&text);
            prop_assert!(!safe.is_empty() && safe.len() <= LONGEST);
            prop_assert!(!safe.starts_with(['.', ' ']) && !safe.ends_with(['.', ' ']));
            prop_assert!(safe.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ')));
            prop_assert_eq!(safe_name(&safe), safe.clone());
        }
    }
}
