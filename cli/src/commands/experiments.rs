//! `fmr experiments [DIR]`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use fmr::experiment::{Changes, ConfigError, Experiment, Lack};
use fmr::{Interrupt, SurveyedRow, survey};
use indicatif::HumanCount;

use crate::failure::Failure;

/// Rows that are named before the others are counted.
const NAMED_ROWS: usize = 6;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder of experiment files (TOML)
    #[arg(default_value = "experiments")]
    dir: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let (mut shared, mut wanted) = (Vec::new(), Wanted::default());
    for file in files(&arguments.dir)? {
        match tell(&file, &mut wanted) {
            Ok(Some(paragraph)) => writeln!(out, "{paragraph}")?,
            Ok(None) => shared.push(file.display().to_string()),
            Err(error) => writeln!(out, "{}\n  wrong       {error}\n", file.display())?,
        }
    }
    if !shared.is_empty() {
        writeln!(out, "Tables for other files to extend: {}", shared.join(", "))?;
    }
    if !wanted.0.is_empty() {
        writeln!(out, "\nNot on this machine")?;
    }
    for (i, lack) in wanted.0.iter().enumerate() {
        writeln!(out, "  {:>4} {lack}", format!("[{}]", i + 1))?;
    }
    if wanted.0.iter().any(|wanted| wanted.published) {
        writeln!(out, "`fmr fetch FILE` downloads what is marked with *")?;
    }
    Ok(())
}

/// The TOML files of a folder, `table2` before `table10`.
fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let refuse = |problem: String| Failure::Text(format!("{}: {problem}", dir.display()));
    let entries = std::fs::read_dir(dir).map_err(|e| refuse(format!("the folder cannot be read: {e}")))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(|e| refuse(e.to_string()))?.path();
        if file.extension().is_some_and(|ending| ending == "toml") && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(refuse("there is no experiment file (TOML) in the folder".to_owned()));
    }
    files.sort_by_key(|file| natural(&file.file_name().unwrap_or_default().to_string_lossy()));
    Ok(files)
}

/// A name as texts and numbers.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0_u64)];
    let mut digits = false;
    for c in name.chars() {
        if !c.is_ascii_digit() && digits {
            parts.push((String::new(), 0));
        }
        digits = c.is_ascii_digit();
        if let (Some((text, number)), digit) = (parts.last_mut(), c.to_digit(10)) {
            match digit {
                Some(digit) => *number = number.saturating_mul(10).saturating_add(digit.into()),
                None => text.push(c),
            }
        }
    }
    parts
}

/// The paragraph of a file; none of one without rows.
fn tell(file: &Path, wanted: &mut Wanted) -> Result<Option<String>, ConfigError> {
    if !Experiment::has_rows(file)? {
        return Ok(None);
    }
    let experiment = Experiment::read(file, &Changes::default())?;
    let rows = survey(&experiment, &fmr::registry_of(&experiment, &Interrupt::default()))?;
    let (can, cannot): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.lack.is_none());
    let mut lines = vec![format!("{}: {}", file.display(), experiment.title)];
    if !can.is_empty() {
        lines.push(format!("  can run     {}", named(&can)));
        let images: usize = can.iter().map(|row| row.images).sum();
        let iterations: usize = can.iter().map(|row| row.iterations).sum();
        lines.push(format!(
            "  costs       {} images, at most {} image-iterations",
            HumanCount(images as u64),
            HumanCount(iterations as u64)
        ));
    }
    if !cannot.is_empty() {
        lines.push(format!("  cannot run  {}", named(&cannot)));
        let mut numbers: Vec<usize> = cannot.iter().flat_map(|row| wanted.numbers(row)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let numbers: Vec<String> = numbers.iter().map(|number| format!("[{number}]")).collect();
        lines.push(format!("  lacks       {}", numbers.join(" ")));
    }
    Ok(Some(lines.join("\n") + "\n"))
}

/// The number of rows and the names of the first.
fn named(rows: &[&SurveyedRow]) -> String {
    let ids: Vec<&str> = rows.iter().take(NAMED_ROWS).map(|row| row.id.as_str()).collect();
    let plural = if rows.len() == 1 { "" } else { "s" };
    let more = match rows.len() - ids.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{} row{plural}: {}{more}", rows.len(), ids.join(", "))
}

/// What rows lack, each once.
#[derive(Default)]
struct Wanted(Vec<Wish>);

#[derive(PartialEq)]
struct Wish {
    text: String,
    published: bool,
}

impl std::fmt::Display for Wish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.text, if self.published { " *" } else { "" })
    }
}

impl Wanted {
    /// The numbers of what a row lacks, from 1.
    fn numbers(&mut self, row: &SurveyedRow) -> Vec<usize> {
        let wishes = match &row.lack {
            None => Vec::new(),
            Some(Lack::NotImplemented(problem)) => vec![Wish { text: problem.clone(), published: false }],
            Some(Lack::Files(files)) => {
                let wish = |missing: &fmr::experiment::MissingFiles| Wish {
                    text: Lack::Files(vec![missing.clone()]).to_string(),
                    published: missing.published,
                };
                files.iter().map(wish).collect()
            }
        };
        let number = |wish| match self.0.iter().position(|known| *known == wish) {
            Some(at) => at + 1,
            None => {
                self.0.push(wish);
                self.0.len()
            }
        };
        wishes.into_iter().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["table10.toml", "table2.toml", "masks.toml", "table1.toml", "table15.toml"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["masks.toml", "table1.toml", "table2.toml", "table10.toml", "table15.toml"]);
    }
}
