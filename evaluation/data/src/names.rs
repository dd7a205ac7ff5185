//! Names of classes to show to an oracle.

use std::fmt;

use fmr_core::imagenet_classes;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// The key `class-names`: what the oracle is told in the place of the names that the files use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ClassNames {
    /// The files' own names.
    #[default]
    Own,
    /// One a class, in label order.
    Listed(Vec<String>),
    /// `"imagenet"`: the names that were curated for CLIP, of classes whose folders are WordNet ids.
    Imagenet,
}

impl ClassNames {
    /// Whether the files' own names are shown.
    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }

    /// The names for these classes.
    ///
    /// # Errors
    /// In a sentence: there are more or fewer names than classes, or a class is none of ImageNet's.
    pub(super) fn of(&self, classes: &[String]) -> Result<Vec<String>, String> {
        match self {
            Self::Own => Ok(classes.to_vec()),
            Self::Listed(names) if names.len() == classes.len() => Ok(names.clone()),
            Self::Listed(names) => Err(format!("{} class names for {} classes", names.len(), classes.len())),
            Self::Imagenet => {
                let name =
                    |class: &String| imagenet_classes().find(|(id, _)| id == class).map(|(_, name)| name.to_owned());
                let unknown = |class: &String| {
                    format!("class {class:?} is no WordNet id of an ImageNet class, such as n01440764; list the names")
                };
                classes.iter().map(|class| name(class).ok_or_else(|| unknown(class))).collect()
            }
        }
    }
}

impl Serialize for ClassNames {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own => s.collect_seq([""; 0]),
            Self::Listed(names) => s.collect_seq(names),
            Self::Imagenet => s.serialize_str("imagenet"),
        }
    }
}

impl<'de> Deserialize<'de> for ClassNames {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = ClassNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names, or \"imagenet\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ClassNames, E> {
                match text {
                    "imagenet" => Ok(ClassNames::Imagenet),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ClassNames, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(if names.is_empty() { ClassNames::Own } else { ClassNames::Listed(names) })
            }
        }
        d.deserialize_any(Names)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ClassNames, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn folders_of_wordnet_ids_get_their_names() {
        let of = |names: &str, classes: &[&str]| {
            read(names).unwrap().of(&classes.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(of("\"imagenet\"", &["n02012849", "n03126707"]).unwrap(), ["crane bird", "construction crane"]);
        assert_eq!(of(r#"["a", "b"]"#, &["x", "y"]).unwrap(), ["a", "b"]);
        assert_eq!(of("[]", &["x"]).unwrap(), ["x"]);
        insta::assert_snapshot!(of("\"imagenet\"", &["dog"]).unwrap_err(), @r#"class "dog" is no WordNet id of an ImageNet class, such as n01440764; list the names"#);
        insta::assert_snapshot!(of(r#"["a"]"#, &["x", "y"]).unwrap_err(), @"1 class names for 2 classes");
        let other = read("\"cifar\"").unwrap_err().to_string();
        assert!(other.contains("expected a list of names, or \"imagenet\""), "{other}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for names in [ClassNames::Own, ClassNames::Listed(vec!["a".to_owned()]), ClassNames::Imagenet] {
            assert_eq!(read(&serde_json::to_string(&names).unwrap()).unwrap(), names);
        }
    }
}
