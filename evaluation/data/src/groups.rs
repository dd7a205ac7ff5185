//! Coarse classes made of the class folders of a data set (protocol, item 32).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fmr_core::shown;

use super::DataError;

/// The coarse class of each of `folders`, in label order, as an index into `classes`; none where no class takes it.
///
/// A class's value in `grouping` lists its folders by name, or by position in their order: `"151-268, n02123045"`.
/// For ImageNet's synset folders positions are the usual class indices.
pub(super) fn assign(
    path: &Path,
    grouping: &BTreeMap<String, String>,
    classes: &[String],
    folders: &[&str],
) -> Result<Vec<Option<usize>>, DataError> {
    let refuse = |problem: String| Err(DataError::format(Path::new("grouping"), problem));
    let mut labels = vec![None; folders.len()];
    for (label, class) in classes.iter().enumerate() {
        let Some(members) = grouping.get(class) else {
            return refuse(format!("no folders are given for class {class:?}"));
        };
        for member in members.split(',').map(str::trim).filter(|m| !m.is_empty()) {
            let range = match positions(member) {
                Some(range) => range,
                None => match folders.iter().position(|f| *f == member) {
                    Some(i) => (i, i),
                    None => {
                        return refuse(format!("{} has no folder {member:?} for class {class:?}", shown::path(path)));
                    }
                },
            };
            let (first, last) = range;
            if first > last || last >= folders.len() {
                let there = folders.len();
                return refuse(format!("{member:?} of class {class:?}: {} has {there} folders", shown::path(path)));
            }
            for (folder, slot) in folders.iter().zip(&mut labels).take(last + 1).skip(first) {
                if let Some(other) = slot.filter(|other| *other != label) {
                    return refuse(format!("{folder:?} belongs to {:?} and to {class:?}", classes[other]));
                }
                *slot = Some(label);
            }
        }
    }
    Ok(labels)
}

/// Whether a class lists folders by position.
pub(super) fn has_positions(grouping: &BTreeMap<String, String>) -> bool {
    grouping.values().flat_map(|members| members.split(',')).any(|member| positions(member.trim()).is_some())
}

/// Refuses positions where there are other folders than they were written for: `expected`, or all of ImageNet's where
/// the folders are WordNet ids.
pub(super) fn expect_number(path: &Path, folders: &[String], expected: Option<usize>) -> Result<(), DataError> {
    let ids: BTreeSet<&str> = fmr_core::imagenet_classes().map(|(id, _)| id).collect();
    let of_imagenet = || folders.iter().all(|folder| ids.contains(folder.as_str())).then_some(ids.len());
    let Some(expected) = expected.or_else(of_imagenet).filter(|expected| *expected != folders.len()) else {
        return Ok(());
    };
    let problem = format!(
        "positions were written for {expected} class folders, {} has {}: list folders by name, or state their number in \
         `folders`",
        shown::path(path),
        folders.len()
    );
    Err(DataError::format(Path::new("grouping"), problem))
}

/// `"151-268"` or `"33"`, both ends included.
fn positions(member: &str) -> Option<(usize, usize)> {
    let (first, last) = member.split_once('-').unwrap_or((member, member));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn assigned(groups: &[(&str, &str)]) -> Result<Vec<Option<usize>>, String> {
        let grouping = groups.iter().map(|(c, m)| ((*c).to_owned(), (*m).to_owned())).collect();
        let classes: Vec<String> = groups.iter().map(|(c, _)| (*c).to_owned()).collect();
        let folders = ["n01", "n02", "n03", "n04", "n05"];
        assign(Path::new("val"), &grouping, &classes, &folders).map_err(|e| e.to_string())
    }

    #[test]
    fn takes_folders_by_position_and_by_name() {
        assert_eq!(assigned(&[("dog", "3-4"), ("cat", "n02, 0")]).unwrap(), [Some(1), Some(1), None, Some(0), Some(0)]);
    }

    #[test]
    fn says_what_does_not_fit() {
        assert!(assigned(&[("dog", "3-5")]).unwrap_err().contains("has 5 folders"));
        assert!(assigned(&[("dog", "4-3")]).unwrap_err().contains("\"4-3\""));
        assert!(assigned(&[("dog", "n09")]).unwrap_err().contains("no folder \"n09\""));
        assert!(assigned(&[("dog", "0-2"), ("cat", "2")]).unwrap_err().contains("\"dog\" and to \"cat\""));
    }
}
