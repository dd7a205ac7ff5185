use std::path::Path;

use fmr_core::registry::NamedFile;

use super::{Changes, ComponentTable, ConfigError, Experiment};

const SOUND: &str = r#"
name = "tiny"
[data.digits]
kind = "idx"
images = "images.gz"
labels = "labels.gz"
label = "MNIST"
[targets.lenet]
kind = "zoo"
weights = "lenet.safetensors"
obtain = { what = "LeNet", get = "train it" }
[targets.wide]
kind = "zoo"
weights = "wide.safetensors"
[generators.vqgan]
kind = "vqgan"
[oracles.clip]
kind = "clip"
[search]
budget = 5
[[rows]]
target = ["lenet", "wide"]
vary = { "search.step-size" = [0.001, 0.1] }
[profiles.quick]
data.digits.limit = 8
search.budget = 3
"#;

fn read(text: &str) -> Result<Experiment, ConfigError> {
    read_with(text, &Changes::default())
}

fn read_with(text: &str, changes: &Changes) -> Result<Experiment, ConfigError> {
    Experiment::parse(Path::new("tiny.toml"), text.to_owned(), Path::new("/base"), changes)
}

/// The file that a table names by `weights`, as its component would say.
fn weights(experiment: &Experiment, table: &ComponentTable) -> Vec<NamedFile> {
    let path = table.settings.0.get("weights").and_then(|path| path.as_str());
    let named = |path| NamedFile { key: "weights".to_owned(), path: experiment.base.join(path), published: None };
    path.map(named).into_iter().collect()
}

/// The error of the sound file with one line in another's place.
fn error(line: &str, instead: &str) -> String {
    assert!(SOUND.contains(line), "{line}");
    read(&SOUND.replace(line, instead)).err().unwrap().to_string()
}

