//! ImageNet's classes by WordNet id.

const CLASSES: &str = include_str!("imagenet.tsv");

/// WordNet id and curated name of ImageNet's 1000 classes in label order.
///
/// ```
/// let (id, name) = fmr_core::imagenet_classes().next().unwrap();
/// assert_eq!((id, name), ("n01440764", "tench"));
/// ```
pub fn imagenet_classes() -> impl Iterator<Item = (&'static str, &'static str)> {
    CLASSES.lines().filter(|row| !row.starts_with('#')).filter_map(|row| row.split_once('\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenet_has_a_thousand_classes() {
        let classes: Vec<_> = imagenet_classes().collect();
        assert_eq!((classes.len(), classes[0], classes[999].0), (1000, ("n01440764", "tench"), "n15075141"));
        assert!(classes.is_sorted_by_key(|(id, _)| *id));
    }
}
