//! A run as somebody looks at it who goes from sample to sample: without reading all of it.

use fmr_core::{ImageHash, SampleRecord};
use rusqlite::{Connection, OptionalExtension as _};

use super::error::Asking as _;
use super::value::{Sql, get_vector, to_i64, unreadable};
use super::{RunStore, StoreError, read, shown};

/// One of the three images of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageRole {
    /// The image of the data set.
    Original,
    /// x̂0.
    Reconstruction,
    /// What the search ended with.
    Final,
}

impl ImageRole {
    /// All, in the order of a search.
    pub const ALL: [Self; 3] = [Self::Original, Self::Reconstruction, Self::Final];

    /// `original`, `reconstruction` or `final`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Original => shown::ORIGINAL,
            Self::Reconstruction => shown::RECONSTRUCTION,
            Self::Final => shown::FINAL,
        }
    }
}

/// A finished sample as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// The sample, without its steps.
    pub record: SampleRecord,
    /// Oracle's probability of the true class on the final image; absent where it was not asked.
    pub oracle_true: Option<f32>,
}

impl RunStore {
    /// Number of finished samples of a row, at the cost of counting them.
    ///
    /// # Errors
    /// The row is not of this run, or the database cannot be read.
    pub fn done(&self, row: &str) -> Result<usize, StoreError> {
        let number = self.plan.number(row, &self.dir)?;
        let count = || -> Sql<usize> {
            let mut statement = self.database.prepare_cached("SELECT count(*) FROM samples WHERE row = ?")?;
            let count: i64 = statement.query_row([to_i64(number)?], |found| found.get(0))?;
            usize::try_from(count).map_err(|e| unreadable(0, e))
        };
        count().asking(&self.dir, "count samples")
    }

    /// All finished samples of a row without their steps, by index: a small part of what [`RunStore::records`] reads.
    ///
    /// # Errors
    /// As [`RunStore::records`].
    pub fn outlines(&self, row: &str) -> Result<Vec<Outline>, StoreError> {
        let number = self.plan.number(row, &self.dir)?;
        let (plan, part) = (&self.plan.rows[number], self.plan.part);
        let read = || -> Sql<Vec<Outline>> {
            // One view of the database for both queries, also while a writer adds to it.
            let _view = self.database.unchecked_transaction()?;
            let records = read::samples(&self.database, number, plan, part, None)?;
            let seen = seen(&self.database, number)?;
            let mut seen = seen.into_iter().peekable();
            let outline = |record: SampleRecord| {
                while seen.next_if(|(index, _)| *index < record.index).is_some() {}
                let probabilities = seen.next_if(|(index, _)| *index == record.index);
                let oracle_true = probabilities.and_then(|(_, p)| p.get(record.label).copied());
                Outline { record, oracle_true }
            };
            Ok(records.into_iter().map(outline).collect())
        };
        read().asking(&self.dir, "list samples")
    }

    /// One finished sample with its steps; `None` where it is not finished.
    ///
    /// # Errors
    /// As [`RunStore::records`].
    pub fn record(&self, row: &str, index: usize) -> Result<Option<SampleRecord>, StoreError> {
        let number = self.plan.number(row, &self.dir)?;
        let (plan, part) = (&self.plan.rows[number], self.plan.part);
        let found =
            read::samples(&self.database, number, plan, part, Some(index)).asking(&self.dir, "read a sample")?;
        Ok(found.into_iter().next())
    }

    /// An image of a finished sample as a PNG file of 8 bits; `None` where the sample is not finished.
    ///
    /// # Errors
    /// As [`RunStore::pngs`].
    pub fn png_of(&self, row: &str, index: usize, role: ImageRole) -> Result<Option<Vec<u8>>, StoreError> {
        match self.hash_of(row, index, role)? {
            Some(hash) => self.png(&hash).map(Some),
            None => Ok(None),
        }
    }

    /// The name under which an image of a finished sample is kept.
    ///
    /// # Errors
    /// The row is not of this run, or the database cannot be read.
    pub fn hash_of(&self, row: &str, index: usize, role: ImageRole) -> Result<Option<ImageHash>, StoreError> {
        let number = self.plan.number(row, &self.dir)?;
        let find = || -> Sql<Option<ImageHash>> {
            let mut statement =
                self.database.prepare_cached("SELECT image FROM shown WHERE row = ? AND idx = ? AND role = ?")?;
            let key = (to_i64(number)?, to_i64(index)?, role.name());
            statement.query_row(key, |found| super::value::get_hash(found, 0)).optional()
        };
        find().asking(&self.dir, "find an image")
    }
}

/// The oracle's probabilities on final images, by sample.
fn seen(database: &Connection, row: usize) -> Sql<Vec<(usize, Vec<f32>)>> {
    let mut statement = database
        .prepare_cached("SELECT idx, probabilities FROM shown WHERE row = ? AND role = 'final' ORDER BY idx")?;
    let found =
        statement.query_map([to_i64(row)?], |found| Ok((super::value::get_usize(found, 0)?, get_vector(found, 1)?)))?;
    found.collect()
}
