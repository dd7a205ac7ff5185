//! Parts of a run become the run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fmr_core::ImageHash;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Transaction};

use super::error::Asking as _;
use super::mended::{ReplacedPlugin, put_replaced, replaced};
use super::read::Ascending;
use super::value::{Sql, get_hash, get_vector, unreadable, vector};
use super::{Part, RunPlan, RunStore, StoreError, answers, facts, images, open};

impl RunStore {
    /// Makes one run of its parts, in a new or empty folder: its samples, images and answers are those of a run that was
    /// never divided, bit for bit, and its facts are those of its parts together. A process that dies leaves an ordinary
    /// unfinished run, which can be resumed.
    ///
    /// # Errors
    /// A part is missing, given twice, unfinished, damaged or of another run, or the folder cannot be used.
    pub fn merge(parts: &[PathBuf], dir: &Path) -> Result<Self, StoreError> {
        let parts: Vec<Self> = parts.iter().map(|part| Self::read(part)).collect::<Result<_, _>>()?;
        let first = expect_parts(&parts)?;
        let mut plan = RunPlan { part: Part::WHOLE, ..first.plan.clone() };
        for part in &parts {
            open::join_versions(&mut plan.versions, &part.plan.versions);
        }
        let mut whole = Self::create_keeping(dir, &plan, first.keep)?;
        for part in &parts {
            whole.add_part(part)?;
        }
        Ok(whole)
    }

    /// Adds all samples and facts of a part in one transaction.
    fn add_part(&mut self, part: &Self) -> Result<(), StoreError> {
        let dir = self.dir.clone();
        let transaction = self.database.transaction().asking(&dir, "merge parts")?;
        for (number, row) in self.plan.rows.iter().enumerate() {
            let theirs = facts::read(&part.database, number).asking(&part.dir, "read facts")?;
            let mut ours = facts::read(&transaction, number).asking(&dir, "merge parts")?;
            ours.merge(&theirs).map_err(|conflict| {
                let problem = format!("its row {:?} differs: {conflict}", row.id);
                StoreError::Merge { dir: part.dir.clone(), problem }
            })?;
            facts::write(&transaction, number, &ours).asking(&dir, "merge parts")?;
            let theirs = replaced(&part.database, number).asking(&part.dir, "read which plugins were replaced")?;
            let ours = replaced(&transaction, number).asking(&dir, "merge parts")?;
            let all = join_replaced(ours, theirs);
            put_replaced(&transaction, number, &all).asking(&dir, "merge parts")?;
        }
        copy_all(&part.database, &transaction).asking(&part.dir, "merge the part")?;
        transaction.commit().asking(&dir, "merge parts")
    }
}

/// The first part, where all are there, finished, and of one run.
fn expect_parts(parts: &[RunStore]) -> Result<&RunStore, StoreError> {
    let refuse = |dir: &Path, problem: String| Err(StoreError::Merge { dir: dir.to_owned(), problem });
    let Some(first) = parts.first() else {
        return refuse(Path::new("."), "no part was given".to_owned());
    };
    let of = first.plan.part.of();
    let mut seen: BTreeMap<usize, &Path> = BTreeMap::new();
    for store in parts {
        let (dir, part) = (store.dir(), store.plan.part);
        if let Some(difference) = first.plan.difference(&store.plan) {
            return refuse(dir, format!("{} differs from {}: {difference}", part, first.dir.display()));
        }
        if part.of() != of {
            return refuse(dir, format!("it is {part}, and {} is {}", first.dir.display(), first.plan.part));
        }
        if store.keep != first.keep {
            return refuse(dir, format!("it keeps other things of a sample than {} does", first.dir.display()));
        }
        if let Some(other) = seen.insert(part.index(), dir) {
            return refuse(dir, format!("it is {part}, and so is {}", other.display()));
        }
        for row in &store.plan.rows {
            // Whatever is wrong with a sample is found before the new run begins.
            let (done, planned) = (store.records(&row.id)?.len(), part.count(row.samples));
            if done < planned {
                let problem = format!("{done} of {planned} images of row {:?} are done: resume it first", row.id);
                return refuse(dir, problem);
            }
        }
    }
    let missing: Vec<String> =
        (0..of).filter(|index| !seen.contains_key(index)).map(|index| index.to_string()).collect();
    if missing.is_empty() {
        return Ok(first);
    }
    refuse(&first.dir, format!("shard {} of {of} was not given", missing.join(",")))
}

