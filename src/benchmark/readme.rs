//! The card of a benchmark for people.

use std::fmt::Write as _;

use fmr_benchmark::{Card, Purpose, Recheck, Sample};
use fmr_report::{Cell, CellOf, Column, Grid, Row};

const CONFIDENCE: f64 = 0.95;

/// The text of the benchmark's `README.md`.
pub(super) fn text(card: &Card, samples: &[Sample]) -> String {
    let mut text = format!("# {}\n\n{}\n\n{}\n\n", card.title, purpose(card), card.world);
    let grids =
        [facts(card), accuracy(card, samples), recheck(card), classes(card, samples), licences(card), settings(card)];
    text.push_str(&usage(card));
    for grid in grids {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n## {}\n\n{}", grid.title, grid.to_markdown().trim_end());
    }
    text
}

fn purpose(card: &Card) -> &'static str {
    match card.purpose {
        Purpose::Evaluation => {
            "Images that a generator moved step by step along the gradient of one target's loss, as long as an oracle still saw \
             the true class. Accuracy on them is a *static* figure and no FMR: they were made for one target, and are easier for \
             targets that are unlike it."
        }
        Purpose::Training => {
            "Pairs of a training image and its perturbed copy, for training with a consistency loss. `images` and `originals` \
             hold the pairs under equal names; the manifest names both files, the label, and the image's place in the data set. \
             Where `produced` is false, the perturbed copy is the original itself."
        }
    }
}

fn usage(card: &Card) -> String {
    let both = match card.purpose {
        Purpose::Evaluation => "",
        Purpose::Training => "\nclean = ImageFolder(\"originals\")  # clean[i] and perturbed[i] are a pair",
    };
    let name = match card.purpose {
        Purpose::Evaluation => "benchmark",
        Purpose::Training => "perturbed",
    };
    let list = |of: &dyn Fn(&fmr_benchmark::Class) -> &str| {
        card.classes.iter().map(|class| format!("{:?}", of(class))).collect::<Vec<_>>().join(", ")
    };
    let mut text = format!(
        "## Use\n\n```python\nfrom torchvision.datasets import ImageFolder\n\n{name} = ImageFolder(\"images\")  # labels are those of \
         the manifest{both}\n```\n\n```sh\nsha256sum --check --quiet SHA256SUMS\nfmr score . --target MODEL=WEIGHTS\n```\n\nAs a data \
         set of `fmr`:\n\n```toml\n[data.{name}]\nkind = \"images\"\npath = \"images\"\nclasses = [{}]\n",
        list(&|class| &class.folder)
    );
    if card.classes.iter().any(|class| class.folder != class.name) {
        let _ = writeln!(text, "class-names = [{}]", list(&|class| &class.name));
    }
    text.push_str("```\n");
    text
}

fn facts(card: &Card) -> Grid {
    let [channels, height, width] = card.image;
    let facts = [
        ("run", format!("{}, row {}", card.run, card.row)),
        ("data", card.data.clone()),
        ("target", card.target.clone()),
        ("generator", card.generator.clone()),
        ("oracle", card.oracle.clone()),
        ("images", format!("{} of {} of the run", card.images, card.run_images)),
        ("size", format!("{height} × {width}, {channels} channels, 8-bit PNG")),
        ("written by", format!("fmr {}", card.fmr)),
    ];
    words("facts", "How the images came about", ["what", "value"], facts.map(|(name, value)| (name.to_owned(), value)))
}

/// The target that the images were made for, on the files.
fn accuracy(card: &Card, samples: &[Sample]) -> Grid {
    let right = |of: &dyn Fn(&Sample) -> Option<usize>| samples.iter().filter(|s| of(s) == Some(s.label)).count();
    let n = samples.len();
    let row = Row::new([card.target.as_str()])
        .over(n)
        .with("originals", Cell::share(right(&|s| s.original_prediction), n, CONFIDENCE))
        .with("perturbed", Cell::share(right(&|s| s.prediction), n, CONFIDENCE));
    let mut grid = Grid::new("accuracy", "Accuracy of the target that the images were made for").labels(["target"]);
    grid.columns = vec![Column::percent("originals", "originals"), Column::percent("perturbed", "perturbed")];
    grid.rows.push(row);
    grid.caption.confidence = Some(CONFIDENCE);
    grid
}

fn recheck(card: &Card) -> Grid {
    let Recheck { produced, refused, oracle_changed, prediction_changed, became_wrong, became_right } = card.recheck;
    let counts = [
        ("images that the search produced", produced),
        (
            match card.purpose {
                Purpose::Evaluation => "8-bit files that the oracle refuses (left out)",
                Purpose::Training => "8-bit files that the oracle refuses (the original stands in)",
            },
            refused,
        ),
        ("8-bit files in which the oracle sees a different class", oracle_changed),
        ("8-bit files to which the target gives a different class", prediction_changed),
        ("of these, the target was right and is wrong", became_wrong),
        ("of these, the target was wrong and is right", became_right),
    ];
    let columns: Vec<(Column, CellOf<'_, usize>)> = vec![(
        Column::percent("images", "share").meaning("share of the images that the search produced"),
        Box::new(|count: &usize| Cell::share(*count, produced, CONFIDENCE)),
    )];
    let rows = counts.map(|(name, count)| (Row::new([name]).over(produced), count));
    let mut grid = Grid::new("recheck", "What rounding to 8 bits changed").labels(["what"]).tabulate(columns, rows);
    grid.caption.confidence = Some(CONFIDENCE);
    grid
}

fn classes(card: &Card, samples: &[Sample]) -> Grid {
    let counts = card.counts(samples);
    let columns: Vec<(Column, CellOf<'_, (&str, usize)>)> = vec![
        (Column::text("folder", "folder"), Box::new(|(folder, _)| Cell::text(*folder))),
        (Column::count("images", "images"), Box::new(|(_, count)| Cell::count(*count))),
    ];
    let rows = card
        .classes
        .iter()
        .zip(counts)
        .map(|(class, count)| (Row::new([class.name.as_str()]), (class.folder.as_str(), count)));
    let mut grid = Grid::new("classes", "Classes").labels(["class"]).tabulate(columns, rows);
    if grid.rows.iter().any(|row| row.cells.get("images").and_then(Cell::number) == Some(0.0)) {
        let note = "A class has no image. Its folder is there, so that labels stay right: ImageFolder takes it with \
                    allow_empty=True.";
        grid.notes.push(note.to_owned());
    }
    grid
}

fn licences(card: &Card) -> Grid {
    let licences = card.licences.iter().map(|licence| (licence.of.clone(), licence.licence.clone()));
    words("licences", "Licences", ["of", "licence"], licences)
}

fn settings(card: &Card) -> Grid {
    let settings = card.settings.iter().map(|(name, value)| (name.clone(), value.clone()));
    words("settings", "Settings and fingerprints", ["field", "value"], settings)
}

fn words(id: &str, title: &str, [label, value]: [&str; 2], lines: impl IntoIterator<Item = (String, String)>) -> Grid {
    let columns: Vec<(Column, CellOf<'_, String>)> =
        vec![(Column::text("value", value), Box::new(|text: &String| Cell::text(text.clone())))];
    let rows = lines.into_iter().map(|(name, value)| (Row::new([name]), value));
    Grid::new(id, title).labels([label]).tabulate(columns, rows)
}
