//! Does the order of the targets depend on the generator? (Table 3 of the paper.)
//!
//! Heats that differ in their generator alone rank the same targets on the same images. Their rankings are held against each
//! other: Kendall's τ-b with an interval over resamples of the images, and the pairs of targets that change places.

use std::collections::BTreeMap;

use fmr_core::metrics::{Counts, Indicators, Interval, Kendall, MetricsSettings, Proportion, Ratio};

use super::orders::Orders;
use super::setting::{names, setting, target, under};
use super::{Compared, Contender, Heat, RESAMPLES};
use crate::grid::{CellOf, Figure};
use crate::{Cell, Column, Grid, Row};

/// Fewest targets whose order says anything.
const FEWEST: usize = 3;

/// Heats that differ in their generator alone.
struct Family<'h, 'r> {
    /// What they share: the data, and what tells it from other families'.
    name: String,
    heats: Vec<&'h Heat<'r>>,
    /// Generators' names, in the order of the heats.
    generators: Vec<String>,
    /// Targets that all heats have: a label, and their number in each heat.
    targets: Vec<(String, Vec<usize>)>,
    /// Images that all rows have.
    images: usize,
    /// What the metrics count, by heat, by target, by image.
    counted: Vec<Vec<Vec<Indicators>>>,
}

/// Two heats of a family.
struct Versus {
    generators: [usize; 2],
    kendall: Kendall,
    interval: Option<Interval>,
    /// Pairs of targets in opposite orders.
    swapped: Vec<String>,
    /// Of these, the pairs that each heat tells apart.
    contradictions: usize,
}

impl Compared<'_> {
    /// PA and FMR of each target under each generator, and how far the generators agree. Nothing where no two heats differ in
    /// their generator alone.
    pub(crate) fn generators(&self, metrics: &MetricsSettings, digits: usize) -> Vec<Grid> {
        let families = self.families();
        if families.is_empty() {
            return Vec::new();
        }
        let mut grids = vec![by_generator(&families, metrics, digits), agreements(&families, metrics)];
        grids.iter_mut().for_each(|grid| grid.caption.confidence = Some(metrics.confidence));
        grids
    }

    fn families(&self) -> Vec<Family<'_, '_>> {
        let mut groups: Vec<Vec<&Heat<'_>>> = Vec::new();
        for heat in &self.heats {
            let fits = |group: &&mut Vec<&Heat<'_>>| without_generator(group[0]) == without_generator(heat);
            match groups.iter_mut().find(fits) {
                Some(group) => group.push(heat),
                None => groups.push(vec![heat]),
            }
        }
        groups.retain(|group| group.len() > 1);
        let firsts: Vec<_> = groups.iter().map(|group| &group[0].contenders[0]).collect();
        let firsts: Vec<_> = firsts.iter().map(|one| (one.data.as_str(), one.results)).collect();
        groups.into_iter().zip(names(&firsts)).filter_map(|(heats, name)| Family::of(name, heats)).collect()
    }
}

/// What a heat's rows share beside their generator.
fn without_generator<'h>(heat: &'h Heat<'_>) -> (BTreeMap<&'h str, &'h str>, &'h [String]) {
    let plan = &heat.contenders[0].results.plan;
    let mut fields = setting(plan);
    fields.retain(|field, _| !under(field, "generator"));
    (fields, &plan.classes)
}

impl<'h, 'r> Family<'h, 'r> {
    fn of(name: String, heats: Vec<&'h Heat<'r>>) -> Option<Self> {
        let of_heat = |heat: &Heat<'_>, one: &Contender<'_>| {
            heat.contenders.iter().position(|other| target(&other.results.plan) == target(&one.results.plan))
        };
        let targets: Vec<(String, Vec<usize>)> = heats[0]
            .contenders
            .iter()
            .filter_map(|one| {
                let numbers = heats.iter().map(|heat| of_heat(heat, one)).collect::<Option<Vec<usize>>>()?;
                Some((one.target.clone(), numbers))
            })
            .collect();
        let rows = || {
            heats
                .iter()
                .enumerate()
                .flat_map(|(h, heat)| targets.iter().map(move |(_, numbers)| &heat.contenders[numbers[h]]))
        };
        let first = rows().next()?;
        let keys: Vec<&str> =
            first.images.keys().copied().filter(|key| rows().all(|row| row.images.contains_key(key))).collect();
        if targets.len() < FEWEST || keys.is_empty() {
            return None;
        }
        let row = |one: &Contender<'_>| keys.iter().map(|key| one.images[key]).collect::<Vec<_>>();
        let counted = heats
            .iter()
            .enumerate()
            .map(|(h, heat)| targets.iter().map(|(_, numbers)| row(&heat.contenders[numbers[h]])).collect());
        Some(Self {
            counted: counted.collect(),
            images: keys.len(),
            generators: heats.iter().map(|heat| generator(heat)).collect(),
            name,
            targets,
            heats,
        })
    }

