//! The database of verdicts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, params};
use thiserror::Error;

use crate::question::{Answer, EightBit, Question};

/// Marks a file as a database of verdicts of this layout.
const APPLICATION: i64 = 0x464d_5256;
const LAYOUT: i64 = 1;
/// Longest name of an annotator, in characters.
const LONGEST_NAME: usize = 60;

const TABLES: &str = "
    CREATE TABLE secret (value BLOB NOT NULL) STRICT;
    CREATE TABLE items (
        id INTEGER PRIMARY KEY, image BLOB NOT NULL, question TEXT NOT NULL, classes TEXT NOT NULL,
        UNIQUE (image, question, classes)
    ) STRICT;
    CREATE TABLE verdicts (
        id INTEGER PRIMARY KEY, item INTEGER NOT NULL, annotator TEXT NOT NULL, answer TEXT NOT NULL,
        ticket TEXT NOT NULL, seconds REAL NOT NULL, at INTEGER NOT NULL, UNIQUE (annotator, ticket)
    ) STRICT;
    CREATE INDEX verdicts_item ON verdicts (item);
    CREATE INDEX verdicts_annotator ON verdicts (annotator);
";

/// A database that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerdictError {
    /// It holds something else.
    #[error("{}: {problem}", path.display())]
    NotVerdicts {
        /// The file.
        path: PathBuf,
        /// What it is not.
        problem: String,
    },
    /// SQLite says no.
    #[error("{}: verdicts cannot be {asked}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What was to be done.
        asked: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A name that is none.
    #[error("a name has 1 to {LONGEST_NAME} characters and no control characters")]
    Name,
    /// An answer that the question does not have.
    #[error("{0} is no answer to this question")]
    Answer(Answer),
}

/// What somebody said about an image: the last of what this person said about it under one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Who.
    pub annotator: String,
    /// What.
    pub answer: Answer,
    /// Seconds that the image was looked at.
    pub seconds: f64,
}

/// Verdicts on disk. One process or several may add to them.
#[derive(Debug)]
pub struct Verdicts {
    path: PathBuf,
    database: Connection,
}

impl Verdicts {
    /// Opens the verdicts of a file, which is made where there is none.
    ///
    /// # Errors
    /// The file is something else, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, VerdictError> {
        let fail = |source| VerdictError::Database { path: path.to_owned(), asked: "opened", source };
        let mut database = Connection::open(path).map_err(fail)?;
        let mark = |database: &Connection| -> Result<(i64, i64), rusqlite::Error> {
            let of = |name: &str| database.pragma_query_value(None, name, |row| row.get(0));
            Ok((of("application_id")?, of("user_version")?))
        };
        let prepare = |database: &mut Connection| -> Result<(i64, i64), rusqlite::Error> {
            database.busy_timeout(Duration::from_secs(30))?;
            let filled: i64 = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            let (application, layout) = mark(database)?;
            if filled > 0 && application != APPLICATION {
                // What is somebody else's stays as it is.
                return Ok((application, layout));
            }
            // A verdict is on disk before the annotator sees the next question: nobody judges an image twice because a disk was slow.
            database.pragma_update(None, "journal_mode", "wal")?;
            database.pragma_update(None, "synchronous", "full")?;
            let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if tables == 0 {
                transaction.execute_batch(TABLES)?;
                transaction.execute("INSERT INTO secret (value) VALUES (randomblob(32))", [])?;
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.pragma_update(None, "user_version", LAYOUT)?;
            }
            transaction.commit()?;
            mark(database)
        };
        let refuse = |problem: String| Err(VerdictError::NotVerdicts { path: path.to_owned(), problem });
        match prepare(&mut database) {
            Ok((APPLICATION, LAYOUT)) => Ok(Self { path: path.to_owned(), database }),
            Ok((APPLICATION, layout)) => refuse(format!("its layout is {layout}; this version reads {LAYOUT}")),
            Ok(_) => refuse("it is a database of something else than verdicts".to_owned()),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
                refuse("it is no database".to_owned())
            }
            Err(error) => Err(fail(error)),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What nobody outside knows, for names that tell nothing.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn secret(&self) -> Result<[u8; 32], VerdictError> {
        let found = self.database.query_row("SELECT value FROM secret", [], |row| row.get(0));
        found.map_err(|source| self.failed("read", source))
    }

