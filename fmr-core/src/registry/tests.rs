#![expect(clippy::unwrap_used, reason = "tests")]

use ndarray::{Array2, ArrayView4};

use super::*;
use crate::{ComponentError, ImagePullBack, TargetSpec};

/// A target that does nothing.
struct Idle(TargetSpec);

impl Target for Idle {
    fn spec(&self) -> &TargetSpec {
        &self.0
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        Ok(Array2::zeros((images.dim().0, self.0.classes)))
    }

    fn logits_with_pullback<'a>(
        &'a self,
        _: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        Err(ComponentError::new("target \"idle\"", "logits", "it has no gradient"))
    }
}

/// A target that is as wide as its members together.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Nest {
    #[serde(default)]
    weights: Option<PathBuf>,
    #[serde(default)]
    member: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Nest {
    fn inner(&self) -> Settings {
        Settings(self.member.clone().unwrap_or_default())
    }
}

impl Recipe<dyn Target> for Nest {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        let mut files: Vec<NamedFile> = NamedFile::of("weights", self.weights.as_ref(), context).into_iter().collect();
        if self.member.is_some() {
            let inner = context.registry.check::<dyn Target>("nest", &self.inner(), context);
            let inner = inner.map_err(|error| error.within("member"))?;
            files.extend(inner.into_iter().map(|file| file.within("member")));
        }
        Ok(files)
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Target>, MakeError> {
        self.weights.iter().for_each(|weights| context.note_file(context.path(weights)));
        let inner = match &self.member {
            Some(_) => {
                let made = context.registry.make::<dyn Target>("nest", &self.inner(), context);
                made.map_err(|error| error.within("member"))?.spec().classes
            }
            None => 0,
        };
        Ok(Box::new(Idle(TargetSpec { name: "nest".into(), classes: inner + 1, differentiable: false })))
    }
}

fn nest(depth: usize) -> Settings {
    let own = format!(r#""weights": "w{depth}""#);
    let mut text = format!("{{{own}}}");
    for level in (0..depth).rev() {
        text = format!(r#"{{"weights": "w{level}", "member": {text}}}"#);
    }
    Settings(serde_json::from_str(&text).unwrap())
}

fn nests() -> Registry {
    let mut registry = Registry::default();
    registry.add::<dyn Target, Nest>("nest");
    registry
}

#[test]
fn a_component_is_made_of_others_and_all_their_files_are_noted() {
    let registry = nests();
    let context = MakeContext::new(&registry, [3, 8, 8]).with_base("/x");
    let files = registry.check::<dyn Target>("nest", &nest(2), &context).unwrap();
    let named: Vec<String> = files.iter().map(|file| format!("{} {}", file.key, file.path.display())).collect();
    assert_eq!(named, ["weights /x/w0", "member.weights /x/w1", "member.member.weights /x/w2"]);
    assert_eq!(context.sources(), Sources::default());
    assert_eq!(registry.make::<dyn Target>("nest", &nest(2), &context).unwrap().spec().classes, 3);
    assert_eq!(context.sources().files, ["/x/w0", "/x/w1", "/x/w2"].map(PathBuf::from));
}

#[test]
fn nesting_ends() {
    let registry = nests();
    let context = MakeContext::new(&registry, [3, 8, 8]);
    assert!(registry.make::<dyn Target>("nest", &nest(7), &context).is_ok());
    let error = registry.make::<dyn Target>("nest", &nest(8), &context).err().unwrap().to_string();
    assert!(error.ends_with("member: the target of kind \"nest\" is nested more than 8 components deep"), "{error}");
    // A component that makes itself.
    let mut registry = Registry::default();
    registry.add_target("loop", |settings, context| context.registry.make::<dyn Target>("loop", settings, context));
    let context = MakeContext::new(&registry, [3, 8, 8]);
    let error = registry.make::<dyn Target>("loop", &Settings::default(), &context).err().unwrap();
    assert!(matches!(error, MakeError::Nested { .. }), "{error}");
}

#[test]
fn errors_of_members_name_the_key_from_outside() {
    let registry = nests();
    let context = MakeContext::new(&registry, [3, 8, 8]);
    let settings = Settings(serde_json::from_str(r#"{"member": {"member": {"wieghts": "w"}}}"#).unwrap());
    let Err(MakeError::Setting(error)) = registry.check::<dyn Target>("nest", &settings, &context) else {
        panic!("accepted")
    };
    assert_eq!(error.key, "member.member.wieghts");
    assert_eq!(error.advice().as_deref(), Some("did you mean `weights`?"));
}

#[test]
fn unknown_kinds_suggest_near_ones_and_origins_are_known() {
    let mut registry = nests();
    let plugin = Origin::Plugin { file: "/p/lab.so".into(), sha256: "00".into() };
    let refuse = |_: &Settings, _: &MakeContext<'_>| Err(SettingError::new("k", "p").into());
    registry.insert::<dyn Target>("lab", plugin.clone(), refuse);
    assert_eq!(registry.origin::<dyn Target>("lab"), Some(&plugin));
    assert_eq!(registry.origin::<dyn Target>("nest"), Some(&Origin::BuiltIn));
    assert_eq!(registry.origin::<dyn Oracle>("lab"), None);
    let context = MakeContext::new(&registry, [3, 8, 8]);
    let unknown = |kind: &str| registry.check::<dyn Target>(kind, &Settings::default(), &context).unwrap_err();
    insta::assert_snapshot!(unknown("nset"), @r#"there is no target of kind "nset"; did you mean `nest`?"#);
    insta::assert_snapshot!(unknown("other"), @r#"there is no target of kind "other"; known: `lab`, `nest`"#);
}
