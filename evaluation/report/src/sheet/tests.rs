#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_store::RunStore;

use super::*;
use crate::toy::store;

#[test]
fn a_sheet_is_a_picture_of_the_samples() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    for (row, side) in results.rows().iter().zip([28, 32]) {
        let options = SheetOptions { samples: 12, subtitle: "small world · budget 5".to_owned() };
        let png = contact_sheet(&results, row, &options).unwrap();
        let sheet = image::load_from_memory(&png).unwrap().to_rgb8();
        assert!(sheet.width() <= WIDEST && sheet.height() < 2000);
        // The first sample's original stands, enlarged pixel by pixel, where the layout says.
        let first = &row.records[select_samples(&row.records, 1)[0]];
        let original = results.images(row, first.index).unwrap().original;
        let top = MARGIN + 34 + 4 * LINE + HEADINGS + LINE + 6;
        let grey = original.dim().0 == 1;
        for (y, x) in [(0, 0), (13, 5), (side - 1, side - 1)] {
            let pixel = sheet.get_pixel(MARGIN + GUTTER + 4 * x as u32 + 1, top + 4 * y as u32 + 2);
            for c in 0..3 {
                assert_eq!(pixel[c], fmr_data::pixels::to_u8(original[[if grey { 0 } else { c }, y, x]]));
            }
        }
    }
}

#[test]
fn changed_predictions_come_first_in_turn_over_classes() {
    let (_home, store) = store();
    let results = Results::read(&store).unwrap();
    let records = &results.rows()[0].records;
    let chosen = select_samples(records, 6);
    assert!(chosen.iter().all(|at| changed(&records[*at])));
    let classes: Vec<usize> = chosen.iter().map(|at| records[*at].label).collect();
    let different: std::collections::BTreeSet<_> = classes[..4].iter().collect();
    assert_eq!(different.len(), 4, "{classes:?}");
    let mut all = select_samples(records, 1000);
    all.sort_unstable();
    assert_eq!(all, (0..40).collect::<Vec<_>>(), "every sample once");
}

#[test]
fn an_empty_row_gives_an_empty_sheet() {
    let home = tempfile::TempDir::new().unwrap();
    let plan = crate::store_toy::plan(4);
    let store = RunStore::create(&home.path().join("run"), &plan).unwrap();
    let results = Results::read(&store).unwrap();
    let png = contact_sheet(&results, &results.rows()[0], &SheetOptions::default()).unwrap();
    assert!(image::load_from_memory(&png).unwrap().height() > MARGIN);
}

#[test]
fn long_names_are_cut_and_unknown_letters_shown() {
    assert_eq!(Face::PLAIN.fit("automobile", 200), "automobile");
    let cut = Face::PLAIN.fit("yellow garden spider", 96);
    assert!(cut.ends_with("..") && Face::PLAIN.width(&cut) <= 96, "{cut}");
    let mut canvas = Canvas::new(40, 40, PAPER);
    assert!(canvas.text(0, 0, "犬é", Face::PLAIN, INK) > 0);
    assert!(canvas.image.pixels().any(|p| p.0 != PAPER));
}