    /// Every two heats of which all targets have an FMR.
    fn versus(&self, metrics: &MetricsSettings) -> Vec<Versus> {
        let orders: Vec<Orders> =
            self.counted.iter().map(|rows| Orders::of(rows, metrics.fmr_reading(), RESAMPLES)).collect();
        let mut all = Vec::new();
        for (a, first) in orders.iter().enumerate() {
            for (b, second) in orders.iter().enumerate().skip(a + 1) {
                let Some((kendall, interval)) = first.agreement(second, metrics.confidence) else { continue };
                let Some(observed) = first.observed().zip(second.observed()) else { continue };
                let (swapped, contradictions) = self.swapped([a, b], observed.into(), metrics.confidence);
                all.push(Versus { generators: [a, b], kendall, interval, swapped, contradictions });
            }
        }
        all
    }

    /// The pairs of targets that two heats put in opposite orders, and how many of these both tell apart.
    fn swapped(&self, heats: [usize; 2], observed: [&[f64]; 2], confidence: f64) -> (Vec<String>, usize) {
        let (mut pairs, mut contradictions) = (Vec::new(), 0);
        for (i, (one, of_one)) in self.targets.iter().enumerate() {
            for (j, (other, of_other)) in self.targets.iter().enumerate().skip(i + 1) {
                let [x, y] = observed.map(|values| values[i] - values[j]);
                if x * y >= 0.0 {
                    continue;
                }
                pairs.push(format!("{one} and {other}"));
                let apart = |heat: usize| {
                    let (a, b) = (of_one[heat], of_other[heat]);
                    let pairs = &self.heats[heat].comparison.pairs;
                    let pair = pairs.iter().find(|pair| [(a, b), (b, a)].contains(&(pair.first, pair.second)));
                    pair.is_some_and(|pair| pair.told_apart(confidence))
                };
                contradictions += usize::from(heats.iter().all(|heat| apart(*heat)));
            }
        }
        (pairs, contradictions)
    }
}

/// The name of a heat's generator.
fn generator(heat: &Heat<'_>) -> String {
    let components = heat.contenders[0].results.facts.components.as_ref();
    components.map_or_else(|| heat.setting.clone(), |names| names.generator.clone())
}

/// The paper's form of Table 3: targets by generators.
fn by_generator(families: &[Family<'_, '_>], metrics: &MetricsSettings, digits: usize) -> Grid {
    type At<'f, 'h, 'r> = (&'f Family<'h, 'r>, usize);
    let mut generators: Vec<&str> = Vec::new();
    for name in families.iter().flat_map(|family| &family.generators) {
        if !generators.contains(&name.as_str()) {
            generators.push(name);
        }
    }
    let mut columns: Vec<(Column, CellOf<'_, At<'_, '_, '_>>)> = Vec::new();
    for (number, name) in generators.into_iter().enumerate() {
        let counts = move |(family, at): &At<'_, '_, '_>| {
            let heat = family.generators.iter().position(|generator| generator == name)?;
            Some(Counts::of(&family.counted[heat][*at]))
        };
        let pa = move |place: &At<'_, '_, '_>| {
            let pa = counts(place).map(|c| Proportion::of(c.produced_correct, c.produced, metrics.confidence));
            pa.map_or_else(Cell::missing, |pa| (&pa).into())
        };
        let fmr = move |place: &At<'_, '_, '_>| {
            let fmr = counts(place).map(|counts| Ratio::of(&counts, metrics.fmr_reading(), metrics.confidence));
            fmr.map_or_else(Cell::missing, |fmr| (&fmr).into())
        };
        columns.push((Column::percent(&format!("pa-{number}"), "PA").group(name).digits(digits), Box::new(pa)));
        columns.push((Column::percent(&format!("fmr-{number}"), "FMR").group(name).digits(digits), Box::new(fmr)));
    }
    let rows = families.iter().flat_map(|family| {
        let row = move |at: usize| Row::new([family.name.as_str(), &family.targets[at].0]).over(family.images);
        (0..family.targets.len()).map(move |at| (row(at), (family, at)))
    });
    let grid = Grid::new("generators", "The same targets under several generators");
    grid.labels(["setting", "target"]).tabulate(columns, rows.collect::<Vec<_>>())
}

