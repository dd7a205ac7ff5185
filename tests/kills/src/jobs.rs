//! Pieces of work, all on the small models of this repository.

use std::path::Path;

use fmr::experiment::{Changes, Experiment};
use fmr::mask::Mask;
use fmr::store::RunStore;

use crate::results::{Results, add_files, hash};

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets");

/// One kind of work that can be killed and done again.
pub(crate) trait Job {
    fn name(&self) -> &'static str;

    /// Puts what the work needs into an empty folder.
    fn prepare(&self, folder: &Path) -> Result<(), String>;

    /// Arguments of the command that begins the work there, or resumes it.
    fn arguments(&self, folder: &Path) -> Vec<String>;

    /// What must hold whenever a process was killed.
    fn check(&self, _folder: &Path) -> Result<(), String> {
        Ok(())
    }

    /// All results of work that ended.
    fn results(&self, folder: &Path) -> Result<Results, String>;
}

/// All kinds.
pub(crate) fn all() -> Vec<Box<dyn Job>> {
    vec![Box::new(Run), Box::new(LearnMask), Box::new(Export), Box::new(Report), Box::new(Train)]
}

/// An experiment of two rows that share originals and reconstructions; the mask of the second is learned by the run.
fn experiment(samples: usize) -> String {
    let digits = format!(
        "kind = \"idx\"\nimages = \"{ASSETS}/data/mnist-test-1000-images-idx3-ubyte.gz\"\n\
         labels = \"{ASSETS}/data/mnist-test-1000-labels-idx1-ubyte.gz\"\n"
    );
    format!(
        r#"name = "kills"

[data.digits]
{digits}limit = {samples}

[data.others]
{digits}skip = 500
limit = 12

[targets.lenet]
kind = "zoo"
model = "lenet"
weights = "{ASSETS}/weights/lenet.safetensors"

[generators.vqgan]
kind = "vqgan"
weights = "{ASSETS}/weights/vqgan-small.safetensors"

[oracles.clip]
kind = "clip"
weights = "{ASSETS}/weights/clip-small.safetensors"

[masks.style]
learn-from = "others"

[search]
budget = 6
step-size = 0.1

[run]
batch = 2
keep-latents = true

[[rows]]
data = "digits"
target = "lenet"
mask = ["none", "style"]
"#
    )
}

const FILE: &str = "kills.toml";
const RUN: &str = "run";
const MASKS: &str = "masks";
const EXPORT: &str = "export";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    std::fs::write(folder.join(name), text).map_err(|error| format!("{name}: {error}"))
}

fn is(ending: &'static str) -> impl Fn(&Path) -> bool {
    move |path| path.extension().is_some_and(|found| found == ending)
}

/// Every picture below a folder is whole: a PNG ends with its last part.
fn whole_pictures(folder: &Path) -> Result<(), String> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            whole_pictures(&path)?;
        } else if is("png")(&path) {
            let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
            if !bytes.ends_with(b"IEND\xaeB`\x82") {
                return Err(format!("{} is half a picture", path.display()));
            }
        }
    }
    Ok(())
}

/// Everything that a run keeps of every sample, and the facts of its rows but for what a machine's speed and the kill
/// decide.
fn of_store(folder: &Path) -> Result<Results, String> {
    let told = |error: fmr::store::StoreError| error.to_string();
    let store = RunStore::read(folder).map_err(told)?;
    let mut results = Results::new();
    for row in &store.plan().rows {
        let mut facts = store.facts(&row.id).map_err(told)?;
        (facts.seconds, facts.repeated) = (None, None);
        // A resumed run finds in the cache the answers of the run that was killed.
        facts.cache.known = 0;
        if let Some(mask) = &mut facts.mask {
            mask.seconds = None;
        }
        results.insert(format!("{} facts", row.id), format!("{facts:?}"));
        for record in store.records(&row.id).map_err(told)? {
            let name = |part: &str| format!("{} {} {part}", row.id, record.index);
            results.insert(name("record"), format!("{record:?}"));
            let shown = store.shown(&row.id, record.index).map_err(told)?;
            results.insert(name("answers"), format!("{shown:?}"));
            let images = store.images(&row.id, record.index).map_err(told)?;
            results.insert(name("images"), hash(format!("{images:?}").as_bytes()));
            let latent = store.latent(&row.id, record.index).map_err(told)?;
            results.insert(name("latent"), hash(format!("{latent:?}").as_bytes()));
        }
    }
    Ok(results)
}

/// A run, from its first file to its report.
struct Run;

impl Job for Run {
    fn name(&self) -> &'static str {
        "run"
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        write(folder, FILE, &experiment(24))
    }

    fn arguments(&self, folder: &Path) -> Vec<String> {
        match RunStore::read(&folder.join(RUN)) {
            Ok(_) => words(&["resume", RUN]),
            Err(_) => words(&["run", FILE, "--out", RUN]),
        }
    }

    /// What is in the store can be read, and is whole.
    fn check(&self, folder: &Path) -> Result<(), String> {
        let run = folder.join(RUN);
        whole_pictures(&run)?;
        RunStore::read(&run).map_or(Ok(()), |_| of_store(&run).map(drop))
    }

    fn results(&self, folder: &Path) -> Result<Results, String> {
        let run = folder.join(RUN);
        let mut results = of_store(&run)?;
        add_files(&mut results, &run, &is("png"))?;
        add_files(&mut results, &run, &is("mask"))?;
        // All tables but those with the time that a row took.
        let timed = |path: &Path| path.ends_with("cost.csv") || path.ends_with("mask-effect.csv");
        add_files(&mut results, &run, &|path| is("csv")(path) && !timed(path))?;
        Ok(results)
    }
}

