//! A plugin of version 1.1 by the word of its own table, called as hosts call it: by one of version 1.0, which knows less,
//! and by one that breaks the contract.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::c_void;
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fmr_core::preprocess::Picture;

use fmr_core::registry::{MakeContext, MakeError, NamedFile, Recipe, Registry, Role, Settings};
use fmr_core::{ComponentError, ImagePullBack, Oracle, Progress, SettingError, SettingProblem, Target, TargetSpec};
use fmr_plugins::abi::{self, DType, Str, View};
use fmr_plugins::host::{Library, Limits};
use ndarray::{Array2, Array4, ArrayView4};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Logits are the first value of an image or picture, and one minus it.
struct First(TargetSpec, Progress);

impl First {
    fn new(_: Nothing, context: &MakeContext<'_>) -> Result<Self, SettingError> {
        context.note_file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let spec = TargetSpec { name: "first".into(), classes: 2, differentiable: false };
        Ok(Self(spec, context.progress.clone()))
    }
}

fn row(first: f32) -> [f32; 2] {
    [first, 1.0 - first]
}

impl Target for First {
    fn spec(&self) -> &TargetSpec {
        &self.0
    }

    fn logits(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        if images[[0, 0, 0, 0]] == 99.0 {
            let task = self.1.begin("first", "take long", 100_000);
            for step in 0..100_000 {
                task.reached(step)?;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(images.outer_iter().map(|image| row(image[[0, 0, 0]])).collect::<Vec<_>>().into())
    }

    fn logits_of_pictures(&self, pictures: &[Picture]) -> Result<Option<Array2<f32>>, ComponentError> {
        assert!(pictures.iter().all(|p| p.bytes[0] != 13), "thirteen");
        Ok(Some(pictures.iter().map(|p| row(f32::from(p.bytes[0]))).collect::<Vec<_>>().into()))
    }

    fn preprocessing(&self) -> Option<String> {
        Some("the first value".into())
    }

    fn class_names(&self) -> Option<Vec<Vec<String>>> {
        Some(vec![vec!["light".into(), "n1".into()], vec!["dark".into()]])
    }

    fn logits_with_pullback<'a>(
        &'a self,
        _: ArrayView4<'_, f32>,
    ) -> Result<(Array2<f32>, ImagePullBack<'a>), ComponentError> {
        Err(ComponentError::new("first", "gradient", "none is offered"))
    }
}

/// Takes images only, as the trait has it.
struct Blind;

impl Oracle for Blind {
    fn name(&self) -> &str {
        "blind"
    }

    fn set_classes(&mut self, _: &[String], _: &[String]) -> Result<(), ComponentError> {
        Ok(())
    }

    fn judge(&self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, ComponentError> {
        Ok(Array2::ones((images.dim().0, 1)))
    }
}

/// Settings that are checked before a file is there.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Checked {
    model: String,
    weights: PathBuf,
}

impl Recipe<dyn Target> for Checked {
    fn check(&self, context: &MakeContext<'_>) -> Result<Vec<NamedFile>, MakeError> {
        match self.model.as_str() {
            "first" => Ok(NamedFile::of("weights", Some(&self.weights), context).into_iter().collect()),
            "panic" => panic!("in check"),
            // Made of a part, which only the library's own registry holds.
            "part" => Ok(context.registry.check::<dyn Target>("part", &Settings::default(), context)?),
            other => Err(SettingError::unknown_name("model", "model", other, ["first"]).into()),
        }
    }

    fn make(self, context: &MakeContext<'_>) -> Result<Box<dyn Target>, MakeError> {
        self.check(context)?;
        Ok(Box::new(First::new(Nothing {}, context)?))
    }
}

fn parts(registry: &mut Registry) {
    registry.add_target("part", |_, context| Ok(Box::new(First::new(Nothing {}, context)?)));
}

fn begin() {}

fmr_plugins::export! {
    before: begin,
    parts: parts,
    target "checked": Checked,
    target "first": Nothing => First::new,
    oracle "blind": Nothing => |_, _: &MakeContext<'_>| Ok::<_, SettingError>(Blind),
}

/// The structures of version 1.0, as a host of then has them. Never changed.
mod v1_0 {
    use fmr_plugins::abi::{Block, Str};

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub(crate) struct Info {
        pub(crate) size: u32,
        pub(crate) classes: u32,
        pub(crate) flags: u64,
        pub(crate) name: Str,
        pub(crate) image: [u32; 3],
        pub(crate) blocks_len: u32,
        pub(crate) blocks: *const Block,
    }
}

/// Room for a message, and the call that leads there.
struct Desk {
    message: Vec<u8>,
    error: abi::Error,
}

impl Desk {
    fn new() -> Box<Self> {
        let text = abi::Text { ptr: ptr::null_mut(), cap: 0, len: 0 };
        let error = abi::Error { size: size_of::<abi::Error>() as u32, reserved: 0, message: text, subject: text };
        let mut desk = Box::new(Self { message: vec![0; 500], error });
        desk.error.message = abi::Text { ptr: desk.message.as_mut_ptr(), cap: 500, len: 0 };
        desk
    }

