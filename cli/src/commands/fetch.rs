//! `fmr fetch EXPERIMENT|NAME`

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use fmr::core::near;
use fmr::core::registry::RemoteFile;
use fmr::experiment::{Changes, Experiment};
use fmr::files::{self, Source, Wanted};
use fmr_fetch::{Events, Fetched, Fetcher, MIRROR, Patience};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Experiment file, or the name of a model (`fmr models`) or data set (mnist, cifar10, imagenet-sample)
    what: PathBuf,
    /// Folder below which files of a NAME are put, in `weights` or `data` [default: the current one]; an experiment says itself
    /// where its files belong
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// List addresses, sizes and destinations, and download nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let wanted = wanted(arguments)?;
    let mirror = std::env::var_os(MIRROR).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let fetcher = Fetcher::new(mirror, Patience::default()).map_err(|error| Failure::Text(error.to_string()))?;
    if wanted.is_empty() {
        writeln!(out, "every file is there")?;
    }
    let mut failed = Vec::new();
    for file in &wanted {
        match &file.source {
            Source::ByHand(get) => {
                writeln!(out, "by hand  {}: {}\n         from {get}", file.path.display(), file.what)?;
            }
            Source::Published(remote) if arguments.dry_run => plan(&fetcher, file, remote, out)?,
            Source::Published(remote) => {
                if let Err(problem) = fetch(&fetcher, file, remote, out)? {
                    failed.push(problem);
                }
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::Text(failed.join("\n"))) }
}

/// The files that the argument asks for.
fn wanted(arguments: &Arguments) -> Result<Vec<Wanted>, Failure> {
    let what = &arguments.what;
    let name = what.to_string_lossy();
    let is_file = what.is_file() || what.extension().is_some_and(|ending| ending == "toml");
    if is_file {
        let experiment = Experiment::read(what, &Changes::default())?;
        let registry = fmr::registry_of(&experiment, &fmr::Interrupt::default());
        return Ok(files::of_experiment(&experiment, &registry)?);
    }
    files::of_name(&name, arguments.to.as_deref().unwrap_or(Path::new(""))).ok_or_else(|| {
        let known = files::names();
        let help = match near(&name, known.iter().copied()).first() {
            Some(name) => format!("did you mean {name}?"),
            None => format!("the names are {}", known.join(", ")),
        };
        Failure::Text(format!("{name} is neither a file nor the name of a model or data set; {help}"))
    })
}

/// Says what would be done.
fn plan(fetcher: &Fetcher, file: &Wanted, remote: &RemoteFile, out: &mut dyn Write) -> std::io::Result<()> {
    let path = file.path.display();
    if file.path.exists() {
        return writeln!(out, "present  {path}: {}", file.what);
    }
    let size = fetcher.size(remote, &file.path).map_or_else(|| "size unknown".to_owned(), bytes);
    writeln!(out, "fetch    {path}: {}", file.what)?;
    writeln!(out, "         from {} ({size})", remote.url)?;
    if let Some(member) = &remote.member {
        writeln!(out, "         unpacked from its {member}")?;
    }
    let hash = remote.sha256.as_deref().map_or_else(|| "not published".to_owned(), str::to_owned);
    writeln!(out, "         sha256 {hash}")?;
    write_licence(remote, out)
}

fn write_licence(remote: &RemoteFile, out: &mut dyn Write) -> std::io::Result<()> {
    remote.licence.iter().try_for_each(|licence| writeln!(out, "         licence: {licence}"))
}

/// Downloads a file. The inner error is that of this file alone.
fn fetch(
    fetcher: &Fetcher,
    file: &Wanted,
    remote: &RemoteFile,
    out: &mut dyn Write,
) -> std::io::Result<Result<(), String>> {
    let path = file.path.display();
    let is_there = file.path.exists();
    if !is_there {
        writeln!(out, "fetch    {path}: {}\n         from {}", file.what, origin(fetcher, remote))?;
        write_licence(remote, out)?;
        out.flush()?;
    }
    let progress = Progress::default();
    let fetched = fetcher.fetch(remote, &file.path, &progress);
    progress.clear();
    match fetched {
        Ok(Fetched::Present) => writeln!(out, "present  {path}: {}", file.what)?,
        Ok(Fetched::New { sha256 }) => {
            let published = match &remote.sha256 {
                Some(digits) if digits.len() == 64 => "as published",
                Some(_) => "as published, by its first digits",
                None => "no hash is published",
            };
            writeln!(out, "         sha256 {sha256}, {published}")?;
        }
        Err(error) => return Ok(Err(format!("{path} was not obtained: {error}"))),
    }
    Ok(Ok(()))
}

fn origin(fetcher: &Fetcher, remote: &RemoteFile) -> String {
    match fetcher.mirror() {
        Some(mirror) => format!("{}, as the mirror {} holds it", remote.url, Path::new(mirror).display()),
        None => remote.url.clone().into_owned(),
    }
}

fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// A bar on a terminal; in a log a line for each retry alone.
#[derive(Default)]
struct Progress(RefCell<Option<ProgressBar>>);

impl Progress {
    fn clear(&self) {
        if let Some(bar) = self.0.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

impl Events for Progress {
    fn begun(&self, total: Option<u64>, at: u64) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        // The template is a constant; were it wrong the default style would serve.
        let template = "{bar:28} {bytes}/{total_bytes} {bytes_per_sec} {eta:>4}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_position(at);
        bar.reset_eta();
        self.0.replace(Some(bar));
    }

    fn advanced(&self, bytes: u64) {
        if let Some(bar) = &*self.0.borrow() {
            bar.inc(bytes);
        }
    }

    fn retry(&self, problem: &str, pause: Duration) {
        self.clear();
        eprintln!("{problem}; next attempt in {:.0} s", pause.as_secs_f64().ceil());
    }
}
