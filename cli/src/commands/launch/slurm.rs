//! Jobs for Slurm: one that prepares, an array of shards, one that merges. Scripts, so that a site's habits can be written in.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use fmr::experiment::Experiment;

use crate::commands::shared::ExperimentArguments;
use crate::failure::Failure;

/// Most tasks of an array where a site has not raised Slurm's own limit (`MaxArraySize` 1001).
const MOST_SHARDS: i64 = 1000;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    experiment: ExperimentArguments,
    /// Number of shards; a shard should take 10 to 60 minutes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_SHARDS))]
    shards: u32,
    /// Folder on a file system that all nodes see: for scripts, logs, shards and the merged run [default: slurm-NAME]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Shards that run at the same time, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: Option<u32>,
    /// Longest time of a shard, as Slurm writes it
    #[arg(long, value_name = "TIME", default_value = "02:00:00")]
    time: String,
    /// Processors of a shard
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    cpus: u32,
    /// Further options of sbatch for the shards, e.g. `--gres=gpu:1`; repeatable
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    option: Vec<String>,
    /// The command on the nodes [default: this program]
    #[arg(long, value_name = "PATH")]
    command: Option<PathBuf>,
    /// Submit the jobs
    #[arg(long)]
    submit: bool,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let experiment = arguments.experiment.read()?;
    let name = fmr_files::safe_name(&experiment.name);
    let folder = arguments.folder.clone().unwrap_or_else(|| PathBuf::from(format!("slurm-{name}")));
    let jobs = Jobs::new(arguments, &experiment, &absolute(&folder)?)?;
    for (file, text) in jobs.scripts() {
        write_script(&jobs.folder.join(file), &text)?;
    }
    std::fs::create_dir_all(jobs.folder.join("logs")).map_err(|error| cannot_write(&jobs.folder, &error))?;
    if arguments.submit {
        return submit(&jobs.folder, out);
    }
    writeln!(out, "sh {}", quoted(&jobs.folder.join("submit.sh").to_string_lossy()))?;
    Ok(())
}

/// An absolute path: jobs begin in a different folder.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::Text(format!("{}: {error}", path.display())))
}

fn write_script(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = std::fs::create_dir_all(folder).and_then(|()| fmr_files::replace(path, text.as_bytes()));
    written.map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Text(format!("{} cannot be written: {error}", path.display()))
}

fn submit(folder: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let submitted = Command::new("sh").arg(folder.join("submit.sh")).output();
    let submitted = submitted.map_err(|error| Failure::Text(format!("sh cannot be run: {error}")))?;
    out.write_all(&submitted.stdout)?;
    if submitted.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&submitted.stderr).trim().to_owned();
    Err(Failure::Text(format!("the jobs could not be submitted: {said}")))
}

/// What the scripts say.
struct Jobs {
    name: String,
    folder: PathBuf,
    /// Where relative paths of settings start: jobs begin in the folder that they are submitted from.
    here: String,
    command: String,
    /// The experiment file and what the command line changes of it.
    experiment: String,
    /// Whether there is something that all shards share.
    prepares: bool,
    shards: u32,
    at_once: Option<u32>,
    cpus: u32,
    time: String,
    options: Vec<String>,
}

impl Jobs {
    fn new(arguments: &Arguments, experiment: &Experiment, folder: &Path) -> Result<Self, Failure> {
        if folder.to_string_lossy().contains(char::is_whitespace) {
            let problem = "Slurm's options take no blanks in paths; name a folder without with --folder";
            return Err(Failure::Text(format!("{}: {problem}", folder.display())));
        }
        let command = match &arguments.command {
            Some(command) => command.clone(),
            None => std::env::current_exe().map_err(|error| {
                Failure::Text(format!("this program does not know where it is ({error}); say it with --command"))
            })?,
        };
        Ok(Self {
            name: fmr_files::safe_name(&experiment.name),
            folder: folder.to_owned(),
            here: quoted(&absolute(Path::new("."))?.to_string_lossy()),
            command: quoted(&command.to_string_lossy()),
            experiment: arguments
                .experiment
                .as_arguments(&absolute(arguments.experiment.file())?)
                .iter()
                .map(|text| quoted(text))
                .collect::<Vec<_>>()
                .join(" "),
            prepares: experiment.run.cache.is_some(),
            shards: arguments.shards,
            at_once: arguments.at_once,
            cpus: arguments.cpus,
            time: arguments.time.clone(),
            options: arguments.option.clone(),
        })
    }

