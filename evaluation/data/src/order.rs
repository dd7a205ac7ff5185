//! The order of class folders, which is the order of labels where nothing else says it.

use std::cmp::Ordering;

use fmr_core::shown;

/// Class folders in label order, and what is to be said of it.
///
/// Numbers are ordered as numbers, other names by their characters, as Python's `sorted` does. Where peers differ on the
/// order, or people do not expect it, there is a remark.
pub(super) fn of(folders: impl IntoIterator<Item = String>) -> (Vec<String>, Option<String>) {
    let mut names: Vec<String> = folders.into_iter().collect();
    names.sort();
    let mut natural = names.clone();
    natural.sort_by(|a, b| naturally(a, b));
    if natural == names {
        return (names, None);
    }
    let (first, second) = (sample(&natural), sample(&names));
    if names.iter().all(|name| is_number(name)) {
        let remark = format!(
            "the class folders are numbers, and labels follow them as numbers ({first}), not as text ({second}), as \
             torchvision's ImageFolder has them; `classes` lists them in a different order"
        );
        return (natural, Some(remark));
    }
    let remark = format!(
        "labels follow the class folders in the order of their characters ({second}), as torchvision's ImageFolder has \
         them, not as people count or without regard to capitals ({first}); `classes` lists them in a different order"
    );
    (names, Some(remark))
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The names around the first one that stands elsewhere in the two orders are too many to show; the first dozen do.
fn sample(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let first: Vec<String> = names.iter().take(SHOWN).map(|name| shown::text(name)).collect();
    format!("{}{more}", first.join(", "))
}

/// As people order names: runs of digits by their value, letters without regard to capitals.
fn naturally(a: &str, b: &str) -> Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    loop {
        let (x, a_after) = run(a_rest);
        let (y, b_after) = run(b_rest);
        if x.is_empty() || y.is_empty() {
            return x.len().cmp(&y.len()).then_with(|| a.cmp(b));
        }
        let order = match (is_number(x), is_number(y)) {
            (true, true) => {
                let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
                x.len().cmp(&y.len()).then_with(|| x.cmp(y))
            }
            _ => x.to_lowercase().cmp(&y.to_lowercase()),
        };
        if order.is_ne() {
            return order;
        }
        (a_rest, b_rest) = (a_after, b_after);
    }
}

/// The digits, or the other characters, that a text begins with, and what follows.
fn run(text: &str) -> (&str, &str) {
    let digits = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(names: &[&str]) -> (Vec<String>, bool) {
        let (names, remark) = of(names.iter().map(|name| (*name).to_owned()));
        (names, remark.is_some())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn numbers_are_ordered_as_numbers_with_a_remark() {
        assert_eq!(ordered(&["10", "1", "2"]), (names(&["1", "2", "10"]), true));
        assert_eq!(ordered(&["02", "10", "01"]), (names(&["01", "02", "10"]), false));
        assert_eq!(ordered(&["3", "1", "2"]), (names(&["1", "2", "3"]), false));
    }

    #[test]
    fn other_names_are_ordered_by_characters_with_a_remark_where_that_surprises() {
        assert_eq!(ordered(&["dog", "cat"]), (names(&["cat", "dog"]), false));
        assert_eq!(ordered(&["cat", "Dog", "ant"]), (names(&["Dog", "ant", "cat"]), true));
        assert_eq!(ordered(&["c1", "c10", "c2"]), (names(&["c1", "c10", "c2"]), true));
        assert_eq!(ordered(&["n01440764", "n02102040"]), (names(&["n01440764", "n02102040"]), false));
    }
}