#[test]
fn lists_span_a_matrix() {
    let experiment = read(SOUND).unwrap();
    let ids: Vec<&str> = experiment.rows.iter().map(|r| r.id.as_str()).collect();
    insta::assert_snapshot!(ids.join("\n"), @r"
    digits/lenet/search.step-size 0.001
    digits/lenet/search.step-size 0.1
    digits/wide/search.step-size 0.001
    digits/wide/search.step-size 0.1
    ");
    assert_eq!((experiment.rows[1].search.step_size, experiment.rows[1].search.budget), (0.1, 5));
    assert_eq!(experiment.rows[1].label, "lenet, search.step-size 0.1");
    assert_eq!(experiment.data["digits"].label, "MNIST");
    assert_eq!(experiment.rows[0].scorer.kind, "cross-entropy");
}

#[test]
fn profiles_limits_and_values_change_the_file() {
    let quick = Changes { profile: Some("quick".to_owned()), ..Changes::default() };
    let experiment = read_with(SOUND, &quick).unwrap();
    assert_eq!((experiment.data["digits"].settings.limit, experiment.rows[0].search.budget), (Some(8), 3));
    let changes = Changes { values: vec![("run.lanes".to_owned(), 3.into())], limit: Some(4), ..quick };
    let experiment = read_with(SOUND, &changes).unwrap();
    assert_eq!((experiment.data["digits"].settings.limit, experiment.run.lanes), (Some(4), 3));
    let wrong = Changes { profile: Some("quik".to_owned()), ..Changes::default() };
    insta::assert_snapshot!(read_with(SOUND, &wrong).unwrap_err(), @"tiny.toml:24:2: the file has no [profiles.quik]; the profiles are `quick`");
}

#[test]
fn what_is_resolved_reads_the_same_again() {
    let experiment = read_with(SOUND, &Changes { profile: Some("quick".to_owned()), ..Changes::default() }).unwrap();
    let mut again = Experiment::parse(
        Path::new("elsewhere/experiment.toml"),
        experiment.resolved(),
        Path::new("/elsewhere"),
        &Changes::default(),
    )
    .unwrap();
    assert_eq!(again.resolved(), experiment.resolved());
    // A row of the resolved file is one row alone.
    again.rows.iter_mut().for_each(|row| row.at.clone_from(&experiment.rows[0].at));
    assert_eq!((&again.rows, &again.base, &again.data), (&experiment.rows, &experiment.base, &experiment.data));
}

#[test]
fn errors_have_a_place_and_say_what_would_be_right() {
    let errors = [
        error("budget = 5", "bugdet = 5"),
        error("budget = 5", "budget = \"five\""),
        error("budget = 5", "budget = -5"),
        error("budget = 5", "budget = 0"),
        error("budget = 5", "restarts = 2000"),
        error("budget = 5", "rule = \"sgn\""),
        error("budget = 5", "start = { kind = \"fgsm\", epsilom = 0.1 }"),
        error("budget = 5", "budget = 5 5"),
        error("[search]", "[serach]"),
        error("kind = \"idx\"", "kind = \"idxs\""),
        error("kind = \"idx\"", "kind = \"idx\"\nlimit = 0"),
        error("kind = \"idx\"", ""),
        error("kind = \"vqgan\"", ""),
        error("obtain = { what = \"LeNet\", get = \"train it\" }", "obtain = \"train it\""),
        error("target = [\"lenet\", \"wide\"]", "target = \"lenett\""),
        error("target = [\"lenet\", \"wide\"]", ""),
        error("target = [\"lenet\", \"wide\"]", "target = []"),
        error("target = [\"lenet\", \"wide\"]", "target = \"lenet\"\ntargets = 1"),
        error("\"search.step-size\" = [0.001, 0.1]", "\"search.step-size\" = [0.001, -0.1]"),
        error("\"search.step-size\" = [0.001, 0.1]", "\"data.limit\" = [1]"),
        error("\"search.step-size\" = [0.001, 0.1]", "\"search.budget\" = [2, 2]"),
        error("[[rows]]", "[[row]]"),
        error("[oracles.clip]\nkind = \"clip\"", ""),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

/// The sound file with a mask that is learned and one that is read, and a row for each and one without.
fn masked() -> String {
    let masks = r#"
[data.others]
kind = "idx"
images = "images.gz"
labels = "labels.gz"
skip = 8
[masks.style]
learn-from = "others"
strength = 20.0
[masks.given]
file = "given.mask"
label = "given mask"
obtain = { what = "a mask", get = "fmr mask learn" }
[search]
"#;
    let text = SOUND.replace("[search]\n", masks.trim_start());
    let row = "[[rows]]\ndata = \"digits\"\nmask = [\"none\", \"style\", \"given\"]\ntarget = \"lenet\"\n";
    let (before, rest) = text.split_once("[[rows]]").unwrap();
    let (_, after) = rest.split_once("[profiles").unwrap();
    format!("{before}{row}[profiles{after}")
}

#[test]
fn rows_name_masks() {
    let experiment = read(&masked()).unwrap();
    let rows: Vec<String> = experiment.rows.iter().map(|r| format!("{}: {} {:?}", r.id, r.label, r.mask)).collect();
    insta::assert_snapshot!(rows.join("\n"), @r#"
    digits/lenet: lenet None
    digits/lenet/style: lenet, sparse mask Some("style")
    digits/lenet/given: lenet, given mask Some("given")
    "#);
    let style = &experiment.masks["style"];
    assert_eq!((style.settings.strength, style.learn_from.as_deref()), (20.0, Some("others")));
    let missing = |row: usize| {
        let found = experiment.missing(&experiment.rows[row], &|_, table| weights(&experiment, table));
        found.into_iter().map(|m| m.key).collect::<Vec<_>>().join(", ")
    };
    insta::assert_snapshot!(missing(0), @"data.digits.images, targets.lenet.weights");
    insta::assert_snapshot!(missing(1), @"data.digits.images, targets.lenet.weights, data.others.images");
    insta::assert_snapshot!(missing(2), @"data.digits.images, targets.lenet.weights, masks.given.file");

    let again = Experiment::parse(
        Path::new("elsewhere/experiment.toml"),
        experiment.resolved(),
        Path::new("/elsewhere"),
        &Changes::default(),
    )
    .unwrap();
    assert_eq!(again.resolved(), experiment.resolved());
    assert_eq!(again.masks, experiment.masks);
    let names =
        |e: &Experiment| e.rows.iter().map(|r| (r.id.clone(), r.label.clone(), r.mask.clone())).collect::<Vec<_>>();
    assert_eq!(names(&again), names(&experiment));
    assert!(experiment.resolved().contains("test-share = 0.2"), "defaults are written out");
}

#[test]
fn names_and_messages_are_harmless() {
    for name in ["\"\"", "\"a.b\"", "\"a\\u001b[2J\""] {
        let refused = error("[targets.wide]", &format!("[targets.{name}]"));
        assert!(refused.contains("cannot name one of the targets"), "{refused}");
    }
    let hostile = error("budget = 5", "\"\\u001b[2J\" = 5");
    assert!(hostile.contains(r"\u{1b}[2J"), "{hostile}");
    let long = error("budget = 5", &format!("{} = 5", "k".repeat(100_000)));
    assert!(long.len() < 5000, "{} bytes", long.len());
}

#[test]
fn errors_of_masks_have_a_place_and_say_what_would_be_right() {
    let error = |line: &str, instead: &str| {
        let text = masked();
        assert!(text.contains(line), "{line}");
        read(&text.replacen(line, instead, 1)).err().unwrap().to_string()
    };
    let errors = [
        error("strength = 20.0", "strenght = 20.0"),
        error("strength = 20.0", "strength = \"strong\""),
        error("strength = 20.0", "strength = -1.0"),
        error("strength = 20.0", "unit = \"channel\"\nkind = \"site\""),
        error("strength = 20.0", "latents = \"both\""),
        error("learn-from = \"others\"", "learn-from = \"other\""),
        error("learn-from = \"others\"", ""),
        error("learn-from = \"others\"", "learn-from = \"others\"\nfile = \"a.mask\""),
        error("file = \"given.mask\"", "file = \"given.mask\"\ngap = 1e-3"),
        error("[masks.style]", "[masks.none]"),
        error("\"style\", \"given\"]", "\"stile\"]"),
        error("[\"none\", \"style\", \"given\"]", "[]"),
        error("[\"none\", \"style\", \"given\"]", "[\"style\", \"style\"]"),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_budget_of_zero_can_be_allowed() {
    let text = SOUND.replace("budget = 5", "budget = 0\nallow-zero-budget = true");
    assert_eq!(read(&text).unwrap().rows[0].search.budget, 0);
}

#[test]
fn missing_files_say_what_to_get() {
    let experiment = read(SOUND).unwrap();
    let missing = experiment.missing(&experiment.rows[0], &|_, table| weights(&experiment, table));
    let keys: Vec<&str> = missing.iter().map(|missing| missing.key.as_str()).collect();
    assert_eq!(keys, ["data.digits.images", "targets.lenet.weights"]);
    let lenet = &missing[1];
    assert_eq!((lenet.list().as_str(), lenet.published), ("/base/lenet.safetensors", false));
    assert_eq!(lenet.obtain.as_ref().unwrap().what, "LeNet");
}

#[test]
fn obtain_says_where_files_are_published() {
    let obtain = "obtain = { what = \"LeNet\", get = \"train it\" }";
    let with = |file: &str| SOUND.replace(obtain, &format!("{}, files = [{file}] }}", obtain.trim_end_matches(" }")));
    let url = "url = \"https://a.org/lenet.pth\"";
    let experiment = read(&with(&format!("{{ key = \"weights\", {url}, sha256 = \"01234567\" }}"))).unwrap();
    let files = experiment.files(&experiment.rows[0], &|_, table| weights(&experiment, table));
    let lenet = &files.iter().find(|files| files.at == "targets.lenet").unwrap().files[0];
    assert_eq!(lenet.published.as_ref().unwrap().url, "https://a.org/lenet.pth");
    let error = |file: &str| read(&with(file)).err().unwrap().to_string();
    let cases = [
        (format!("{{ {url} }}"), "lacks the key `key`"),
        (
            "{ key = \"weights\", url = \"a.org/b\" }".to_owned(),
            "obtain.files[0].url is \"a.org/b\", must be https://HOST/PATH",
        ),
        (format!("{{ key = \"weights\", {url}, sha256 = \"012\" }}"), "must be 8 to 64 hexadecimal digits"),
        (format!("{{ key = \"weights\", {url}, size = 3 }}"), "size is not a known key"),
    ];
    for (file, wanted) in cases {
        let error = error(&file);
        assert!(error.starts_with("tiny.toml:") && error.contains(wanted), "{error}");
    }
}

#[test]
fn a_scorer_may_be_named_by_its_plugin() {
    let named = SOUND.replace("[search]\n", "[scorer]\nplugin = \"mine\"\nweight = 2\n[search]\n");
    let experiment = read(&named).unwrap();
    assert_eq!(experiment.rows[0].scorer.kind, "plugin");
    let resolved = experiment.resolved();
    let again = Experiment::parse(Path::new("r.toml"), resolved, Path::new("/"), &Changes::default()).unwrap();
    assert_eq!(again.rows[0].scorer.settings, experiment.rows[0].scorer.settings);
    assert_eq!(again.rows[0].scorer.kind, "plugin");
}

#[test]
fn lanes_and_batch_suit_the_device() {
    use super::{RunSettings, SideBySide};
    let on = |device: &str| RunSettings { device: device.to_owned(), ..RunSettings::default() };
    assert_eq!(on("cpu").side_by_side(16), SideBySide { lanes: 16, batch: 4 });
    assert_eq!(on("libtorch:0").side_by_side(16), SideBySide { lanes: 2, batch: 64 });
    let given = RunSettings { lanes: 3, batch: 7, ..on("wgpu") };
    assert_eq!(given.side_by_side(16), SideBySide { lanes: 3, batch: 7 });
}

#[test]
fn what_the_file_or_the_caller_says_is_used_or_refused() {
    let with = |key: &str, value: serde_json::Value| {
        let changes = Changes { values: vec![(key.to_owned(), value)], ..Changes::default() };
        read_with(SOUND, &changes).err().map_or_else(|| panic!("{key} is swallowed"), |error| error.to_string())
    };
    let twice = Changes {
        values: vec![("search.budget".to_owned(), 5.into()), ("search.budget".to_owned(), 6.into())],
        ..Changes::default()
    };
    let before = |text: &str| error("[data.digits]", &format!("{text}\n[data.digits]"));
    let errors = [
        with("search", 5.into()),
        with("verdict", "strict".into()),
        with("run", true.into()),
        with("data", 5.into()),
        with("name.x", 3.into()),
        with("search.budget.most", 3.into()),
        with("rows.0", 3.into()),
        read_with(SOUND, &twice).unwrap_err().to_string(),
        before("scorer = 3"),
        before("metrics = []"),
        error("[profiles.quick]", "[profiles]\nslow = 3\n[profiles.quick]"),
        error("[profiles.quick]", "[profiles.slow]\nserach.budget = 3\n[profiles.quick]"),
        error("[profiles.quick]", "[profiles.slow]\nsearch = 3\n[profiles.quick]"),
        read("profiles = 3").unwrap_err().to_string(),
        error("vary = { \"search.step-size\" = [0.001, 0.1] }", "vary = \"search.step-size\""),
        error("vary = { \"search.step-size\" = [0.001, 0.1] }", "vary.\"search.step-size\" = []"),
        error("vary = { \"search.step-size\" = [0.001, 0.1] }", "search = 3"),
        error("vary = { \"search.step-size\" = [0.001, 0.1] }", "scorer = 3"),
        read(&format!("rows = []\n{}", SOUND.split("[[rows]]").next().unwrap())).unwrap_err().to_string(),
        read(&format!("rows = 3\n{}", SOUND.split("[[rows]]").next().unwrap())).unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_name_stays_below_the_folder_of_runs() {
    let long = "x".repeat(201);
    for name in ["../../x", "a/b", "..", ".", "", " ", "a\\\\b", "a\\u0007b", &long] {
        let said = error("name = \"tiny\"", &format!("name = \"{name}\""));
        assert!(said.contains("new runs get a folder of this name"), "{name}: {said}");
    }
    let said = error("name = \"tiny\"", "name = \"../../x\"");
    assert!(said.starts_with("tiny.toml:2:8: name \"../../x\" must not lead to another folder; "), "{said}");
    assert_eq!(read(&SOUND.replace("\"tiny\"", "\"Größe 2 (b)\"")).unwrap().name, "Größe 2 (b)");
}

#[test]
fn a_file_that_is_none_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str| {
        let error = Experiment::read(&folder.path().join(name), &Changes::default()).unwrap_err();
        error.to_string().replace(&folder.path().display().to_string(), "DIR")
    };
    std::fs::write(folder.path().join("latin.toml"), [b'#', 0xe9, b'\n']).unwrap();
    assert_eq!(said("absent.toml"), "DIR/absent.toml: there is no such file; name an experiment file (TOML)");
    assert_eq!(said("."), "DIR/.: it is a folder; name an experiment file (TOML)");
    assert_eq!(said("latin.toml"), "DIR/latin.toml: it is not text in UTF-8; name an experiment file (TOML)");
}

#[test]
fn a_row_names_further_targets_with_their_figures() {
    let also = "also = [\"wide\", { target = \"lenet\", paper = { figures = { sa = \"85.70\" } } }]\n";
    let text = SOUND.replace("[profiles.quick]", &format!("{also}[profiles.quick]"));
    let experiment = read(&text).unwrap();
    let of = |row: &crate::Row| row.also.iter().map(|also| (also.target.clone(), also.paper.sa.clone())).collect();
    let shown: Vec<Vec<(String, Option<String>)>> = experiment.rows.iter().map(of).collect();
    let [lenet, wide] = [("lenet".to_owned(), Some("85.70".to_owned())), ("wide".to_owned(), None)];
    // No row shows its images to its own target as to a further one.
    assert_eq!(shown, [vec![wide.clone()], vec![wide.clone()], vec![lenet.clone()], vec![lenet.clone()]]);
    let again = Experiment::parse(Path::new("run.toml"), experiment.resolved(), Path::new("/run"), &Changes::default());
    assert_eq!(again.unwrap().rows.iter().map(of).collect::<Vec<_>>(), shown);
    // Those of `[evaluate]` are shown the images of every row.
    let text = SOUND.replace("[profiles.quick]", "[evaluate]\nalso = [\"wide\"]\n[profiles.quick]");
    let shown: Vec<usize> = read(&text).unwrap().rows.iter().map(|row| row.also.len()).collect();
    assert_eq!(shown, [1, 1, 0, 0]);
    let refused = |also: &str| {
        let text = SOUND.replace("[profiles.quick]", &format!("also = {also}\n[profiles.quick]"));
        read(&text).unwrap_err().to_string()
    };
    assert!(refused("[\"wid\"]").contains("there is no [targets.wid]"), "{}", refused("[\"wid\"]"));
    assert!(refused("[{ paper = {} }]").contains("lacks the key `target`"));
    assert!(refused("[{ target = \"wide\", papr = {} }]").contains("papr"));
}
