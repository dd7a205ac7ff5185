//! `fmr serve [RUNS]`, and the pages that it shares with `fmr export --site`

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::mpsc;

use clap::Args;
use fmr::report;
use fmr::store::RunStore;
use fmr_human::Verdicts;
use fmr_web::{App, Options, People, PeopleSettings, Runs, Server, Tables, WebError};

use super::shared::experiment_of;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders of runs, or folders with runs in them
    #[arg(default_value = "runs")]
    runs: Vec<PathBuf>,
    /// Port to listen on; 0 lets the system choose one
    #[arg(long, default_value_t = 8088)]
    port: u16,
    /// Address to listen on; other machines reach any but the default, which needs `--token`
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Word that a browser must know; it stands in the address that is printed
    #[arg(long, value_name = "WORD", value_parser = token)]
    token: Option<String>,
    /// Further name and port under which a browser may ask, e.g. that of a proxy; repeatable
    #[arg(long = "allow-host", value_name = "NAME:PORT")]
    hosts: Vec<String>,
    /// Ask people what final images show, and keep their verdicts in this file (made where there is none)
    #[arg(long, value_name = "FILE")]
    people: Option<PathBuf>,
    /// Samples of each row that people are asked about
    #[arg(long, value_name = "N", default_value_t = 200, requires = "people")]
    people_samples: usize,
    /// Seed of the choice of these samples and of their order
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    people_seed: u64,
}

/// A token that a cookie can hold and nobody guesses.
fn token(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
    match plain && text.len() >= 12 {
        true => Ok(text.to_owned()),
        false => Err("a token has at least 12 characters: letters, digits, - _ . ~".to_owned()),
    }
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(missing) = arguments.runs.iter().find(|dir| !dir.is_dir()) {
        let problem = format!("there is no folder {}; `fmr run EXPERIMENT.toml` makes runs", missing.display());
        return Err(Failure::Text(problem));
    }
    let options = Options {
        host: arguments.host,
        port: arguments.port,
        hosts: arguments.hosts.clone(),
        token: arguments.token.clone(),
    };
    let mut app = app(arguments.runs.clone());
    if let Some(file) = &arguments.people {
        let settings = PeopleSettings {
            samples: arguments.people_samples,
            seed: arguments.people_seed,
            ..PeopleSettings::default()
        };
        let people = Verdicts::open(file).and_then(|verdicts| People::new(verdicts, settings));
        app = app.asking(people.map_err(|error| Failure::Text(error.to_string()))?);
    }
    let server = Server::start(app, &options)?;
    writeln!(out, "{}", server.url())?;
    out.flush()?;
    if !options.host.is_loopback() {
        eprintln!("Other machines reach this server. What it sends is not encrypted: put a proxy with TLS before it.");
    }
    // Where no handler can be set, a signal ends the process at once, and nothing is lost.
    let (stop, stopped) = mpsc::channel();
    let _ = ctrlc::try_set_handler(move || {
        // A second signal finds nobody who waits.
        let _ = stop.send(());
    });
    let _ = stopped.recv();
    server.stop();
    Ok(())
}

/// What pages of runs are made from.
pub(crate) fn app(runs: Vec<PathBuf>) -> App {
    App::new(Runs::of(runs), Box::new(tables))
}

fn tables(store: &RunStore) -> Result<Tables, String> {
    let experiment = experiment_of(store).map_err(|error| error.in_a_line())?;
    let unwritten = report::unwritten(&experiment, store).map_err(|error| error.to_string())?;
    let body = unwritten.body().map_err(|error| error.to_string())?;
    Ok(Tables { title: unwritten.report.title, body })
}

impl From<WebError> for Failure {
    fn from(error: WebError) -> Self {
        Self::Text(error.to_string())
    }
}
