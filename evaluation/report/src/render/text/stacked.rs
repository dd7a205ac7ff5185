//! The layout for narrow terminals: a paragraph for each row, a line for each of its cells.

use super::lines::{Line, Lines};
use super::wrap::{Writer, left, right, width};
use crate::Align;

/// Writes the lines as paragraphs.
pub(super) fn write(lines: &Lines, out: &mut Writer) {
    let names: Vec<String> = lines.heads.iter().map(|head| name(&head.group, &head.heading)).collect();
    let name_room = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let numbers = |line: &'_ Line| {
        let pieces = line.pieces.iter().zip(&lines.heads).filter(|(_, head)| head.align == Align::Right);
        pieces.map(|(piece, _)| width(&piece.value)).max().unwrap_or(0)
    };
    let value_room = lines.lines.iter().map(numbers).max().unwrap_or(0);
    let mut group = String::new();
    let mut rows = lines.lines.iter().peekable();
    let mut first = true;
    while let Some(line) = rows.next() {
        if let Some(new) = &line.group {
            group.clone_from(new);
        }
        let under = rows.next_if(|line| !line.row);
        if !first {
            out.line("");
        }
        first = false;
        let title = if group.is_empty() { line.label.clone() } else { format!("{group} · {}", line.label) };
        out.wrapped(&title, "  ", "    ");
        for (at, ((name, piece), head)) in names.iter().zip(&line.pieces).zip(&lines.heads).enumerate() {
            let value = match head.align {
                Align::Right => right(&piece.value, value_room),
                Align::Left => piece.value.clone(),
            };
            let behind = piece.behind.iter().filter(|part| !part.is_empty()).cloned().chain(of_paper(under, at));
            let behind: Vec<String> = behind.collect();
            let first = format!("    {}  ", left(name, name_room));
            let indent = " ".repeat(width(&first));
            if behind.is_empty() && head.align == Align::Right {
                out.line(&format!("{first}{value}"));
            } else if head.align == Align::Right {
                out.wrapped(&behind.join("  "), &format!("{first}{value} "), &indent);
            } else {
                out.wrapped(&format!("{value} {}", behind.join("  ")), &first, &indent);
            }
        }
    }
}

fn name(group: &Option<String>, heading: &str) -> String {
    group.as_ref().map_or_else(|| heading.to_owned(), |group| format!("{group} {heading}"))
}

fn of_paper(under: Option<&Line>, at: usize) -> Option<String> {
    let value = &under?.pieces.get(at)?.value;
    (!value.is_empty()).then(|| format!("paper {value}"))
}
