//! Addresses of pages: absolute where a server answers, relative where they are files of a site.

use crate::listing::Filter;
use crate::query::{Query, encoded};

/// Where the pages live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// On a server.
    Live,
    /// In a folder, seen from a page that many folders below it.
    Site {
        /// Folders between the site's root and the page.
        depth: usize,
    },
}

/// An image that pages show of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Picture {
    /// One that the run keeps.
    Kept(fmr_store::ImageRole),
    /// Final image less original.
    Difference,
}

impl Picture {
    /// All, in the order of a strip.
    pub(crate) const ALL: [Self; 4] = [
        Self::Kept(fmr_store::ImageRole::Original),
        Self::Kept(fmr_store::ImageRole::Reconstruction),
        Self::Kept(fmr_store::ImageRole::Final),
        Self::Difference,
    ];

    /// Its name in addresses and captions.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kept(role) => role.name(),
            Self::Difference => "difference",
        }
    }
}

impl Links {
    /// Whether a server answers: forms, live figures.
    pub(crate) fn is_live(self) -> bool {
        self == Self::Live
    }

    fn to(self, path: &str, live_query: &Query, file: &str) -> String {
        match self {
            Self::Live => format!("/{path}{live_query}"),
            Self::Site { depth } => format!("{}{file}", "../".repeat(depth)),
        }
    }

    /// The list of runs.
    pub(crate) fn home(self) -> String {
        self.to("", &Query::default(), "index.html")
    }

    /// A style sheet or script.
    pub(crate) fn asset(self, name: &str) -> String {
        self.to(&format!("static/{name}"), &Query::default(), &format!("static/{name}"))
    }

    /// The tables of a run.
    pub(crate) fn run(self, run: &str) -> String {
        self.to(&format!("run/{}", encoded(run)), &Query::default(), &format!("{run}/index.html"))
    }

    /// A list of samples. A site has all of them, page by page.
    pub(crate) fn samples(self, run: &str, row: usize, filter: &Filter) -> String {
        let file = format!("{run}/row-{row}/page-{}.html", filter.page.max(1));
        self.to(&format!("run/{}/row/{row}", encoded(run)), &filter.query(), &file)
    }

    /// A sample.
    pub(crate) fn sample(self, run: &str, row: usize, index: usize, filter: &Filter) -> String {
        let file = format!("{run}/row-{row}/sample-{index}.html");
        self.to(&format!("run/{}/row/{row}/sample/{index}", encoded(run)), &filter.query(), &file)
    }

    /// An image of a sample.
    pub(crate) fn image(self, run: &str, row: usize, index: usize, picture: Picture) -> String {
        let file = format!("{run}/row-{row}/{index}-{}.png", picture.name());
        let path = format!("run/{}/row/{row}/image/{index}/{}", encoded(run), picture.name());
        self.to(&path, &Query::default(), &file)
    }

    /// Two rows side by side.
    pub(crate) fn compare(self, query: &Query) -> String {
        self.to("compare", query, "compare.html")
    }

    /// What happens in a run that is under way.
    pub(crate) fn events(self, run: &str) -> String {
        format!("/run/{}/events", encoded(run))
    }
}
