//! The timeline as a picture: a row for each timeline that can be the target, time from left to right.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    report::{Backup, Report},
    text::wrapped,
};
use crate::domain::windows::{Gap, Restorable};

/// A picture narrower than this says nothing.
const NARROWEST: usize = 20;

/// What the parts are drawn with.
struct Pens {
    restorable: char,
    lost: char,
    open: char,
}

/// Time from left to right.
struct Scale {
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
    columns: usize,
}

impl Scale {
    /// `None` while there is nothing to draw.
    fn of(report: &Report, columns: usize) -> Option<Self> {
        let windows = report.windows.iter();
        let times = windows
            .flat_map(|window| [Some(window.from), window.to])
            .chain(report.backups.iter().map(|backup| Some(backup.stopped)))
            .chain(all_gaps(report).map(|gap| gap.cost.next_commit));
        let times: Vec<_> = times.flatten().collect();
        let (begin, end) = times.iter().min().zip(times.iter().max())?;
        Some(Self {
            begin: *begin,
            end: (*end).max(*begin + TimeDelta::seconds(1)),
            columns,
        })
    }

    fn column(&self, time: DateTime<Utc>) -> usize {
        let whole = (self.end - self.begin).num_milliseconds().max(1);
        let part = (time - self.begin).num_milliseconds().clamp(0, whole);
        let last = i64::try_from(self.columns.saturating_sub(1)).unwrap_or(i64::MAX);
        usize::try_from(part.saturating_mul(last) / whole).unwrap_or(0)
    }

    /// Begin and end under the picture, and the middle where there is room.
    fn axis(&self) -> String {
        let form = if self.end - self.begin < TimeDelta::hours(1) {
            "%Y-%m-%d %H:%M:%S"
        } else {
            "%Y-%m-%d %H:%M"
        };
        let text = |time: DateTime<Utc>| time.format(form).to_string();
        let (begin, end) = (text(self.begin), text(self.end));
        let used = begin.len() + end.len();
        let Some(room) = self.columns.checked_sub(used) else {
            return begin;
        };
        let middle = text(self.begin + (self.end - self.begin) / 2);
        if room < middle.len() + 4 {
            return format!("{begin}{}{end}", " ".repeat(room));
        }
        let left = (self.columns - middle.len()) / 2 - begin.len();
        let right = room - middle.len() - left;
        format!("{begin}{}{middle}{}{end}", " ".repeat(left), " ".repeat(right))
    }
}

fn all_gaps(report: &Report) -> impl Iterator<Item = &Gap> {
    report.gaps.iter().chain(&report.gaps_in_grace)
}

/// Draws it, `width` columns wide. Empty while there is nothing to draw.
pub(super) fn draw(report: &Report, width: usize, ascii: bool) -> String {
    let pens = if ascii {
        Pens {
            restorable: '=',
            lost: 'x',
            open: '>',
        }
    } else {
        Pens {
            restorable: '━',
            lost: '╳',
            open: '╺',
        }
    };
    let rows = rows(report);
    let names = rows.values().map(|row| row.name.chars().count());
    let margin = names.max().unwrap_or(0) + 4;
    let Some(columns) = width.checked_sub(margin).filter(|columns| *columns >= NARROWEST) else {
        return String::new();
    };
    let Some(scale) = Scale::of(report, columns) else {
        return String::new();
    };
    let mut text = String::new();
    for (place, row) in &rows {
        let cells = row.cells(*place, report, &scale, &pens);
        let fill = margin - 2 - row.name.chars().count();
        let line = format!("  {}{}{cells}", row.name, " ".repeat(fill));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(text, "{}{}", " ".repeat(margin), scale.axis());
    legend(report, &pens, width, &mut text);
    text
}

fn legend(report: &Report, pens: &Pens, width: usize, text: &mut String) {
    let mut parts = vec![
        format!("{} can be restored to", pens.restorable),
        "F D I backup".to_owned(),
    ];
    if all_gaps(report).next().is_some() || !report.unusable.is_empty() {
        parts.push(format!("{} lost", pens.lost));
    }
    if report
        .backups
        .iter()
        .any(|backup| backup.restorable != Restorable::Yes)
    {
        parts.push("f d i cannot be restored".to_owned());
    }
    if report.windows.iter().any(|window| window.to.is_none()) {
        parts.push(format!("{} nothing committed yet", pens.open));
    }
    text.push_str(&wrapped(&parts.join("; "), 2, width));
}

/// A timeline of one db-id.
type Place = (u32, u32);

struct Row {
    name: String,
    /// The timelines of its chain.
    timelines: Vec<u32>,
}

fn rows(report: &Report) -> BTreeMap<Place, Row> {
    let mut rows: BTreeMap<Place, Row> = BTreeMap::new();
    let several = report.archives.len() > 1;
    let mut row = |database: u32, target: u32, timelines: &[u32]| {
        let place = rows.entry((database, target)).or_insert_with(|| Row {
            name: if several {
                format!("db {database} timeline {target}")
            } else {
                format!("timeline {target}")
            },
            timelines: vec![target],
        });
        place.timelines.extend(timelines);
    };
    for window in &report.windows {
        row(window.database_id, window.timeline, &window.timelines);
    }
    for backup in &report.backups {
        for reach in &backup.reaches {
            row(backup.database_id, reach.timeline, &reach.timelines);
        }
        if let Some(timeline) = backup.timeline.filter(|_| backup.reaches.is_empty()) {
            row(backup.database_id, timeline, &[]);
        }
    }
    rows
}

impl Row {
    fn cells(&self, (database, target): Place, report: &Report, scale: &Scale, pens: &Pens) -> String {
        let mut cells = vec![' '; scale.columns];
        let mut fill = |from: usize, to: usize, with: char, over: bool| {
            for cell in cells.iter_mut().take(to + 1).skip(from) {
                if over || *cell == ' ' {
                    *cell = with;
                }
            }
        };
        let windows = report.windows.iter();
        for window in windows.filter(|window| (window.database_id, window.timeline) == (database, target)) {
            let from = scale.column(window.from);
            match window.to {
                Some(to) => fill(from, scale.column(to), pens.restorable, true),
                None => fill(from, from + 1, pens.open, true),
            }
        }
        for gap in all_gaps(report).filter(|gap| self.timelines.contains(&gap.timeline)) {
            if let Some(from) = gap.cost.lost_from {
                let from = scale.column(from);
                let to = gap.cost.lost_to.or(gap.cost.next_commit);
                let to = to.map_or(scale.columns - 1, |to| scale.column(to));
                fill(from, from, pens.lost, true);
                fill(from, to, pens.lost, false);
            }
        }
        for backup in &report.backups {
            if is_on(backup, database, target) {
                let letter = letter(backup);
                let at = scale.column(backup.stopped);
                fill(at, at, letter, true);
            }
        }
        cells.into_iter().collect()
    }
}

/// True when the backup belongs on the row of that timeline.
fn is_on(backup: &Backup, database: u32, target: u32) -> bool {
    let leads = backup.reaches.iter().any(|reach| reach.timeline == target);
    let own = backup.reaches.is_empty() && backup.timeline == Some(target);
    backup.database_id == database && (leads || own)
}

fn letter(backup: &Backup) -> char {
    let letter = match backup.kind {
        "diff" => 'D',
        "incr" => 'I',
        _ => 'F',
    };
    if backup.restorable == Restorable::Yes {
        letter
    } else {
        letter.to_ascii_lowercase()
    }
}
