//! Tables of kinds that no builder makes yet, in every form: only their grids are new.

#![expect(clippy::unwrap_used, reason = "tests")]

use fmr_core::metrics::Interval;
use insta::assert_snapshot;

use crate::{Cell, Column, Figure, Grid, Report, Row};

/// Figures of models with several generators side by side, as the paper's Table 3, and as Table 8 what was made for one
/// model shown to another.
fn pivot() -> Grid {
    let mut grid = Grid::new("generators", "PA and FMR with several generators").labels(["made for", "shown to"]);
    for generator in ["ADM", "VQGAN"] {
        for figure in ["PA", "FMR"] {
            let id = format!("{generator}-{figure}").to_lowercase();
            let meaning = if figure == "PA" { "perturbed accuracy" } else { "PA / SA" };
            grid.columns.push(Column::percent(&id, figure).group(generator).digits(2).meaning(meaning));
        }
    }
    let ratio = |value: f64| Figure {
        value: Some(value),
        interval: Some(Interval { lo: 0.9 * value, hi: 1.1 * value }),
        ..Figure::default()
    };
    for (at, (made_for, shown_to)) in
        [("vanilla", "vanilla"), ("vanilla", "PGD"), ("PGD", "vanilla"), ("PGD", "PGD")].into_iter().enumerate()
    {
        let hits = 100 - 10 * at;
        let row = Row::new([made_for, shown_to]).over(200).with("adm-pa", Cell::share(hits, 200, 0.95));
        let row = row.with("adm-fmr", Cell::from(ratio(1.02)).paper(Some("57.79".to_owned())));
        let remark = "SA is that of the second model.";
        let vqgan = Cell::share(hits, 180, 0.95);
        let row = row.with("vqgan-pa", if at == 1 { vqgan.remark(remark) } else { vqgan });
        grid.rows.push(if at == 3 { row } else { row.with("vqgan-fmr", Cell::of(0.6241)) });
    }
    grid.caption.confidence = Some(0.95);
    grid
}

/// Figures of classes, as in the paper's Table 13, with other columns: a count, a text, a curve.
fn classes() -> Grid {
    let mut grid = Grid::new("classes", "By class").labels(["class"]);
    grid.columns = vec![
        Column::percent("vr", "VR").digits(2).meaning("validation rate"),
        Column::count("parameters", "parameters"),
        Column::text("heads", "attention heads"),
        Column::number("loss", "loss by step").digits(1).meaning("every 20 steps"),
        Column::seconds("time", "time"),
    ];
    for (class, hits, heads) in [("dog", 143, "(2,4,8,16)"), ("primate", 72, "12"), ("犬", 0, "–")] {
        let row = Row::new([class]).over(150).with("vr", Cell::share(hits, 150, 0.95));
        let row = row.with("parameters", Cell::count(88_000_000)).with("heads", Cell::text(heads));
        grid.rows.push(row.with("loss", Cell::series([8.6, 2.7, 2.3, 1.7, 1.5])).with("time", Cell::of(f64::NAN)));
    }
    grid
}

#[test]
fn any_table_has_every_form() {
    for grid in [pivot(), classes()] {
        let forms = [
            ("text", grid.to_text(104)),
            ("narrow", grid.to_text(50)),
            ("markdown", grid.to_markdown()),
            ("html", grid.to_html().replace("<tr>", "\n<tr>").replace("<td", "\n  <td").replace("<th", "\n  <th")),
            ("csv", grid.to_csv().unwrap()),
            ("latex", grid.to_latex()),
        ];
        for (form, text) in forms {
            assert_snapshot!(format!("{}_as_{form}", grid.id), text);
        }
        let report = Report { title: grid.title.clone(), grids: vec![grid], ..Report::default() };
        assert_eq!(Report::from_json(&report.to_json().unwrap()).unwrap(), report);
    }
}

#[test]
fn a_table_that_is_too_wide_is_parted() {
    let mut grid = pivot();
    for at in 0..8 {
        grid.columns.push(Column::percent(&format!("more-{at}"), &format!("more {at}")));
    }
    let text = grid.to_text(104);
    assert!(text.lines().all(|line| line.chars().count() <= 104), "{text}");
    assert_snapshot!(text);
}

/// Names as an attacker or an accident would write them, in every place that a name can have.
#[test]
fn hostile_names_are_text_in_every_form() {
    let hostile = [
        "=HYPERLINK(\"http://x\",\"y\")",
        "+1|*b*|_i_|`c`|<b>|[l](u)|$x$|~s~|# h",
        "@SUM(A1)\r\n-2",
        "\\input{/etc/passwd}%&#_^~{}$\"<>|",
        "[2cm] ?` !` ---",
        "a\u{1b}[31mred\u{202e}gpj\u{7}",
        "\"><script>x</script>' onx='",
    ];
    let mut grid = Grid::new("hostile", hostile[6]).labels([hostile[1], hostile[3]]);
    grid.caption.facts = vec![(hostile[5].to_owned(), hostile[4].to_owned())];
    grid.columns =
        vec![Column::text("a", hostile[1]).group(hostile[3]).meaning(hostile[6]), Column::percent("=b", hostile[4])];
    for name in hostile {
        let row = Row::new([name, name]).with("a", Cell::text(name).remark(name));
        grid.rows.push(row.with("=b", Cell::of(0.5).paper(Some(name.to_owned()))));
    }
    grid.notes = vec![hostile[3].to_owned()];
    let forms = [
        ("text", grid.to_text(104)),
        ("markdown", grid.to_markdown()),
        ("html", grid.to_html().replace("<tr>", "\n<tr>")),
        ("csv", grid.to_csv().unwrap()),
        ("latex", grid.to_latex()),
    ];
    for (form, text) in &forms {
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(acts), "{form}: {text:?}");
    }
    let form = |name: &str| forms.iter().find(|(form, _)| *form == name).unwrap().1.as_str();
    assert!(!form("html").contains("<script") && form("html").contains("&quot;&gt;&lt;script&gt;"));
    assert_eq!(form("html").matches('"').count() % 2, 0, "no name ends an attribute");
    for line in csv::Reader::from_reader(form("csv").as_bytes()).records() {
        assert!(line.unwrap().iter().all(|field| !field.starts_with(['=', '+', '-', '@'])), "{}", form("csv"));
    }
    assert!(!form("latex").contains("\\input"));
    assert_snapshot!("hostile_as_markdown", form("markdown"));
    assert_snapshot!("hostile_as_latex", form("latex"));
    assert_snapshot!("hostile_as_csv", form("csv"));
}