    /// Names and texts.
    fn scripts(&self) -> Vec<(&'static str, String)> {
        let mut scripts = vec![("shards.sh", self.array()), ("merge.sh", self.merge()), ("submit.sh", self.submit())];
        if self.prepares {
            scripts.push(("prepare.sh", self.prepare()));
        }
        scripts
    }

    fn prepare(&self) -> String {
        let mut text = self.head("prepare", "%j");
        let _ = writeln!(text, "exec {} prepare {}", self.command, self.experiment);
        text
    }

    fn array(&self) -> String {
        let at_once = self.at_once.map(|most| format!("%{most}")).unwrap_or_default();
        let mut text = self.head("shard", "%A_%a");
        let _ = write!(
            text,
            "#SBATCH --array=0-{last}{at_once}
#SBATCH --signal=B:USR1@120
",
            last = self.shards - 1
        );
        self.options.iter().for_each(|option| {
            let _ = writeln!(text, "#SBATCH {option}");
        });
        let _ = write!(
            text,
            r#"
# Not SLURM_ARRAY_TASK_COUNT: that is 1 where one index is submitted again.
shards={shards}

{command} run {experiment} \
  --shard "$SLURM_ARRAY_TASK_ID/$shards" --publish {folder}/shards &
child=$!
again=
# Slurm warns with USR1 before the time is over; TERM is somebody who cancels.
trap 'again=yes; kill -TERM "$child" 2>/dev/null' USR1
trap 'kill -TERM "$child" 2>/dev/null' TERM
wait "$child"
code=$?
# A signal ends the wait, not the child.
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
# 75: a disk was full, or an earlier copy of this task still runs on the node.
if [ "$code" -eq 75 ] || {{ [ "$code" -ne 0 ] && [ -n "$again" ]; }}; then
  if [ "${{SLURM_RESTART_COUNT:-0}}" -lt 5 ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID" && exit 0
  fi
fi
exit "$code"
"#,
            shards = self.shards,
            command = self.command,
            experiment = self.experiment,
            folder = self.folder.display(),
        );
        text
    }

    fn merge(&self) -> String {
        let mut text = self.head("merge", "%j");
        let folder = self.folder.display();
        let of = if self.shards == 1 { String::new() } else { "-shard-*".to_owned() };
        let _ = write!(
            text,
            r#"
{command} merge {folder}/shards/{name}{of} --out {folder}/run && exit 0
code=$?
echo "When shards are missing: sbatch --array=NUMBERS {folder}/shards.sh, then sbatch {folder}/merge.sh" >&2
exit "$code"
"#,
            command = self.command,
            name = self.name,
        );
        text
    }

    fn submit(&self) -> String {
        let folder = self.folder.display();
        let (mut text, mut after) = (format!("#!/bin/sh\n# Submits the jobs.\nset -eu\ncd {}\n", self.here), "");
        if self.prepares {
            let _ = writeln!(text, "prepare=$(sbatch --parsable {folder}/prepare.sh)\nprepare=${{prepare%%;*}}");
            after = " --dependency=afterok:$prepare --kill-on-invalid-dep=yes";
        }
        let _ = write!(
            text,
            r#"shards=$(sbatch --parsable{after} {folder}/shards.sh)
shards=${{shards%%;*}}
# After any: it says which shards are missing.
merge=$(sbatch --parsable --dependency=afterany:$shards {folder}/merge.sh)
echo "shards: job $shards; merge: job ${{merge%%;*}}; the run: {folder}/run"
"#
        );
        text
    }

    /// Options that all jobs share.
    fn head(&self, what: &str, log: &str) -> String {
        let Self { name, folder, cpus, time, .. } = self;
        let folder = folder.display();
        format!(
            "#!/bin/bash
#SBATCH --job-name={name}-{what}
#SBATCH --output={folder}/logs/{what}-{log}.log
#SBATCH --open-mode=append
#SBATCH --cpus-per-task={cpus}
#SBATCH --time={time}
#SBATCH --requeue
"
        )
    }
}

/// A word for the shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:+,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_shell() {
        assert_eq!(quoted("/a/b-c_1.toml"), "/a/b-c_1.toml");
        assert_eq!(quoted("search.budget=5"), "search.budget=5");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
