//! `fmr plugin list | check LIB | new NAME`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use fmr_plugins::check::Options;
use fmr_plugins::host::{Plugins, Role, SearchPath};
use fmr_plugins::scaffold::{self, Source};

use super::shared::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the plugins of the search path. Loads them, which runs code of theirs.
    List,
    /// Check that a plugin keeps its contract. Loads it, which runs code of its.
    Check {
        /// The library.
        library: PathBuf,
        /// The one component to check; all if left out.
        #[arg(long)]
        component: Option<String>,
    },
    /// Write a crate with a plugin that builds, a test and a README.
    New {
        /// Name of the crate and of its component.
        name: String,
        /// What the component is for.
        #[arg(long, value_enum, default_value = "target")]
        kind: Kind,
        /// Folder that the crate's folder is made in.
        #[arg(long, default_value = ".")]
        folder: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Generator,
    Oracle,
    Target,
    Scorer,
}

impl From<Kind> for Role {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Generator => Self::Generator,
            Kind::Oracle => Self::Oracle,
            Kind::Target => Self::Target,
            Kind::Scorer => Self::Scorer,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::List => {
            let plugins = Plugins { search: SearchPath::of(&[]), ..Plugins::default() };
            print!("{}", fmr_plugins::list(&plugins));
            Ok(())
        }
        Command::Check { library, component } => {
            let options = Options { component: component.clone(), ..Options::default() };
            let report = fmr_plugins::check::watch(library, &options, &mut |finding| println!("{finding}"))
                .map_err(|error| Failure::Text(error.to_string()))?;
            if report.passed() {
                return Ok(());
            }
            Err(Failure::Text(format!("{} does not keep the contract of plugins; see above", library.display())))
        }
        Command::New { name, kind, folder } => {
            let root = scaffold::new(name, (*kind).into(), folder, &Source::default())
                .map_err(|error| Failure::Text(error.to_string()))?;
            println!("{}", root.display());
            Ok(())
        }
    }
}
