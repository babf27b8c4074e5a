pub(crate) mod memory;
mod shapes;
mod upkeep;

use chrono::{DateTime, TimeDelta, Utc};

use self::memory::{Shelf, minute, segment, size};
use super::*;
use crate::{
    domain::windows::{Gap, Restorable},
    pgbackrest::repository::RepositoryError,
};

fn terms(now: i64) -> Terms {
    Terms {
        now: minute(now),
        grace: TimeDelta::minutes(5),
        retention: None,
        most_segments: 100,
    }
}

async fn look(known: &mut KnownRepository, shelf: &Shelf, now: i64) -> Picture {
    known.look(&shelf.repository(), &terms(now)).await.unwrap()
}

async fn first_look(shelf: &Shelf, now: i64) -> Picture {
    look(&mut KnownRepository::default(), shelf, now).await
}

/// First and last index of each gap.
fn gaps(gaps: &[Gap]) -> Vec<(u64, u64)> {
    gaps.iter()
        .map(|gap| (gap.first.index(size()), gap.last.index(size())))
        .collect()
}

/// From, to and timeline of each window, in minutes.
fn windows(picture: &Picture) -> Vec<(i64, Option<i64>, u32)> {
    let minutes = |time: DateTime<Utc>| (time - minute(0)).num_minutes();
    let windows = picture.recovery.windows.iter();
    windows
        .map(|window| (minutes(window.from), window.to.map(minutes), window.timeline))
        .collect()
}
