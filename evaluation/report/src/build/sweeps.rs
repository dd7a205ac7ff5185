//! Curves over step sizes: tables of their areas and points, and the figures.

use fmr_core::metrics::{Interval, Proportion};

use super::Run;
use crate::grid::{Caption, CellOf, Figure};
use crate::plot::{Axis, Line, Plot, Point};
use crate::sweep::{Course, MOST_PIXELS, Stop, Sweep};
use crate::{Cell, Column, Grid, Row};

/// The area under each curve.
pub(super) fn areas(run: &Run<'_>, sweeps: &[Sweep]) -> Option<Grid> {
    let columns: Vec<(Column, CellOf<'_, &Course>)> = vec![
        (
            Column::percent("area", "area").digits(run.digits).meaning("area under FMR against log₁₀ of the step size"),
            Box::new(|course: &&Course| {
                course.area.map_or_else(Cell::missing, |area| {
                    Figure { value: area.value, interval: area.interval, ..Figure::default() }.into()
                })
            }),
        ),
        (
            Column::text("steps", "step sizes").meaning("those that were run"),
            Box::new(|course| {
                let steps: Vec<String> = course.stops.iter().map(|stop| stop.step_size.to_string()).collect();
                Cell::text(steps.join(", "))
            }),
        ),
    ];
    let rows = each(sweeps).map(|(sweep, course)| {
        let images = course.area.map_or(0, |area| area.images);
        (Row::new(path(sweep, course)).over(images), course)
    });
    let rows: Vec<(Row, &Course)> = rows.collect();
    let unit = |unit: &str| sweeps.iter().all(|sweep| sweep.unit == unit);
    let units = match (unit("latent"), unit("spread")) {
        (true, _) => "Step sizes are in the latent's own unit.",
        (_, true) => "Step sizes are in spreads of the latent's blocks.",
        _ => "Step sizes are in the unit that each setting names.",
    };
    let notes = vec![
        format!(
            "The area is divided by the length of its axis: it is the mean FMR over step sizes from the smallest to the \
             largest, each factor counting alike. It compares targets over the same step sizes only. {units}"
        ),
        "An image's influences are summed over the step sizes before they are squared.".to_owned(),
    ];
    let grid = Grid { notes, ..Grid::new("area", "Area under the curve of FMR against step size") };
    (!rows.is_empty()).then(|| grid.labels(["data", "target"]).tabulate(columns, rows))
}

/// The points of the curves, with how far images moved.
pub(super) fn points(run: &Run<'_>, sweeps: &[Sweep]) -> Option<Grid> {
    let digits = run.digits;
    let columns: Vec<(Column, CellOf<'_, &Stop>)> = vec![
        (Column::percent("fmr", "FMR").digits(digits), Box::new(|stop: &&Stop| (&stop.fmr).into())),
        (Column::percent("pa", "PA").digits(digits), Box::new(|stop| (&stop.pa).into())),
        (Column::percent("vr", "VR").digits(digits), Box::new(|stop| (&stop.vr).into())),
        (
            Column::number("moved", "moved")
                .digits(4)
                .meaning("median over images of the largest change of a latent value"),
            Box::new(|stop| Cell::of(stop.moved)),
        ),
        (
            Column::number("spreads", "in spreads").digits(4).meaning("the same, in spreads of the value's block"),
            Box::new(|stop| Cell::of(stop.spreads)),
        ),
        (
            Column::number("pixels", "pixel RMS")
                .digits(4)
                .meaning("median of the root mean square change of the pixels, from reconstruction to final image"),
            Box::new(|stop| Cell::of(stop.pixels)),
        ),
    ];
    let rows = each(sweeps).flat_map(|(sweep, course)| {
        let name = path(sweep, course).join(" · ");
        course.stops.iter().map(move |stop| (Row::new([name.clone(), stop.step_size.to_string()]).over(stop.n), stop))
    });
    let rows: Vec<(Row, &Stop)> = rows.collect();
    let notes = vec![format!("Pixels are those of the first {MOST_PIXELS} perturbed images of a row at most.")];
    let grid = Grid { notes, detail: true, ..Grid::new("curve", "Figures at each step size") };
    (!rows.is_empty()).then(|| grid.labels(["row", "step size"]).tabulate(columns, rows))
}

fn each(sweeps: &[Sweep]) -> impl Iterator<Item = (&Sweep, &Course)> {
    sweeps.iter().flat_map(|sweep| sweep.courses.iter().map(move |course| (sweep, course)))
}

