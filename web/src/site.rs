//! Runs as a folder of pages, for any static host and for opening from disk.

use std::path::{Path, PathBuf};

use fmr_store::RunStore;

use crate::app::{App, row_id};
use crate::error::WebError;
use crate::links::{Links, Picture};
use crate::listing::{Filter, Listing};
use crate::pages;
use crate::query::Query;
use crate::router::assets;

/// Writes a site of all runs into a folder: the list, the tables of each run, and at most `samples` samples of each row
/// with their images, the first ones. Gives the number of its files.
///
/// # Errors
/// A run cannot be read, or a file cannot be written.
pub fn write(app: &App, dir: &Path, samples: usize) -> Result<usize, WebError> {
    let mut site = Site { app, dir, files: 0 };
    // Hosts that turn Markdown into pages must leave these as they are.
    site.put(".nojekyll", b"")?;
    site.put("index.html", pages::home(app, Links::Site { depth: 0 }).as_bytes())?;
    for (name, _, text) in assets().iter().filter(|(name, _, _)| name.ends_with(".css")) {
        site.put(&format!("static/{name}"), text.as_bytes())?;
    }
    for run in app.runs.list() {
        site.put(
            &format!("{}/index.html", run.slug),
            pages::run(app, Links::Site { depth: 1 }, &run.slug)?.as_bytes(),
        )?;
        for row in 0..app.plan(&run)?.rows.len() {
            site.row(&run.slug, row, samples)?;
        }
    }
    Ok(site.files)
}

struct Site<'a> {
    app: &'a App,
    dir: &'a Path,
    files: usize,
}

impl Site<'_> {
    fn row(&mut self, slug: &str, row: usize, samples: usize) -> Result<(), WebError> {
        let links = Links::Site { depth: 2 };
        let run = self.app.run(slug)?;
        let listing: std::sync::Arc<Listing> = self.app.listing(&run, row)?;
        let shown: Vec<usize> = listing.outlines.iter().take(samples).map(|outline| outline.record.index).collect();
        let filter =
            Filter { size: crate::listing::PAGE, page: 1, most_shown: Some(samples), ..Filter::of(&Query::default()) };
        for page in 1..=shown.len().div_ceil(filter.size).max(1) {
            let text = pages::samples(self.app, links, slug, row, &filter.at(page))?;
            self.put(&format!("{slug}/row-{row}/page-{page}.html"), text.as_bytes())?;
        }
        for index in shown {
            let text = pages::sample(self.app, links, slug, row, index, &filter)?;
            self.put(&format!("{slug}/row-{row}/sample-{index}.html"), text.as_bytes())?;
            for picture in Picture::ALL {
                let image = run.look(|store: &RunStore| match picture {
                    Picture::Kept(role) => Ok::<_, WebError>(store.png_of(&row_id(store.plan(), row)?, index, role)?),
                    Picture::Difference => pages::difference(store, row, index),
                })?;
                if let Some(image) = image {
                    self.put(&format!("{slug}/row-{row}/{index}-{}.png", picture.name()), &image)?;
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), WebError> {
        let path = self.dir.join(name);
        let written =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| fmr_files::replace(&path, bytes));
        self.files += 1;
        written.map_err(|source| WebError::Write { path: PathBuf::from(&path), source })
    }
}
