//! Windows, backups, gaps and unusable segments as tables.

use std::fmt::Write as _;

use super::{
    report::{Backup, Report},
    table::Table,
    text::{Paper, several, time, wrapped},
};
use crate::domain::{
    label::Label,
    size::Bytes,
    windows::{Cost, Defect, Gap, Restorable},
};

/// Rows of a list of gaps or findings.
pub(super) const MOST_ROWS: usize = 20;
/// PostgreSQL stops at a time only where a later transaction follows (`recoveryStopsBefore` in `xlogrecovery.c`).
const LAST_COMMIT: &str = "The last commit itself is restored by its position, --type=lsn --target=AT: no later one \
                           follows that a restore by time could stop at.";
/// Labels that are named of those that a gap costs.
const MOST_NAMES: usize = 5;

impl Report {
    pub(super) fn windows(&self, text: &mut String, paper: Paper) {
        if self.windows.is_empty() {
            return;
        }
        text.push_str("\nWindows\n");
        let mut table = Table::new(&["FROM", "TO", "AT", "TIMELINE", "BACKUP", "LAST SEGMENT"]);
        for window in &self.windows {
            let arrow = if paper.ascii { ">" } else { "→" };
            let timelines: Vec<_> = window.timelines.iter().map(u32::to_string).collect();
            table.row([
                time(window.from),
                window.to.map_or_else(|| "no commit yet".to_owned(), time),
                window.to_lsn.map_or_else(String::new, |lsn| lsn.to_string()),
                timelines.join(arrow),
                window.backup.to_string(),
                window.last_segment.to_string(),
            ]);
        }
        text.push_str(&table.print(paper.width));
        if self.windows.iter().any(|window| window.to.is_some()) {
            text.push_str(&wrapped(LAST_COMMIT, 2, paper.width));
        }
    }

    pub(super) fn backups(&self, text: &mut String, paper: Paper) {
        if self.backups.is_empty() {
            return;
        }
        text.push_str("\nBackups\n");
        let mut table = Table::new(&["LABEL", "RESTORABLE", "ENDED", "SIZE", "STORED"]);
        for backup in &self.backups {
            table.row([
                backup.label.to_string(),
                restorable(backup),
                time(backup.stopped),
                Bytes(backup.size).to_string(),
                Bytes(backup.repository_size).to_string(),
            ]);
        }
        text.push_str(&table.print(paper.width));
    }

    pub(super) fn unusable(&self, text: &mut String, paper: Paper) {
        if self.unusable.is_empty() {
            return;
        }
        text.push_str("\nSegments that are there and of no use\n");
        for unusable in self.unusable.iter().take(MOST_ROWS) {
            let why = match unusable.defect {
                Defect::Empty => "it has no content",
                Defect::Duplicate => "there are several files of it",
                Defect::Unreadable => "its content cannot be read",
            };
            let place = format!("{}: {why}", unusable.segment);
            text.push_str(&wrapped(&place, 2, paper.width));
            price(&unusable.cost, text, paper);
        }
        more(self.unusable.len(), text);
    }
}

fn restorable(backup: &Backup) -> String {
    match (&backup.restorable, backup.latest_restorable_time) {
        (Restorable::Yes, Some(to)) => format!("to {}", time(to)),
        (Restorable::Yes, None) => "to its end".to_owned(),
        (Restorable::MissingBackup(label), _) => format!("no: {label} is gone"),
        (Restorable::MissingWal(segment), _) => format!("no: {segment} is missing"),
        (Restorable::AwaitingWal(segment), _) => format!("not yet: {segment} has not arrived"),
    }
}

pub(super) fn gaps(title: &str, gaps: &[Gap], text: &mut String, paper: Paper) {
    if gaps.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for gap in gaps.iter().take(MOST_ROWS) {
        let segments = several(
            usize::try_from(gap.segments).unwrap_or(usize::MAX),
            "segment",
            "segments",
        );
        let place = format!(
            "{} to {}, {segments}, since {}",
            gap.first,
            gap.last,
            time(gap.since)
        );
        text.push_str(&wrapped(&place, 2, paper.width));
        price(&gap.cost, text, paper);
    }
    more(gaps.len(), text);
}

/// Which times and backups are lost, in words.
fn price(cost: &Cost, text: &mut String, paper: Paper) {
    let mut parts = Vec::new();
    if let Some(from) = cost.lost_from {
        let to = cost.lost_to.map_or_else(
            || "until a backup is taken".to_owned(),
            |to| format!("to {}", time(to)),
        );
        parts.push(format!("times lost from {} {to}", time(from)));
    }
    let names = |labels: &[Label]| {
        let all: Vec<_> = labels.iter().take(MOST_NAMES).map(Label::to_string).collect();
        match labels.len().checked_sub(MOST_NAMES).filter(|more| *more > 0) {
            Some(more) => format!("{} and {more} more", all.join(", ")),
            None => all.join(", "),
        }
    };
    if !cost.unrestorable.is_empty() {
        parts.push(format!("cannot be restored: {}", names(&cost.unrestorable)));
    }
    if !cost.shortened.is_empty() {
        parts.push(format!("recovery ends here from: {}", names(&cost.shortened)));
    }
    if parts.is_empty() {
        parts.push("costs nothing that could be restored".to_owned());
    }
    for part in parts {
        text.push_str(&wrapped(&part, 4, paper.width));
    }
}

pub(super) fn more(all: usize, text: &mut String) {
    if let Some(more) = all.checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more");
    }
}
