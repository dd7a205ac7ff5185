//! The layout of a table with a line for each row.

use super::lines::{Line, Lines, Piece};
use super::wrap::{Writer, heading, left, right, width};
use crate::Align;

/// Space between columns.
const BETWEEN: usize = 2;

/// Lines with room for each column.
pub(super) struct Sheet<'l> {
    lines: &'l Lines,
    /// Widths of group and label; without a group's column, groups stand on lines of their own.
    labels: (Option<usize>, usize),
    columns: Vec<Room>,
    /// The columns that this sheet shows.
    shown: std::ops::Range<usize>,
}

/// Room for a column: for its values, and for what stands behind them.
struct Room {
    value: usize,
    behind: [usize; 3],
    heading: Vec<String>,
    whole: usize,
}

impl Room {
    fn of(lines: &Lines, at: usize) -> Self {
        let pieces = || lines.lines.iter().filter_map(|line| line.pieces.get(at));
        let value = pieces().map(|piece| width(&piece.value)).max().unwrap_or(0);
        let behind = [0, 1, 2].map(|k: usize| pieces().map(|piece| width(&piece.behind[k])).max().unwrap_or(0));
        let content = value + behind.iter().map(|w| if *w > 0 { w + 1 } else { 0 }).sum::<usize>();
        let heading = heading(&lines.heads[at].heading, content);
        let whole = heading.iter().map(|line| width(line)).max().unwrap_or(0).max(content);
        // A column of bare numbers under a wide heading stands under its end.
        let value = if content == value && lines.heads[at].align == Align::Right { whole } else { value };
        Self { value, behind, heading, whole }
    }

    fn cell(&self, piece: &Piece, align: Align) -> String {
        let mut out = match align {
            Align::Left => left(&piece.value, self.value),
            Align::Right => right(&piece.value, self.value),
        };
        for (text, room) in piece.behind.iter().zip(self.behind).filter(|(_, room)| *room > 0) {
            out.push(' ');
            out.push_str(&left(text, room));
        }
        left(&out, self.whole)
    }

    fn heading(&self, line: &str, align: Align) -> String {
        let over_value = align == Align::Right && width(line) <= self.value;
        left(&if over_value { right(line, self.value) } else { line.to_owned() }, self.whole)
    }
}

impl<'l> Sheet<'l> {
    /// Group and label in columns side by side.
    pub(super) fn beside(lines: &'l Lines) -> Self {
        let groups = lines.lines.iter().filter_map(|line| line.group.as_deref());
        let group = groups.chain([lines.labels[0].as_str()]).map(width).max().filter(|width| *width > 0);
        Self::with(lines, group, 0)
    }

    /// Groups on lines of their own, labels indented under them.
    pub(super) fn under(lines: &'l Lines) -> Self {
        let grouped = lines.lines.iter().any(|line| line.group.is_some());
        Self::with(lines, None, if grouped { 2 } else { 0 })
    }

    fn with(lines: &'l Lines, group: Option<usize>, indent: usize) -> Self {
        let labels = lines.lines.iter().map(|line| indent + 2 * line.depth + width(&line.label));
        let label = labels.chain([width(&lines.labels[1])]).max().unwrap_or(0);
        let columns: Vec<Room> = (0..lines.heads.len()).map(|at| Room::of(lines, at)).collect();
        let shown = 0..columns.len();
        Self { lines, labels: (group, label), columns, shown }
    }

    fn beginning(&self) -> usize {
        2 + self.labels.0.map_or(0, |group| group + BETWEEN) + self.labels.1
    }

    pub(super) fn width(&self) -> usize {
        self.beginning() + self.columns[self.shown.clone()].iter().map(|room| BETWEEN + room.whole).sum::<usize>()
    }

