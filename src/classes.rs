//! Classes by name: a target that knows what its logits stand for is held against the names of the data's classes, so
//! that the order of folders or files is never taken for that of labels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use fmr_core::preprocess::Picture;
use fmr_core::{ComponentError, ImagePullBack, Target, TargetSpec};
use ndarray::{Array2, ArrayView4, Axis};

/// Words that data sets use for the same class, beside the target's own: `(in a data set, of the target)`.
const SYNONYMS: [(&str, &str); 5] = [
    ("plane", "airplane"),
    ("aeroplane", "airplane"),
    ("car", "automobile"),
    ("auto", "automobile"),
    ("lorry", "truck"),
];
/// The digits in words.
const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/// Classes shown of two lists that do not go together.
const LISTED: usize = 12;

/// A target whose logits stand for the data's classes in the data's order.
pub(crate) struct Matched {
    pub(crate) target: Arc<dyn Target>,
    /// What a reader of the figures must know.
    pub(crate) remark: Option<String>,
}

/// Names of the data's classes in label order.
#[derive(Clone, Copy)]
pub(crate) struct DataClasses<'d> {
    /// As files and folders name them.
    pub(crate) own: &'d [String],
    /// As the oracle is shown them.
    pub(crate) shown: &'d [String],
}

/// Matches a target's classes with the data's by name. A target that does not know its classes is left as it is.
///
/// # Errors
/// In a sentence with both lists side by side: classes that are not the target's.
pub(crate) fn matched(target: Arc<dyn Target>, data: DataClasses<'_>) -> Result<Matched, String> {
    let Some(known) = target.class_names().filter(|known| known.len() == data.own.len()) else {
        return Ok(Matched { target, remark: None });
    };
    let order = by_name(&known, data.own).or_else(|| by_name(&known, data.shown));
    match order {
        Some(order) if order.iter().enumerate().all(|(i, at)| i == *at) => Ok(Matched { target, remark: None }),
        Some(order) => {
            let remark = Some(
                "the data's classes are in a different order than the target's: its logits are matched with them by name"
                    .to_owned(),
            );
            Ok(Matched { target: Arc::new(Reordered { target, order }), remark })
        }
        None if are_label_numbers(data.own) => {
            let remark = Some(
                "the data's classes are the numbers from 0 up, and are taken for the numbers of the target's labels"
                    .to_owned(),
            );
            Ok(Matched { target, remark })
        }
        None => Err(side_by_side(&known, data.own)),
    }
}

/// For each of the data's classes the target's label of that name; none unless each has one of its own.
fn by_name(known: &[Vec<String>], names: &[String]) -> Option<Vec<usize>> {
    let mut labels: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (label, of_label) in known.iter().enumerate() {
        for name in of_label {
            let labels = labels.entry(canonical(name)).or_default();
            if labels.last() != Some(&label) {
                labels.push(label);
            }
        }
    }
    let mut taken = vec![false; known.len()];
    let label = |name: &String| {
        let [label] = labels.get(&canonical(name)).or_else(|| labels.get(wordnet_id(name)?))?[..] else { return None };
        (!std::mem::replace(&mut taken[label], true)).then_some(label)
    };
    names.iter().map(label).collect()
}

/// A name without what varies between files: case, underscores, hyphens, spaces, synonyms.
fn canonical(name: &str) -> String {
    let words = name.to_lowercase().replace(['_', '-'], " ");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((_, name)) = SYNONYMS.iter().find(|(synonym, _)| *synonym == words) {
        return (*name).to_owned();
    }
    match DIGITS.iter().position(|digit| *digit == words) {
        Some(digit) => digit.to_string(),
        None => words,
    }
}

/// The WordNet id that a name such as `n01440764_tench` begins with.
fn wordnet_id(name: &str) -> Option<&str> {
    let id = name.get(..9)?;
    let is_id = id.starts_with('n') && id[1..].bytes().all(|byte| byte.is_ascii_digit());
    let ends = !name[9..].starts_with(|c: char| c.is_ascii_digit());
    (is_id && ends).then_some(id)
}

/// Whether classes are the numbers from 0 up, in order.
fn are_label_numbers(names: &[String]) -> bool {
    names.iter().enumerate().all(|(label, name)| name.parse() == Ok(label))
}

fn side_by_side(known: &[Vec<String>], names: &[String]) -> String {
    let first = |of_label: &Vec<String>| of_label.first().cloned().unwrap_or_default();
    let cut = |name: &str| -> String { name.chars().take(30).flat_map(char::escape_debug).collect() };
    let mut text =
        "the data's classes are not the target's, label by label:\n  label  data                            target"
            .to_owned();
    for (label, (of_label, name)) in known.iter().zip(names).enumerate().take(LISTED) {
        let _ = write!(text, "\n  {label:>5}  {:<30}  {}", cut(name), cut(&first(of_label)));
    }
    if names.len() > LISTED {
        let _ = write!(text, "\n  … and {} more", names.len() - LISTED);
    }
    text
}

/// A target whose logits are put in a different order.
struct Reordered {
    target: Arc<dyn Target>,
    /// The target's label of each class.
    order: Vec<usize>,
}

