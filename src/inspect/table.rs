//! A table that fits a width: columns that do not fit are left out, the last first.

use std::fmt::Write as _;

/// Rows under a head. The first columns are the ones that matter.
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

const INDENT: usize = 2;
const SPACE: usize = 2;

impl Table {
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn print(&self, width: usize) -> String {
        let widths: Vec<usize> = (0..self.head.len()).map(|column| self.width(column)).collect();
        let mut total = INDENT;
        let fitting = widths
            .iter()
            .take_while(|width_of_column| {
                total += **width_of_column + SPACE;
                total - SPACE <= width
            })
            .count()
            .max(1);
        let mut text = String::new();
        let head: Vec<String> = self.head.iter().map(|name| (*name).to_owned()).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = " ".repeat(INDENT);
            for (cell, width) in row.iter().zip(&widths).take(fitting) {
                let fill = width + SPACE - cell.chars().count().min(*width);
                line.push_str(cell);
                line.push_str(&" ".repeat(fill));
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(self.head.get(column).map_or(0, |name| name.chars().count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["ONE", "SECOND", "3"]);
        table.row(["a".into(), "b".into(), "a long cell".into()]);
        table.row(["äöü1".into(), String::new(), "c".into()]);
        table
    }

    #[test]
    fn columns_stand_below_one_another() {
        assert_eq!(
            table().print(80),
            "  ONE   SECOND  3\n  a     b       a long cell\n  äöü1          c\n"
        );
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out() {
        assert_eq!(table().print(27).lines().map(str::len).max(), Some(27));
        assert_eq!(table().print(26), "  ONE   SECOND\n  a     b\n  äöü1\n");
        assert_eq!(table().print(3), "  ONE\n  a\n  äöü1\n");
    }
}