    /// The same lines in sheets of at most `most` columns of a terminal, one under the other; a column that is wider has
    /// a sheet of its own.
    pub(super) fn parts(self, most: usize) -> Vec<Self> {
        let (lines, labels) = (self.lines, self.labels);
        let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
        let mut used = usize::MAX;
        for (at, room) in self.columns.iter().enumerate() {
            used = used.saturating_add(BETWEEN + room.whole);
            match ranges.last_mut().filter(|_| used <= most) {
                Some(range) => range.end = at + 1,
                None => {
                    used = self.beginning() + BETWEEN + room.whole;
                    ranges.push(at..at + 1);
                }
            }
        }
        let part = |shown| Self { shown, labels, ..Self::with(lines, labels.0, 0) };
        ranges.into_iter().map(part).collect()
    }

    pub(super) fn write(&self, out: &mut Writer) {
        if self.shown.start > 0 {
            out.line("");
        }
        self.write_groups(out);
        self.write_headings(out);
        let spread = self.lines.lines.iter().any(|line| !line.row);
        for (at, line) in self.lines.lines.iter().enumerate() {
            let says = |piece: &Piece| !piece.value.is_empty();
            if !line.row && !line.pieces[self.shown.clone()].iter().any(says) {
                continue;
            }
            if at > 0 && line.group.is_some() && (spread || self.labels.0.is_none()) {
                out.line("");
            }
            if let (None, Some(group)) = (self.labels.0, &line.group) {
                out.line(&format!("  {group}"));
            }
            out.line(&self.line(line));
        }
    }

    /// Headings over several columns, with a rule as far as they reach.
    fn write_groups(&self, out: &mut Writer) {
        let heads = &self.lines.heads[self.shown.clone()];
        if heads.iter().all(|head| head.group.is_none()) {
            return;
        }
        let mut line = " ".repeat(self.beginning());
        let mut at = 0;
        while at < heads.len() {
            let group = &heads[at].group;
            let end = at + heads[at..].iter().take_while(|head| head.group == *group).count();
            let rooms = &self.columns[self.shown.start + at..self.shown.start + end];
            let room = rooms.iter().map(|room| room.whole).sum::<usize>() + BETWEEN * (end - at - 1);
            let name = group.as_ref().map_or_else(String::new, |group| format!("{group} "));
            let rule = if group.is_some() { "─" } else { " " };
            let rest = rule.repeat(room.saturating_sub(width(&name)));
            line.push_str(&format!("{}{name}{rest}", " ".repeat(BETWEEN)));
            at = end;
        }
        out.line(&line);
    }

    fn write_headings(&self, out: &mut Writer) {
        let rooms = &self.columns[self.shown.clone()];
        let height = rooms.iter().map(|room| room.heading.len()).max().unwrap_or(1).max(1);
        for k in 0..height {
            let labels =
                if k + 1 == height { [self.lines.labels[0].as_str(), &self.lines.labels[1]] } else { ["", ""] };
            let mut line = self.begin(labels[0], labels[1]);
            for (room, head) in rooms.iter().zip(&self.lines.heads[self.shown.clone()]) {
                // Short headings stand in the last line.
                let above = height - room.heading.len();
                let text = k.checked_sub(above).and_then(|k| room.heading.get(k)).map_or("", String::as_str);
                line.push_str(&" ".repeat(BETWEEN));
                line.push_str(&room.heading(text, head.align));
            }
            out.line(&line);
        }
    }

    fn begin(&self, group: &str, label: &str) -> String {
        let group =
            self.labels.0.map_or_else(String::new, |room| format!("{}{}", left(group, room), " ".repeat(BETWEEN)));
        format!("  {group}{}", left(label, self.labels.1))
    }

    fn line(&self, line: &Line) -> String {
        let grouped = self.labels.0.is_none() && !self.lines.labels[0].is_empty();
        let label = format!("{}{}", " ".repeat(2 * (line.depth + usize::from(grouped))), line.label);
        let mut text = self.begin(line.group.as_deref().unwrap_or(""), &label);
        let cells = line.pieces.iter().zip(&self.columns).zip(&self.lines.heads);
        for ((piece, room), head) in cells.skip(self.shown.start).take(self.shown.len()) {
            text.push_str(&" ".repeat(BETWEEN));
            text.push_str(&room.cell(piece, head.align));
        }
        text
    }
}