    fn call(&mut self) -> abi::Call {
        abi::Call {
            size: size_of::<abi::Call>() as u32,
            threads: 0,
            seed: 0,
            error: &raw mut self.error,
            context: ptr::null_mut(),
            cancelled: None,
            progress: None,
            log: None,
        }
    }

    fn said(&self) -> String {
        String::from_utf8(self.message[..self.error.message.len.min(500)].to_vec()).unwrap()
    }
}

/// The plugin's components, as its entry hands them to a host of that minor version.
fn components(minor: u16) -> [abi::Component; 3] {
    let host = abi::Host { size: size_of::<abi::Host>() as u32, major: 1, minor, version: Str::new("0") };
    let (mut desk, mut library) = (Desk::new(), ptr::null());
    // SAFETY: all arguments are valid; the table and what it leads to live for ever.
    unsafe {
        assert_eq!(fmr_plugin_v1(&raw const host, &raw mut desk.error, &raw mut library), abi::OK);
        assert_eq!(((*library).major, (*library).components_len), (1, 3));
        [0, 1, 2].map(|i| **(*library).components.add(i))
    }
}

fn make(component: &abi::Component) -> *mut abi::Instance {
    let site = abi::Site {
        size: size_of::<abi::Site>() as u32,
        image: [3, 2, 2],
        base: Str::new("."),
        device: Str::new("cpu"),
        seed: 0,
    };
    let (mut desk, mut instance) = (Desk::new(), ptr::null_mut());
    let call = desk.call();
    // SAFETY: all arguments are valid during the call.
    let status =
        unsafe { component.create.unwrap()(Str::new("{}"), &raw const site, &raw const call, &raw mut instance) };
    assert_eq!(status, abi::OK, "{}", desk.said());
    instance
}

/// Status, message and output `[inputs, 2]` of a forward.
fn forward(
    component: &abi::Component,
    instance: *mut abi::Instance,
    function: u32,
    inputs: &[View],
    n: usize,
) -> (i32, String, Vec<f32>) {
    let (shape, strides, mut values) = ([n as i64, 2], [2, 1], vec![0_f32; n * 2]);
    let output = View {
        data: values.as_mut_ptr().cast(),
        shape: shape.as_ptr(),
        strides: strides.as_ptr(),
        ndim: 2,
        dtype: DType::F32,
    };
    let mut desk = Desk::new();
    let call = desk.call();
    // SAFETY: the instance is alive, and the views are valid as far as the test does not want them otherwise; what is
    // not is refused before it is read.
    let status = unsafe {
        component.forward.unwrap()(
            instance,
            &raw const call,
            function,
            inputs.as_ptr(),
            inputs.len(),
            &raw const output,
            1,
            ptr::null_mut(),
        )
    };
    (status, desk.said(), values)
}

fn view(bytes: &[u8], shape: &[i64; 3], strides: &[i64; 3]) -> View {
    View {
        data: bytes.as_ptr().cast_mut().cast(),
        shape: shape.as_ptr(),
        strides: strides.as_ptr(),
        ndim: 3,
        dtype: DType::U8,
    }
}

fn text(text: Str) -> String {
    // SAFETY: a text of a live description.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr, text.len) };
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_host_of_version_1_0_works_with_it() {
    let [_, target, _] = components(0);
    let instance = make(&target);
    // SAFETY: the instance is alive, and its description begins as version 1.0 had it.
    let info = unsafe { *target.info.unwrap()(instance).cast::<v1_0::Info>() };
    assert!(info.size as usize > size_of::<v1_0::Info>());
    assert_eq!((text(info.name).as_str(), info.classes, info.blocks_len), ("first", 2, 0));
    // Bits that a host does not know are no others than those of 1.1.
    let known = abi::DETERMINISTIC | abi::THREAD_SAFE;
    assert_eq!(info.flags & !abi::PICTURES, known);
    let (images, shape, strides) = ([0.25_f32; 24], [2, 3, 2, 2], [12, 4, 2, 1]);
    let images = View {
        data: images.as_ptr().cast_mut().cast::<c_void>(),
        shape: shape.as_ptr(),
        strides: strides.as_ptr(),
        ndim: 4,
        dtype: DType::F32,
    };
    let (status, said, logits) = forward(&target, instance, abi::LOGITS, &[images], 2);
    assert_eq!((status, said.as_str(), logits), (abi::OK, "", vec![0.25, 0.75, 0.25, 0.75]));
    // SAFETY: the last use of the instance.
    unsafe { target.destroy.unwrap()(instance) };
}

#[test]
fn what_version_1_1_added_is_in_its_description() {
    let [_, target, oracle] = components(abi::MINOR);
    let instance = make(&target);
    // SAFETY: the instance is alive, and so is what its description leads to.
    unsafe {
        let info = &*target.info.unwrap()(instance);
        assert_eq!((text(info.preprocessing).as_str(), info.flags & abi::PICTURES), ("the first value", abi::PICTURES));
        let names = |class: usize| {
            let class = *info.class_names.add(class);
            (0..class.len).map(|i| text(*class.names.add(i))).collect::<Vec<_>>()
        };
        assert_eq!(info.class_names_len, 2);
        assert_eq!((names(0), names(1)), (vec!["light".to_owned(), "n1".to_owned()], vec!["dark".to_owned()]));
        assert_eq!(info.files_len, 1);
        assert!(text(*info.files).ends_with("Cargo.toml"));
        target.destroy.unwrap()(instance);
    }
    // What the author did not write is not offered.
    let instance = make(&oracle);
    // SAFETY: as above.
    unsafe {
        let info = &*oracle.info.unwrap()(instance);
        assert_eq!((info.flags & abi::PICTURES, info.preprocessing.len, info.files_len), (0, 0, 0));
        let bytes = [1_u8];
        let picture = view(&bytes, &[1, 1, 1], &[1, 1, 1]);
        assert_eq!(forward(&oracle, instance, abi::JUDGE_PICTURES, &[picture], 1).0, abi::UNSUPPORTED);
        oracle.destroy.unwrap()(instance);
    }
}

#[test]
fn pictures_of_all_sizes_arrive_and_wrong_ones_are_refused() {
    let [_, target, _] = components(abi::MINOR);
    let instance = make(&target);
    let run = |pictures: &[View]| forward(&target, instance, abi::LOGITS_OF_PICTURES, pictures, pictures.len());
    let bytes: Vec<u8> = (5..65).collect();
    let (colour, grey) = (([3, 4, 5], [20, 5, 1]), ([1, 6, 2], [12, 2, 1]));
    let good = view(&bytes, &colour.0, &colour.1);
    let (status, said, logits) = run(&[good, view(&bytes[1..], &grey.0, &grey.1)]);
    assert_eq!((status, said.as_str(), logits), (abi::OK, "", vec![5.0, -4.0, 6.0, -5.0]));

    let wrong = [
        (view(&bytes, &[2, 2, 2], &[4, 2, 1]), "a picture of shape [2, 2, 2]"),
        (view(&bytes, &[3, 0, 5], &[0, 5, 1]), "a picture of shape [3, 0, 5]"),
        (view(&bytes, &[3, 4, 5], &[1, 3, 12]), "a buffer is not laid out row by row"),
        (view(&bytes, &[3, -4, 5], &[20, 5, 1]), "a buffer is not laid out row by row"),
        (view(&bytes, &[3, i64::MAX, 5], &[20, 5, 1]), "a buffer is too long"),
        (View { data: ptr::null_mut(), ..good }, "a buffer is null or misaligned"),
        (View { shape: ptr::null(), ..good }, "a buffer without shape or strides"),
        (View { ndim: 2, ..good }, "a buffer has the wrong type or number of dimensions"),
        (View { dtype: DType::F32, ..good }, "a buffer has the wrong type or number of dimensions"),
    ];
    for (view, problem) in wrong {
        let (status, said, _) = run(&[good, view]);
        assert_eq!((status, said.as_str()), (abi::BAD_CALL, problem));
    }
    // No pictures, rows that are not as many, and a pull-back that there is not.
    assert_eq!(run(&[]).0, abi::UNSUPPORTED);
    let (status, said, _) = forward(&target, instance, abi::LOGITS_OF_PICTURES, &[good], 2);
    assert_eq!(status, abi::FAILED);
    assert!(said.starts_with("it gave logits of shape [1, 2], but [2, 2] follows"), "{said}");
    let bytes = [13_u8];
    let (status, said, _) = run(&[view(&bytes, &[1, 1, 1], &[1, 1, 1])]);
    assert_eq!(status, abi::PANICKED);
    assert!(said.starts_with("panicked: thirteen"), "{said}");
    assert_eq!(run(&[good]).0, abi::POISONED);
    // SAFETY: the last use of the instance.
    unsafe { target.destroy.unwrap()(instance) };
}

#[test]
fn through_the_border_and_back_nothing_is_lost() {
    // SAFETY: the function of `export!`.
    let library = unsafe { Library::linked("versions", fmr_plugin_v1) }.unwrap();
    let context = MakeContext::alone([3, 2, 2]);
    let here = First::new(Nothing {}, &context).unwrap();
    let files = context.sources().files;
    let context = MakeContext::alone([3, 2, 2]);
    let there = library.target(Some("first"), &Settings::default(), &context, &Limits::default()).unwrap();
    assert_eq!(context.sources().files, files);
    assert_eq!((there.class_names(), there.preprocessing()), (here.class_names(), here.preprocessing()));
    let picture = |shape: [usize; 3], first: u8| Picture {
        shape,
        bytes: (0..shape.iter().product::<usize>()).map(|i| first.wrapping_add(i as u8)).collect(),
    };
    let pictures = [picture([3, 7, 5], 4), picture([1, 2, 9], 200), picture([3, 1, 1], 0)];
    for some in [&pictures[..], &pictures[1..2], &[]] {
        assert_eq!(there.logits_of_pictures(some).unwrap(), here.logits_of_pictures(some).unwrap());
    }
    // One bad picture costs that call; the next has an instance made anew.
    let error = there.logits_of_pictures(&[picture([1, 1, 1], 13)]).unwrap_err().to_string();
    assert!(error.starts_with("target \"first\" of versions: logits of 1 pictures: panicked: thirteen"), "{error}");
    assert!(there.logits_of_pictures(&pictures).is_ok());
    let oracle = library.oracle(None, &Settings::default(), &context, &Limits::default()).unwrap();
    assert!(oracle.judge_pictures(&pictures).unwrap().is_none() && oracle.preprocessing().is_none());
}

#[test]
fn settings_are_checked_as_by_the_component_itself() {
    // SAFETY: the function of `export!`.
    let library = unsafe { Library::linked("versions", fmr_plugin_v1) }.unwrap();
    let context = MakeContext::alone([3, 2, 2]).with_base("somewhere");
    let check = |name: &str, json: &str| {
        let settings = Settings(serde_json::from_str(json).unwrap());
        library.check(Role::Target, Some(name), &settings, &context, &Limits::default())
    };
    let here: Checked =
        Settings(serde_json::from_str(r#"{"model": "first", "weights": "w"}"#).unwrap()).parse().unwrap();
    assert_eq!(check("checked", r#"{"model": "first", "weights": "w"}"#).unwrap(), here.check(&context).unwrap());
    assert_eq!(check("checked", r#"{"model": "part", "weights": "w"}"#).unwrap(), []);
    assert_eq!(check("first", "{}").unwrap(), []);
    let refused = |json: &str| check("checked", json).unwrap_err();
    let MakeError::Setting(error) = refused(r#"{"model": "last", "weights": "w"}"#) else { panic!("no setting") };
    let problem = SettingProblem::Absent("there is no model \"last\"; known: `first`".into());
    assert_eq!((error.key.as_str(), error.problem), ("model", problem));
    let error = refused(r#"{"model": "first"}"#).to_string();
    assert_eq!(error, "weights: is missing");
    let error = refused(r#"{"model": "panic", "weights": "w"}"#).to_string();
    assert!(error.starts_with("target \"checked\" of versions: check its settings: panicked: in check"), "{error}");
    // What is not checked beforehand is refused by hosts of every version in the same words.
    let settings = Settings(serde_json::from_str(r#"{"model": "last", "weights": "w"}"#).unwrap());
    let made = library.target(Some("checked"), &settings, &context, &Limits::default());
    assert_eq!(made.err().unwrap().to_string(), "model: there is no model \"last\"; known: `first`");
}

#[test]
fn long_calls_are_seen_and_stopped() {
    // SAFETY: the function of `export!`.
    let library = unsafe { Library::linked("versions", fmr_plugin_v1) }.unwrap();
    let (context, cancel) = (MakeContext::alone([3, 2, 2]), Arc::new(AtomicBool::new(false)));
    let limits = Limits { cancel: Some(Arc::clone(&cancel)), ..Limits::default() };
    let target = library.target(Some("first"), &Settings::default(), &context, &limits).unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| target.logits(Array4::from_elem((1, 3, 2, 2), 99.0).view()).unwrap_err());
        let working = loop {
            match context.progress.now().pop() {
                Some(working) if working.done > 3 => break working,
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        assert_eq!(working.component, "target \"first\" of versions");
        assert_eq!((working.what.as_str(), working.of), ("classify images", 100_000));
        cancel.store(true, Ordering::Relaxed);
        assert!(call.join().unwrap().cancelled);
    });
    // Work that ended is not shown.
    assert!(context.progress.now().is_empty());
}
