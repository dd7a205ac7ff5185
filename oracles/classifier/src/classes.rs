//! From class names to the labels of a judge.

use std::collections::BTreeMap;

/// The names that a judge knows: its labels, and groups of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    /// Labels of each name, spelled plainly.
    names: BTreeMap<String, Vec<usize>>,
}

/// Case, and whether words are parted by spaces, underscores or hyphens, does not matter.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| c.is_whitespace() || c == '_' || c == '-').filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

impl Vocabulary {
    /// Of `(label, name)` pairs; labels with equal names become one class.
    pub(crate) fn new<'n>(pairs: impl IntoIterator<Item = (usize, &'n str)>) -> Self {
        let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (label, name) in pairs {
            let labels = names.entry(plain(name)).or_default();
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        Self { names }
    }

    /// Adds a class of several labels, written as numbers and ranges: `151-268, 281`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn group(&mut self, name: &str, labels: &str, count: usize) -> Result<(), String> {
        let mut members = Vec::new();
        for part in labels.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<usize>().ok();
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last && last < count => members.extend(first..=last),
                _ => {
                    let most = count.saturating_sub(1);
                    return Err(format!("{part:?} is no label or range of labels between 0 and {most}"));
                }
            }
        }
        members.sort_unstable();
        members.dedup();
        self.names.insert(plain(name), members);
        Ok(())
    }

    /// The labels of a class.
    ///
    /// # Errors
    /// The names most like one that is unknown.
    pub(crate) fn labels(&self, name: &str) -> Result<&[usize], Vec<String>> {
        const SUGGESTIONS: usize = 3;
        let wanted = plain(name);
        if let Some(labels) = self.names.get(&wanted) {
            return Ok(labels);
        }
        let mut alike: Vec<(f64, &String)> =
            self.names.keys().map(|known| (strsim::jaro_winkler(&wanted, known), known)).collect();
        alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        Err(alike.into_iter().take(SUGGESTIONS).map(|(_, name)| name.clone()).collect())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn animals() -> Vocabulary {
        Vocabulary::new([(0, "great white shark"), (1, "crane"), (2, "tabby"), (3, "crane"), (0, "n01484850")])
    }

    #[test]
    fn spelling_does_not_matter_and_equal_names_are_one_class() {
        let animals = animals();
        assert_eq!(animals.labels("Great_White-shark"), Ok(&[0][..]));
        assert_eq!(animals.labels("n01484850"), Ok(&[0][..]));
        assert_eq!(animals.labels("crane"), Ok(&[1, 3][..]));
    }

    #[test]
    fn unknown_names_come_with_suggestions() {
        assert_eq!(animals().labels("tabby cat").unwrap_err()[0], "tabby");
    }

    #[test]
    fn groups_are_ranges() {
        let mut animals = animals();
        animals.group("bird", "1-2, 1", 4).unwrap();
        assert_eq!(animals.labels("Bird"), Ok(&[1, 2][..]));
        assert!(animals.group("fish", "3-4", 4).unwrap_err().contains("between 0 and 3"));
        assert!(animals.group("fish", "", 4).is_err());
    }
}
