//! `fmr plugin list | check LIB | new NAME`

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use fmr_plugins::check::Options;
use fmr_plugins::host::{Plugins, Role, SearchPath};
use fmr_plugins::scaffold::{self, Source};
use serde_json::{Map, Value};

use super::shared::assignment;
use crate::failure::Failure;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the plugins in the search path; loading them executes their code
    List,
    /// Check that a plugin keeps its contract; loading it executes its code
    Check {
        /// File of the library
        library: PathBuf,
        /// Component to check [default: all]
        #[arg(long)]
        component: Option<String>,
        /// Role of the components to check, where the library holds several of one name [default: all]
        #[arg(long, value_enum)]
        role: Option<Kind>,
        /// Setting for the components, e.g. `weights=model.safetensors`; repeatable
        #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
        set: Vec<(String, Value)>,
        /// Size of the images, if the component does not fix it
        #[arg(long, value_name = "CxHxW", value_parser = size, default_value = "3x32x32")]
        image: [usize; 3],
        /// Class for oracles; repeatable
        #[arg(long, value_name = "NAME")]
        class: Vec<String>,
    },
    /// Write a crate with a plugin that builds, a test and a README
    New {
        /// Name of the crate and its component
        name: String,
        /// Role of the component
        #[arg(long, value_enum, default_value = "target")]
        kind: Kind,
        /// Folder in which to create the crate's folder
        #[arg(long, default_value = ".")]
        folder: PathBuf,
        /// Source of fmr's own crates: a checkout, a git repository, or `crates.io` [default: the checkout that built this
        /// program, if it still exists, else crates.io]
        #[arg(long, value_name = "FOLDER|URL")]
        fmr: Option<String>,
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

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    match &arguments.command {
        Command::List => {
            let plugins = Plugins { search: SearchPath::of(&[]), ..Plugins::default() };
            write!(out, "{}", fmr_plugins::list(&plugins))?;
            Ok(())
        }
        Command::Check { library, component, role, set, image, class } => {
            let mut options = Options { component: component.clone(), image: *image, ..Options::default() };
            set.iter().for_each(|(key, value)| put(&mut options.settings.0, key, value));
            options.role = role.map(Role::from);
            if !class.is_empty() {
                options.classes.clone_from(class);
            }
            let mut written = Ok(());
            let mut told = |finding: &dyn std::fmt::Display| {
                if written.is_ok() {
                    written = writeln!(out, "{finding}");
                }
            };
            let report = fmr_plugins::check::watch(library, &options, &mut |finding| told(&finding))
                .map_err(|error| Failure::Text(error.to_string()))?;
            written?;
            if report.passed() {
                return Ok(());
            }
            Err(Failure::Text(format!("{} does not keep the contract of plugins; see above", library.display())))
        }
        Command::New { name, kind, folder, fmr } => {
            let source = fmr.as_deref().map_or_else(Source::default, Source::from);
            let root = scaffold::new(name, (*kind).into(), folder, &source)
                .map_err(|error| Failure::Text(error.to_string()))?;
            writeln!(out, "{}", root.display())?;
            Ok(())
        }
    }
}

/// Sets the value at a dotted path.
fn put(table: &mut Map<String, Value>, path: &str, value: &Value) {
    match path.split_once('.') {
        None => _ = table.insert(path.to_owned(), value.clone()),
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Map::new().into());
            if !inner.is_object() {
                *inner = Map::new().into();
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// `3x32x32`: channels, height, width.
fn size(text: &str) -> Result<[usize; 3], String> {
    let sides = text.split(['x', '×']).map(|side| side.parse().ok().filter(|n| *n > 0)).collect::<Option<Vec<_>>>();
    sides.and_then(|sides| sides.try_into().ok()).ok_or_else(|| "write CHANNELSxHEIGHTxWIDTH, e.g. 3x32x32".to_owned())
}
