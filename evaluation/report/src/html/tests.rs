#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::toy::{run, table};
use super::plots::{accepted, rise};
use super::*;

#[test]
fn the_page_holds_everything_and_loads_nothing() {
    let (_home, store) = run();
    let table = table(&store);
    let page = html(&Page { store: &store, table: &table, samples: 9 }).unwrap();
    assert_eq!(page.matches("class=\"sample\"").count(), 18);
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), 54);
    assert_eq!(page.matches("src=").count(), 54, "nothing else is loaded");
    assert!(!page.contains("<script") && !page.contains("href=") && !page.contains("url("));
    for text in [
        "Small world",
        "99.09",
        "ImageNet validation images [1]",
        "60303ae22b99",
        "weights:assets/lenet.safetensors",
        "an image of {class}&quot;",
        "Figures of the paper",
    ] {
        assert!(page.contains(text), "{text}");
    }
    for flag in table.rows.iter().flat_map(|row| &row.flags) {
        assert!(page.contains(&escape(&flag.sentence)));
    }
}

#[test]
fn names_cannot_inject_markup() {
    let (_home, store) = run();
    let mut table = table(&store);
    table.title = "<script>alert('1')</script> & \"more\"".to_owned();
    table.rows[0].model = "<img src=x>".to_owned();
    let page = html(&Page { store: &store, table: &table, samples: 1 }).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img src=x"));
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;more&quot;"));
}

#[test]
fn series_follow_the_records() {
    let (_home, store) = run();
    let records = store.records("mnist/lenet").unwrap();
    let share = accepted(&records);
    assert_eq!(share.len(), 6);
    let produced = records.iter().filter(|r| r.reconstruction_accepted).count();
    assert_eq!(share[0], 100.0 * produced as f64 / 40.0);
    let to_the_end = records.iter().filter(|r| r.outcome == fmr_core::Outcome::BudgetReached).count();
    assert_eq!(share[5], 100.0 * to_the_end as f64 / 40.0);
    assert!(share.windows(2).all(|w| w[1] <= w[0]));
    let (median, middle) = rise(&records);
    assert_eq!(median.len(), 5);
    for (t, (m, (low, high))) in median.iter().zip(&middle).enumerate() {
        assert!((m - 0.31 * (t + 1) as f64).abs() < 1e-9 && low <= m && m <= high);
    }
}