/// How far every two generators agree.
fn agreements(families: &[Family<'_, '_>], metrics: &MetricsSettings) -> Grid {
    let columns: Vec<(Column, CellOf<'_, Versus>)> = vec![
        (
            Column::number("tau", "τ-b")
                .digits(2)
                .meaning("Kendall's: 1 for the same order of the targets, −1 for the reverse"),
            Box::new(|versus: &Versus| {
                Figure { value: versus.kendall.tau_b, interval: versus.interval, ..Figure::default() }.into()
            }),
        ),
        (
            Column::number("p", "p").digits(3).meaning("of an agreement as large between unrelated orders"),
            Box::new(|versus| Cell::of(versus.kendall.p)),
        ),
        (Column::count("targets", "targets"), Box::new(|versus| Cell::count(versus.kendall.n))),
        (
            Column::count("contradictions", "contradictions")
                .meaning("pairs that change places although each generator tells them apart"),
            Box::new(|versus| Cell::count(versus.contradictions)),
        ),
        (
            Column::text("swapped", "change places").meaning("pairs of targets in opposite orders"),
            Box::new(|versus| {
                if versus.swapped.is_empty() { Cell::text("none") } else { Cell::text(versus.swapped.join("; ")) }
            }),
        ),
    ];
    let rows = families.iter().flat_map(|family| {
        family.versus(metrics).into_iter().map(|versus| {
            let [a, b] = versus.generators.map(|at| family.generators[at].as_str());
            (Row::new([family.name.clone(), format!("{a} – {b}")]).over(family.images), versus)
        })
    });
    let notes = vec![format!(
        "Orders are those of FMR. Intervals of τ hold {:.0} % of {RESAMPLES} resamples of the images, the same for all rows; \
         with few targets τ takes few values.",
        100.0 * metrics.confidence
    )];
    let grid = Grid { notes, ..Grid::new("generator-agreement", "Do generators agree on the order of the targets?") };
    grid.labels(["setting", "generators"]).tabulate(columns, rows.collect::<Vec<_>>())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use fmr_store::ComponentNames;
    use insta::assert_snapshot;

    use super::*;
    use crate::toy::store;
    use crate::{Results, RowResults};

    /// A row whose target keeps `kept` of every five images that its search produced, under a generator.
    fn row(first: &RowResults, generator: &str, target: &str, kept: usize) -> RowResults {
        let mut row = first.clone();
        row.plan.fingerprint.insert("target.weights".to_owned(), target.to_owned());
        row.plan.fingerprint.insert("generator.weights".to_owned(), generator.to_owned());
        row.facts.components = Some(ComponentNames {
            target: target.to_owned(),
            generator: generator.to_owned(),
            oracle: "CLIP".to_owned(),
            target_preprocessing: None,
            oracle_preprocessing: None,
        });
        for record in &mut row.records {
            let wrong = (record.label + 1) % row.plan.classes.len();
            record.final_prediction = Some(if record.index % 5 < kept { record.label } else { wrong });
        }
        row
    }

    #[test]
    fn generators_are_held_against_each_other() {
        let (_home, store) = store();
        let results = Results::read(&store).unwrap();
        let first = &results.rows()[0];
        let kept = [("VQGAN", [1, 2, 3]), ("VDVAE", [1, 2, 4]), ("StyleGAN", [1, 4, 0])];
        let rows: Vec<(String, RowResults)> = kept
            .iter()
            .flat_map(|(generator, kept)| {
                ["A", "B", "C"]
                    .iter()
                    .zip(kept)
                    .map(|(name, kept)| ((*name).to_owned(), row(first, generator, name, *kept)))
            })
            .collect();
        let metrics = MetricsSettings::default();
        let all: Vec<_> = rows.iter().map(|(name, row)| Contender::new(["MNIST", name, name], row, &metrics)).collect();
        let grids = Compared::of(&all, &metrics).generators(&metrics, 1);
        assert_snapshot!(grids.iter().map(|grid| grid.to_text(110)).collect::<Vec<_>>().join("\n"));
        // A generator alone, or two targets, say nothing about the others.
        assert!(Compared::of(&all[..3], &metrics).generators(&metrics, 1).is_empty());
        let two: Vec<_> = all.iter().filter(|one| one.target != "C").cloned().collect();
        assert!(Compared::of(&two, &metrics).generators(&metrics, 1).is_empty());
    }
}
