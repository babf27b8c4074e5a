//! The report for people.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    drawing,
    lists::{MOST_ROWS, gaps, more},
    report::Report,
};
use crate::domain::size::Bytes;

/// What it is printed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper {
    /// Columns.
    pub width: usize,
    /// Draw with letters only.
    pub ascii: bool,
}

/// UTC, to the microsecond where there is one.
pub(super) fn time(time: DateTime<Utc>) -> String {
    let form = if time.timestamp_subsec_micros() == 0 {
        SecondsFormat::Secs
    } else {
        SecondsFormat::Micros
    };
    time.to_rfc3339_opts(form, true)
        .replace('T', " ")
        .trim_end_matches('Z')
        .to_owned()
}

pub(super) fn several(number: usize, one: &str, more: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {more}"),
    }
}

/// Lines of words that fit, indented; further ones a little more.
pub(super) fn wrapped(words: &str, indent: usize, width: usize) -> String {
    let mut text = String::new();
    let mut line = " ".repeat(indent);
    let mut empty = true;
    for word in words.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            let _ = writeln!(text, "{line}");
            line = " ".repeat(indent + 2);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(text, "{line}");
    text
}

impl Report {
    /// The report as text.
    #[must_use]
    pub fn text(&self, paper: Paper) -> String {
        let mut text = String::new();
        self.title(&mut text, paper);
        self.sentence(&mut text, paper);
        let drawing = drawing::draw(self, paper.width, paper.ascii);
        if !drawing.is_empty() {
            let _ = write!(text, "\n{drawing}");
        }
        self.windows(&mut text, paper);
        self.backups(&mut text, paper);
        gaps("Gaps: WAL that is missing", &self.gaps, &mut text, paper);
        gaps(
            "WAL that is missing and may still arrive",
            &self.gaps_in_grace,
            &mut text,
            paper,
        );
        self.unusable(&mut text, paper);
        self.rest(&mut text, paper);
        self.deep(&mut text, paper);
        text
    }

    fn title(&self, text: &mut String, paper: Paper) {
        let Self {
            repository,
            stanza,
            database,
            ..
        } = self;
        let place = format!(
            "{repository}, stanza {stanza}: PostgreSQL {}, system {}",
            database.version, database.system_id
        );
        text.push_str(&wrapped(&place, 0, paper.width));
        let count = |kind: &str| self.backups.iter().filter(|backup| backup.kind == kind).count();
        let counts: Vec<_> = ["full", "diff", "incr"]
            .into_iter()
            .filter(|kind| count(kind) > 0)
            .map(|kind| format!("{} {kind}", count(kind)))
            .collect();
        let backups = if counts.is_empty() {
            "no backups".to_owned()
        } else {
            let all = several(self.backups.len(), "backup", "backups");
            format!("{all} ({})", counts.join(", "))
        };
        let segments: u64 = self.archives.iter().map(|archive| archive.segments).sum();
        let wal: u64 = self.archives.iter().map(|archive| archive.bytes).sum();
        let stored: u64 = self.backups.iter().map(|backup| backup.repository_size).sum();
        let content = format!(
            "{backups}, {}; {segments} WAL segments, {}; times are UTC",
            Bytes(stored),
            Bytes(wal)
        );
        text.push_str(&wrapped(&content, 0, paper.width));
    }

    fn sentence(&self, text: &mut String, paper: Paper) {
        text.push('\n');
        let Some(from) = self.earliest_restorable_time else {
            text.push_str("Nothing can be restored.\n");
            return;
        };
        let until = match self.latest_restorable_time {
            Some(to) => format!("Can be restored to times from {} to {}", time(from), time(to)),
            None => format!(
                "Can be restored to the end of a backup of {}; nothing has been committed since",
                time(from)
            ),
        };
        let but = match self.gaps.len() {
            0 => String::new(),
            gaps => format!(", but for {}", several(gaps, "gap", "gaps")),
        };
        text.push_str(&wrapped(&format!("{until}{but}."), 0, paper.width));
    }

    fn rest(&self, text: &mut String, paper: Paper) {
        let mut notes: Vec<String> = self.oddities.iter().map(|told| told.message.clone()).collect();
        if !self.gaps_of_expiry.is_empty() {
            let holes = several(self.gaps_of_expiry.len(), "hole", "holes");
            notes.push(format!("archive retention has left {holes}, which is no loss"));
        }
        for backup in &self.backups {
            if backup.page_errors {
                notes.push(format!("{} holds pages with a wrong checksum", backup.label));
            }
            if backup.clocks_disagree {
                notes.push(format!(
                    "commits after {} have times before its end: clocks disagree, and such times cannot be a target",
                    backup.label
                ));
            }
        }
        if !notes.is_empty() {
            text.push_str("\nNotes\n");
            for note in notes {
                text.push_str(&wrapped(&note, 2, paper.width));
            }
        }
    }

    fn deep(&self, text: &mut String, paper: Paper) {
        let Some(deep) = &self.deep else { return };
        let content = format!(
            "Content: {} WAL segments and {} files of backups read, {}: {} damaged, {} could not be judged",
            deep.segments,
            deep.files,
            Bytes(deep.bytes),
            deep.damaged.len(),
            deep.unjudged.len()
        );
        let _ = write!(text, "\n{}", wrapped(&content, 0, paper.width));
        if deep.without_checksum > 0 {
            let none = format!("{} files have no checksum to compare with", deep.without_checksum);
            text.push_str(&wrapped(&none, 2, paper.width));
        }
        let all = deep.damaged.iter().chain(&deep.unjudged);
        for finding in all.take(MOST_ROWS) {
            let file = finding
                .file
                .as_ref()
                .map(|file| format!(" ({file})"))
                .unwrap_or_default();
            let words = format!("{}{file}: {}", finding.object, finding.problem);
            text.push_str(&wrapped(&words, 2, paper.width));
        }
        more(deep.damaged.len() + deep.unjudged.len(), text);
    }
}