    /// Adds what somebody says about an image. The same ticket of the same person again changes nothing: a form that is
    /// sent twice is one verdict. When this returns, the verdict is on disk.
    ///
    /// # Errors
    /// The name is none, the question has no such answer, or the disk is full.
    pub fn add(
        &mut self,
        image: EightBit,
        question: &Question,
        verdict: &Verdict,
        ticket: &str,
    ) -> Result<(), VerdictError> {
        let Verdict { annotator, answer, seconds } = verdict;
        check_name(annotator)?;
        if !question.answers().contains(answer) {
            return Err(VerdictError::Answer(*answer));
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut add = || -> Result<(), rusqlite::Error> {
            let transaction = self.database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let key = params![image.0, question.to_string(), classes(question)];
            transaction
                .prepare_cached("INSERT OR IGNORE INTO items (image, question, classes) VALUES (?, ?, ?)")?
                .execute(key)?;
            let item: i64 = transaction
                .prepare_cached("SELECT id FROM items WHERE image = ? AND question = ? AND classes = ?")?
                .query_row(key, |row| row.get(0))?;
            transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO verdicts (item, annotator, answer, ticket, seconds, at)
                     VALUES (?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![item, annotator, answer.to_string(), ticket, seconds, at as i64])?;
            transaction.commit()
        };
        add().map_err(|source| VerdictError::Database { path: self.path.clone(), asked: "added", source })
    }

    /// What people say about an image under a question, one verdict a person, by their names.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(&self, image: EightBit, question: &Question) -> Result<Vec<Verdict>, VerdictError> {
        let read = || -> Result<Vec<Verdict>, rusqlite::Error> {
            let key = params![image.0, question.to_string(), classes(question)];
            let item: Option<i64> = self
                .database
                .prepare_cached("SELECT id FROM items WHERE image = ? AND question = ? AND classes = ?")?
                .query_row(key, |row| row.get(0))
                .optional()?;
            let Some(item) = item else { return Ok(Vec::new()) };
            let mut statement = self.database.prepare_cached(
                "SELECT annotator, answer, seconds FROM verdicts WHERE id IN
                 (SELECT max(id) FROM verdicts WHERE item = ? GROUP BY annotator) ORDER BY annotator",
            )?;
            let found = statement.query_map([item], |row| {
                let answer: String = row.get(1)?;
                let answer = Answer::from_str(&answer)
                    .map_err(|e| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, e.into()))?;
                Ok(Verdict { annotator: row.get(0)?, answer, seconds: row.get(2)? })
            })?;
            found.collect()
        };
        read().map_err(|source| self.failed("read", source))
    }

    /// The images and questions that somebody has judged.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn judged_by(&self, annotator: &str) -> Result<BTreeMap<(EightBit, String), usize>, VerdictError> {
        let read = || -> Result<BTreeMap<(EightBit, String), usize>, rusqlite::Error> {
            let mut statement = self.database.prepare_cached(
                "SELECT image, question, count(*) FROM verdicts JOIN items ON items.id = verdicts.item
                 WHERE annotator = ? GROUP BY items.id",
            )?;
            let found = statement.query_map([annotator], |row| {
                Ok(((EightBit(row.get(0)?), row.get(1)?), row.get::<_, i64>(2)?.unsigned_abs() as usize))
            })?;
            found.collect()
        };
        read().map_err(|source| self.failed("read", source))
    }

    /// Number of verdicts, those that later ones replaced too.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn count(&self) -> Result<usize, VerdictError> {
        let count = self.database.query_row("SELECT count(*) FROM verdicts", [], |row| row.get::<_, i64>(0));
        count.map(|count| count.unsigned_abs() as usize).map_err(|source| self.failed("counted", source))
    }

    fn failed(&self, asked: &'static str, source: rusqlite::Error) -> VerdictError {
        VerdictError::Database { path: self.path.clone(), asked, source }
    }
}

fn classes(question: &Question) -> String {
    serde_json::Value::from(question.classes.clone()).to_string()
}

/// Refuses what is no name of an annotator.
///
/// # Errors
/// The name is empty, too long, or has control characters.
pub fn check_name(name: &str) -> Result<(), VerdictError> {
    let sound = name.trim() == name && !name.is_empty() && name.chars().count() <= LONGEST_NAME;
    (sound && name.chars().all(fmr_core::shown::is_plain)).then_some(()).ok_or(VerdictError::Name)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn question() -> Question {
        Question::about(0, &["cat", "dog"].map(str::to_owned))
    }

    fn said(annotator: &str, answer: Answer) -> Verdict {
        Verdict { annotator: annotator.to_owned(), answer, seconds: 1.5 }
    }

    #[test]
    fn a_verdict_sent_twice_is_one_and_a_second_thought_counts() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("verdicts.sqlite");
        let mut verdicts = Verdicts::open(&path).unwrap();
        let image = EightBit([7; 32]);
        for _ in 0..3 {
            verdicts.add(image, &question(), &said("ann", Answer::Class(0)), "t1").unwrap();
        }
        verdicts.add(image, &question(), &said("bob", Answer::CannotTell), "t1").unwrap();
        assert_eq!(verdicts.count().unwrap(), 2);
        verdicts.add(image, &question(), &said("ann", Answer::Class(1)), "t2").unwrap();
        drop(verdicts);
        let verdicts = Verdicts::open(&path).unwrap();
        let found = verdicts.of(image, &question()).unwrap();
        assert_eq!(found, [said("ann", Answer::Class(1)), said("bob", Answer::CannotTell)]);
        // The same image under different classes is a different question.
        let other = Question::about(0, &["cat", "cow"].map(str::to_owned));
        assert_eq!(verdicts.of(image, &other).unwrap(), []);
        assert_eq!(verdicts.secret().unwrap(), Verdicts::open(&path).unwrap().secret().unwrap());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let mut verdicts = Verdicts::open(&home.path().join("v.sqlite")).unwrap();
        let mut add = |name: &str, answer| verdicts.add(EightBit([0; 32]), &question(), &said(name, answer), "t");
        assert!(matches!(add("", Answer::Class(0)), Err(VerdictError::Name)));
        assert!(matches!(add("a\nb", Answer::Class(0)), Err(VerdictError::Name)));
        assert!(matches!(add("ann", Answer::Class(2)), Err(VerdictError::Answer(_))));
        assert!(matches!(add("ann", Answer::Yes), Err(VerdictError::Answer(_))));
        std::fs::write(home.path().join("text"), "this is no database at all, but a text of some length").unwrap();
        assert!(Verdicts::open(&home.path().join("text")).unwrap_err().to_string().contains("no database"));
        let other = home.path().join("other.sqlite");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(Verdicts::open(&other).unwrap_err().to_string().contains("something else"));
    }
}
