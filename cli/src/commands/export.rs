//! `fmr export RUN`, `fmr export --site DIR RUN…`

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use fmr::report::{EXPORT, IMAGES};
use fmr::store::RunStore;

use super::serve;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of the run; several for a site
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Folder for `samples.jsonl`, `samples.csv`, `steps.csv` and the images [default: `export` in the run]
    #[arg(long, value_name = "DIR", conflicts_with = "site")]
    out: Option<PathBuf>,
    /// Write the runs as web pages into this folder instead, for any static host and for opening from disk
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    /// Most samples of each row that the site shows
    #[arg(long, value_name = "N", default_value_t = 200, requires = "site")]
    samples: usize,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(site) = &arguments.site {
        for run in &arguments.runs {
            RunStore::read(run)?;
        }
        let files = fmr_web::write_site(&serve::app(arguments.runs.clone()), site, arguments.samples)?;
        writeln!(out, "{}: {files} files", site.join("index.html").display())?;
        return Ok(());
    }
    let [run] = &arguments.runs[..] else {
        let problem = "one run is exported at a time; `--site DIR` writes pages of several".to_owned();
        return Err(Failure::Text(problem));
    };
    let store = RunStore::read(run)?;
    let folder = arguments.out.clone().unwrap_or_else(|| run.join(EXPORT));
    let results = store.results()?;
    let mut written = store.export_tables(&results, &folder)?;
    written.extend(store.export_images(&results, &folder.join(IMAGES))?);
    for path in written {
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}
