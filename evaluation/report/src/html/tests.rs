#![expect(clippy::unwrap_used, reason = "tests")]

use crate::toy::{report, store};
use crate::{Page, Results};

#[test]
fn the_page_holds_everything_and_loads_nothing() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let report = report(&results);
    let page = Page { report: &report, results: &results, samples: 9 }.html().unwrap();
    assert_eq!(page.matches("class=\"sample\"").count(), 18);
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), 54);
    assert_eq!(page.matches("src=").count(), 54, "nothing else is loaded");
    assert_eq!(page.matches("<img").count(), page.matches("alt=\"").count(), "every image is described");
    assert!(!page.contains("<script") && !page.contains("url(") && !page.contains("@import"));
    assert_eq!(page.matches("href=").count(), page.matches("href=\"#").count(), "links stay in the page");
    for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert_eq!(page.matches(&format!("id=\"{target}\"")).count(), 1, "{target}");
    }
    for text in [
        "Small world",
        "99.09",
        "2 of 4 rows did not run here. They lack: ImageNet validation images (2), ResNet50 weights (1), ViT weights (1).",
        "60303ae22b99",
        "weights:assets/lenet.safetensors",
        "an image of {class}&quot;",
        "Figures of the paper",
        "Class by class",
        "prefers-color-scheme: dark",
        "@media print",
    ] {
        assert!(page.contains(text), "{text}");
    }
    for flag in report.grids[0].rows.iter().flat_map(|row| &row.flags) {
        assert!(page.contains(&flag.sentence), "{}", flag.sentence);
    }
    // One table for all rows, and not one under each.
    assert_eq!(page.matches("What the results depend on").count(), 2, "a summary and a name");
}

#[test]
fn names_cannot_inject_markup() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let mut report = report(&results);
    report.title = "</title><script>alert('1')</script> & \"more\"\u{1b}[31m".to_owned();
    report.grids[0].rows[0].path[1] = "<img src=x onerror=\"x\">".to_owned();
    report.grids[0].columns[0].meaning = "\" onclick=\"x".to_owned();
    let page = Page { report: &report, results: &results, samples: 1 }.html().unwrap();
    assert!(!page.contains("<script") && !page.contains("<img src=x") && !page.contains("\" onclick=\""));
    assert!(page.contains("&lt;script&gt;alert('1')&lt;/script&gt; &amp; &quot;more&quot;\\u{1b}[31m"));
}