/// Replaced plugins of samples of both parts.
fn join_replaced(mut ours: Vec<ReplacedPlugin>, theirs: Vec<ReplacedPlugin>) -> Vec<ReplacedPlugin> {
    for new in theirs {
        let same = |old: &&mut ReplacedPlugin| (&old.field, &old.then, &old.now) == (&new.field, &new.then, &new.now);
        match ours.iter_mut().find(same) {
            Some(old) => old.kept = old.kept.saturating_add(new.kept),
            None => ours.push(new),
        }
    }
    ours
}

/// Copies samples, steps, latents, what was shown, images and further answers. Numbers of judges and lists of classes are
/// each database's own.
fn copy_all(from: &Connection, to: &Transaction<'_>) -> Sql<()> {
    for table in ["samples", "steps", "latents"] {
        copy(from, to, &format!("SELECT * FROM {table} ORDER BY row, idx"), table, &|_, value| {
            Ok(ToSqlOutput::Borrowed(value))
        })?;
    }
    let (mut judges, mut lists) = (BTreeMap::new(), BTreeMap::new());
    for (id, judge) in answers::numbered_judges(from)? {
        judges.insert(id, answers::number(to, &judge)?);
    }
    for (id, classes) in answers::numbered_class_lists(from)? {
        lists.insert(id, answers::class_list(to, &classes)?);
    }
    let shown = "SELECT row, idx, role, judged, image, target, oracle, logits, probabilities FROM shown
                 ORDER BY row, idx, role";
    copy(from, to, shown, "shown", &|column, value| match column {
        5 | 6 => renumbered(&judges, value.as_i64().map_err(|e| unreadable(column, e))?).map(ToSqlOutput::from),
        _ => Ok(ToSqlOutput::Borrowed(value)),
    })?;
    copy_answers(from, to, &judges, &lists)?;
    let mut hashes = from.prepare("SELECT DISTINCT image FROM shown ORDER BY image")?;
    let mut order = Ascending::new();
    for hash in hashes.query_map([], |row| order.next(get_hash(row, 0)?))? {
        let hash: ImageHash = hash?;
        if !images::copy(from, to, &hash)? {
            return Err(unreadable(0, format!("it lacks the image {hash}")));
        }
    }
    Ok(())
}

/// Copies answers of further judges. Where two parts hold different ones, the first stands.
fn copy_answers(
    from: &Connection,
    to: &Transaction<'_>,
    judges: &BTreeMap<i64, i64>,
    lists: &BTreeMap<i64, i64>,
) -> Sql<()> {
    let mut read = from.prepare("SELECT image, judge, classes, answer FROM answers ORDER BY image, judge, classes")?;
    let mut write = to.prepare("INSERT OR IGNORE INTO answers (image, judge, classes, answer) VALUES (?, ?, ?, ?)")?;
    let mut order = Ascending::new();
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        let (image, judge, classes) = order.next((get_hash(row, 0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))?;
        let (judge, classes) = (renumbered(judges, judge)?, renumbered(lists, classes)?);
        write.execute((image.bytes(), judge, classes, vector(&get_vector(row, 3)?)))?;
    }
    Ok(())
}

fn renumbered(numbers: &BTreeMap<i64, i64>, number: i64) -> Sql<i64> {
    numbers.get(&number).copied().ok_or_else(|| unreadable(0, format!("a number {number} that names nothing")))
}

/// Copies rows, each value as `change` makes it of a column's number and value.
fn copy(
    from: &Connection,
    to: &Transaction<'_>,
    select: &str,
    table: &str,
    change: &dyn for<'v> Fn(usize, ValueRef<'v>) -> Sql<ToSqlOutput<'v>>,
) -> Sql<()> {
    let mut read = from.prepare(select)?;
    let count = read.column_count();
    let names = read.column_names().collect::<Vec<_>>().join(", ");
    let places = vec!["?"; count].join(", ");
    let mut write = to.prepare(&format!("INSERT INTO {table} ({names}) VALUES ({places})"))?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..count {
            write.raw_bind_parameter(column + 1, change(column, row.get_ref(column)?)?)?;
        }
        write.raw_execute()?;
    }
    Ok(())
}
