//! Folders of classes, whose order is that of the labels.

use std::collections::BTreeSet;

use fmr_files::safe_name;

/// A folder name for each class, by label. Sorted by their characters, as torchvision's `ImageFolder` sorts them, they are
/// in the order of the labels: the classes' own names where these are sorted already, else with the label in front.
///
/// ```
/// use fmr_benchmark::class_folders;
///
/// let names = |names: &[&str]| class_folders(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
/// assert_eq!(names(&["cat", "dog"]), ["cat", "dog"]);
/// assert_eq!(names(&["dog", "cat"]), ["0-dog", "1-cat"]);
/// ```
pub fn class_folders(classes: &[String]) -> Vec<String> {
    let names: Vec<String> = classes.iter().map(|name| safe_name(name)).collect();
    // Some file systems take large and small letters for one.
    let distinct: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    if distinct.len() == names.len() && names.is_sorted() && names == classes {
        return names;
    }
    let digits = classes.len().saturating_sub(1).to_string().len();
    names.iter().enumerate().map(|(label, name)| format!("{label:0digits$}-{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_sort_as_labels_do() {
        let eleven: Vec<String> = (0..11).map(|label| label.to_string()).collect();
        let odd = ["b", "a/c", "A", "a", "a"].map(str::to_owned).to_vec();
        for classes in [eleven, odd, vec!["Dog".to_owned(), "dog".to_owned()]] {
            let folders = class_folders(&classes);
            assert!(folders.is_sorted(), "{folders:?}");
            let distinct: BTreeSet<String> = folders.iter().map(|name| name.to_lowercase()).collect();
            assert_eq!(distinct.len(), classes.len(), "{folders:?}");
            assert!(folders.iter().all(|folder| !folder.contains('/')));
        }
    }
}