/// The masks of an experiment.
struct LearnMask;

impl Job for LearnMask {
    fn name(&self) -> &'static str {
        "mask"
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        write(folder, FILE, &experiment(2))
    }

    fn arguments(&self, _: &Path) -> Vec<String> {
        words(&["mask", "learn", FILE, "--out", MASKS])
    }

    fn check(&self, folder: &Path) -> Result<(), String> {
        let masks = folder.join(MASKS);
        whole_pictures(&masks)?;
        for entry in std::fs::read_dir(&masks).into_iter().flatten().flatten().filter(|entry| is("mask")(&entry.path()))
        {
            Mask::load(&entry.path()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn results(&self, folder: &Path) -> Result<Results, String> {
        let mut results = Results::new();
        for entry in std::fs::read_dir(folder.join(MASKS)).map_err(|error| error.to_string())?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is("mask")(&entry.path()) {
                let mut mask = Mask::load(&entry.path()).map_err(|error| error.to_string())?;
                // The folder differs.
                mask.origin.experiment = None;
                results.insert(name, format!("{mask:?}"));
            } else {
                results.insert(name, hash(&std::fs::read(entry.path()).map_err(|error| error.to_string())?));
            }
        }
        Ok(results)
    }
}

/// A copy of a finished run, for work that starts from one. The run is done once, beside the folders of the jobs.
fn finished_run(folder: &Path) -> Result<(), String> {
    let home = folder.parent().and_then(Path::parent).ok_or("the folder has no home")?;
    let made = home.join("finished");
    if !made.exists() {
        write(home, FILE, &experiment(24))?;
        let experiment = Experiment::read(&home.join(FILE), &Changes::default()).map_err(|error| error.to_string())?;
        let prepared = fmr::prepare(experiment, &fmr::registry()).map_err(|error| error.to_string())?;
        fmr::Runner::default().run(&prepared, Some(&made)).map_err(|error| error.to_string())?;
    }
    copy(&made, &folder.join(RUN)).map_err(|error| format!("{}: {error}", made.display()))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Tables and images of a run for other programs.
struct Export;

impl Job for Export {
    fn name(&self) -> &'static str {
        "export"
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        finished_run(folder)
    }

    fn arguments(&self, _: &Path) -> Vec<String> {
        words(&["export", RUN, "--out", EXPORT])
    }

    fn check(&self, folder: &Path) -> Result<(), String> {
        whole_pictures(&folder.join(EXPORT))
    }

    fn results(&self, folder: &Path) -> Result<Results, String> {
        let mut results = Results::new();
        add_files(&mut results, &folder.join(EXPORT), &|_| true)?;
        Ok(results)
    }
}

/// The report of a run.
struct Report;

impl Job for Report {
    fn name(&self) -> &'static str {
        "report"
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        finished_run(folder)
    }

    fn arguments(&self, _: &Path) -> Vec<String> {
        words(&["report", RUN])
    }

    fn check(&self, folder: &Path) -> Result<(), String> {
        whole_pictures(&folder.join(RUN))?;
        let page = folder.join(RUN).join("report.html");
        match std::fs::read_to_string(&page) {
            Ok(text) if !text.trim_end().ends_with("</html>") => Err("half a page".to_owned()),
            _ => Ok(()),
        }
    }

    fn results(&self, folder: &Path) -> Result<Results, String> {
        let mut results = Results::new();
        let run = folder.join(RUN);
        for ending in ["png", "txt", "md", "tex", "csv"] {
            add_files(&mut results, &run, &is(ending))?;
        }
        Ok(results)
    }
}

/// A small recipe of several epochs, each with a checkpoint.
struct Train;

impl Job for Train {
    fn name(&self) -> &'static str {
        "train"
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        let data = |from: &str| {
            format!(
                "kind = \"idx\"\nimages = \"{ASSETS}/data/mnist-test-1000-images-idx3-ubyte.gz\"\n\
                 labels = \"{ASSETS}/data/mnist-test-1000-labels-idx1-ubyte.gz\"\n{from}\n"
            )
        };
        let recipe = format!(
            "name = \"kills\"\nseed = 1\nepochs = 6\nbatch = 64\nschedule = {{ peak = 0.05 }}\nwork = \"work\"\n\
             weights = \"lenet.safetensors\"\n\n[task]\nkind = \"classifier\"\nmodel = \"lenet\"\nweight-decay = 1e-4\n\
             augment = {{ shift = 2, rotate = 8.0, zoom = 0.08 }}\n\n[task.train]\n{}\n[task.test]\n{}",
            data("limit = 800"),
            data("skip = 800")
        );
        write(folder, "recipe.toml", &recipe)
    }

    fn arguments(&self, _: &Path) -> Vec<String> {
        words(&["train", "recipe.toml"])
    }

    fn results(&self, folder: &Path) -> Result<Results, String> {
        let mut results = Results::new();
        add_files(&mut results, folder, &is("safetensors"))?;
        add_files(&mut results, folder, &is("jsonl"))?;
        let report = std::fs::read(folder.join("lenet.json")).map_err(|error| error.to_string())?;
        let mut report: serde_json::Value = serde_json::from_slice(&report).map_err(|error| error.to_string())?;
        if let Some(report) = report.as_object_mut() {
            report.remove("training_seconds");
        }
        results.insert("lenet.json".to_owned(), report.to_string());
        Ok(results)
    }
}