fn path(sweep: &Sweep, course: &Course) -> [String; 2] {
    let setting = if sweep.setting.is_empty() { String::new() } else { format!(", {}", sweep.setting) };
    [format!("{}{setting}", course.data), course.target.clone()]
}

/// A place of a stop on the vertical axis, with its interval.
type Height = fn(&Stop) -> Option<Point>;

/// A horizontal axis.
struct Against {
    /// In the name of a figure.
    id: &'static str,
    /// In its title.
    words: &'static str,
    label: String,
    log: bool,
    /// Place of a stop; absent where it is not known.
    of: fn(&Stop) -> Option<f64>,
}

/// The figures: FMR, PA and VR against step size, and FMR against the distance moved.
pub(super) fn plots(sweeps: &[Sweep], caption: &Caption) -> Vec<Plot> {
    let mut plots = Vec::new();
    for (at, sweep) in sweeps.iter().enumerate() {
        let unit = match sweep.unit.as_str() {
            "spread" => "spreads of the latent's blocks",
            _ => "unit of the latent",
        };
        let step = Against {
            id: "step-size",
            words: "step size",
            label: format!("step size ({unit})"),
            log: true,
            of: |stop| Some(stop.step_size),
        };
        let latent = Against {
            id: "latent",
            words: "latent distance",
            label: "largest change of a latent value (spreads), median".to_owned(),
            log: false,
            of: |stop| stop.spreads,
        };
        let pixels = Against {
            id: "pixels",
            words: "pixel distance",
            label: "root mean square change of the pixels, median".to_owned(),
            log: false,
            of: |stop| stop.pixels,
        };
        let all: [(&str, Height, &Against); 5] = [
            ("FMR", fmr, &step),
            ("PA", |stop| share(&stop.pa), &step),
            ("VR", |stop| share(&stop.vr), &step),
            ("FMR", fmr, &latent),
            ("FMR", fmr, &pixels),
        ];
        for (figure, height, x) in all {
            let number = if sweeps.len() > 1 { format!("-{}", at + 1) } else { String::new() };
            let setting = if sweep.setting.is_empty() { String::new() } else { format!(" ({})", sweep.setting) };
            let plot = Plot {
                id: format!("{}-{}{number}", figure.to_lowercase(), x.id),
                title: format!("{figure} against {}{setting}", x.words),
                x: Axis { label: x.label.clone(), log: x.log, range: None },
                y: Axis { label: format!("{figure}, %"), log: false, range: None },
                lines: sweep.courses.iter().filter_map(|course| line(course, height, x)).collect(),
                notes: notes(sweep, caption),
            };
            plots.extend(Some(plot).filter(Plot::is_drawn));
        }
    }
    plots
}

/// The line of a course; `None` where it has no point.
fn line(course: &Course, height: Height, x: &Against) -> Option<Line> {
    let point = |stop: &Stop| Some(Point { x: (1e9 * (x.of)(stop)?).round() / 1e9, ..height(stop)? });
    let mut points: Vec<Point> = course.stops.iter().filter_map(point).collect();
    points.sort_by(|a, b| a.x.total_cmp(&b.x));
    let n = course.stops.iter().map(|stop| stop.n).max().unwrap_or_default();
    (!points.is_empty()).then(|| Line { name: format!("{} (n = {n})", course.name()), points })
}

fn fmr(stop: &Stop) -> Option<Point> {
    Some(point(stop.fmr.value?, stop.fmr.interval))
}

pub(super) fn share(share: &Proportion) -> Option<Point> {
    Some(point(share.value?, share.interval))
}

/// A share and its interval in percent, to the sixth decimal: as many digits as JSON reads back exactly.
fn point(value: f64, interval: Option<Interval>) -> Point {
    let percent = |share: f64| (1e8 * share).round() / 1e6;
    let Interval { lo, hi } = interval.unwrap_or(Interval { lo: value, hi: value });
    Point { x: 0.0, y: percent(value), lo: percent(lo), hi: percent(hi) }
}

fn notes(sweep: &Sweep, caption: &Caption) -> Vec<String> {
    let mut notes = vec!["Bands are intervals of each point.".to_owned()];
    if sweep.courses.iter().any(|course| course.stops.iter().any(|stop| stop.fmr.value.is_none())) {
        notes.push("A step size at which a figure is undefined has no point.".to_owned());
    }
    notes.extend(caption.worlds.iter().cloned());
    notes
}