impl Reordered {
    fn ordered(&self, logits: &Array2<f32>) -> Array2<f32> {
        logits.select(Axis(1), &self.order)
    }
}

impl Target for Reordered {
    fn spec(&self) -> &TargetSpec {
        self.target.spec()
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        Ok(self.ordered(&self.target.logits(images)?))
    }

    fn logits_of_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        Ok(self.target.logits_of_pictures(pictures)?.map(|logits| self.ordered(&logits)))
    }

    fn preprocessing(&self) -> Option<String> {
        self.target.preprocessing()
    }

    fn published_accuracy(&self) -> Option<f64> {
        self.target.published_accuracy()
    }

    fn class_names(&self) -> Option<Vec<Vec<String>>> {
        let known = self.target.class_names()?;
        Some(self.order.iter().map(|label| known[*label].clone()).collect())
    }

    fn logits_with_pullback<'a>(
        &'a self,
        images: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        let (logits, pull_back) = self.target.logits_with_pullback(images)?;
        let ordered = self.ordered(&logits);
        let back = move |d_logits: ndarray::ArrayView2<'_, f32>| {
            let mut of_target = Array2::zeros(d_logits.dim());
            for (class, label) in self.order.iter().enumerate() {
                of_target.column_mut(*label).assign(&d_logits.column(class));
            }
            pull_back(of_target.view())
        };
        Ok((ordered, Box::new(back)))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use ndarray::{Array4, ArrayView2, array};

    /// Logits are the first three pixels; the pull-back gives the gradient back as it came.
    struct Pixels(TargetSpec);

    impl Target for Pixels {
        fn spec(&self) -> &TargetSpec {
            &self.0
        }

        fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
            Ok(images.to_shape((images.dim().0, 3)).unwrap().to_owned())
        }

        fn class_names(&self) -> Option<Vec<Vec<String>>> {
            Some(names(&["airplane", "automobile", "sea lion"]).into_iter().map(|name| vec![name]).collect())
        }

        fn logits_with_pullback<'a>(
            &'a self,
            images: ArrayView4<'_, f32>,
        ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
            let back = |d: ArrayView2<'_, f32>| Ok(d.to_shape((d.dim().0, 3, 1, 1)).unwrap().to_owned());
            Ok((self.logits(images)?, Box::new(back)))
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn target() -> Arc<dyn Target> {
        Arc::new(Pixels(TargetSpec { name: "pixels".into(), classes: 3, differentiable: true }))
    }

    fn matched_with(own: &[&str]) -> Result<Matched, String> {
        let own = names(own);
        matched(target(), DataClasses { own: &own, shown: &own })
    }

    #[test]
    fn logits_and_gradients_follow_the_data() {
        let matched = matched_with(&["Sea_Lion", "car", "plane"]).unwrap();
        assert!(matched.remark.unwrap().contains("matched with them by name"));
        let images = Array4::from_shape_vec((1, 3, 1, 1), vec![1.0, 2.0, 3.0]).unwrap();
        let (logits, back) = matched.target.logits_with_pullback(images.view()).unwrap();
        assert_eq!(logits, array![[3.0, 2.0, 1.0]]);
        let d_images = back(array![[0.3, 0.2, 0.1]].view()).unwrap();
        assert_eq!(d_images.iter().copied().collect::<Vec<_>>(), [0.1, 0.2, 0.3]);
        assert_eq!(matched.target.class_names().unwrap()[0], ["sea lion"]);
    }

    #[test]
    fn an_order_that_is_the_targets_is_left_as_it_is() {
        for own in [["airplane", "automobile", "sea lion"], ["Plane", "CAR", "sea-lion"]] {
            assert_eq!(matched_with(&own).unwrap().remark, None);
        }
        let remark = matched_with(&["0", "1", "2"]).unwrap().remark.unwrap();
        assert!(remark.contains("numbers of the target's labels"), "{remark}");
    }

    #[test]
    fn names_for_the_oracle_serve_where_those_of_files_say_nothing() {
        let (own, shown) = (names(&["1", "2", "3"]), names(&["car", "plane", "sea lion"]));
        let matched = matched(target(), DataClasses { own: &own, shown: &shown }).unwrap();
        assert!(matched.remark.is_some());
    }

    #[test]
    fn other_classes_are_refused_with_both_lists() {
        let refused = matched_with(&["airplane", "dog\u{1b}[2J", "cat"]).err().unwrap();
        assert!(refused.contains("dog\\u{1b}[2J") && refused.contains("automobile"), "{refused}");
        // One class twice is none of its own.
        assert!(matched_with(&["plane", "airplane", "car"]).is_err());
        assert!(matched_with(&["1", "2", "3"]).is_err());
    }

    #[test]
    fn wordnet_ids_are_found_in_folder_names() {
        assert_eq!(wordnet_id("n01440764_tench"), Some("n01440764"));
        assert_eq!([wordnet_id("n0144076"), wordnet_id("n014407645"), wordnet_id("tench n01440764")], [None; 3]);
    }
}
