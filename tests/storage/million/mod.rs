//! `make bench-archive`: what it costs to know an archive of a million segments, on the real S3 server. The last line is
//! JSON. Ratios are against bare listing calls of the same run.
//!
//! The segments of the backup's time and later are PostgreSQL's; the million before them are names with a size, as nothing
//! but names is read of old segments.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use holdfast::{
    domain::{
        archive::Archive,
        wal::{Segment, SegmentSize},
        xlog,
    },
    pgbackrest::repository::Repository,
    storage::{ObjectStore, list_all, s3::S3Store},
    survey::{KnownRepository, Picture, Terms},
};
use serde_json::json;

use crate::{stores::Stores, wal::pod::Pod};

const SEGMENTS: u64 = 1_000_000;
/// Those that come between two looks.
const NEW: usize = 10;

#[test]
#[ignore = "a measurement: make bench-archive"]
fn an_archive_of_a_million_segments() {
    let stores = Stores::read();
    let pod = Pod::with_script(&stores, 18, 16, include_str!("engine.sh"));
    let archive = pod.data.join("repo1/archive/db/18-1");
    let begun = Instant::now();
    fill(&archive);
    eprintln!("{SEGMENTS} names written in {:?}", begun.elapsed());
    let later = take_newest(&archive);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (bare, first, poll) = runtime.block_on(async {
        let bare = bare_listing(&stores, &pod).await;
        eprintln!("bare listing: {bare:?}");
        let repository = Repository::open(&pod.plain).await.unwrap();
        let mut known = KnownRepository::default();
        let first = look(&mut known, &repository).await;
        eprintln!("first look: {:?}", first.took);
        for (from, to) in &later {
            fs::rename(from, to).unwrap();
        }
        let poll = look(&mut known, &repository).await;
        (
            bare,
            first,
            Poll {
                looked: poll,
                kept: serde_json::to_vec(&known).unwrap().len(),
            },
        )
    });
    let picture = &poll.looked.picture;
    assert!(picture.recovery.gaps.is_empty(), "{:?}", picture.recovery.gaps);
    assert!(picture.archives[0].segments > SEGMENTS);
    assert_eq!(picture.recovery.windows.len(), 1);
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let milliseconds = |time: Duration| rounded(time.as_secs_f64() * 1000.0);
    let result = json!({
        "bench": "archive",
        "segments": picture.archives[0].segments,
        "bareListingSeconds": rounded(bare.as_secs_f64()),
        "firstLookSeconds": rounded(first.took.as_secs_f64()),
        "firstLookRatio": rounded(first.took.as_secs_f64() / bare.as_secs_f64()),
        "pollListings": picture.requests.listings,
        "pollSegmentsRead": picture.requests.segments,
        "pollProcessorMilliseconds": milliseconds(poll.looked.processor),
        "keptBytes": poll.kept,
        "foldedNamesPerSecond": fold().round(),
        "segmentScanMilliseconds": milliseconds(scan(&later[0].1)),
    });
    println!("{result}");
}

struct Looked {
    picture: Picture,
    took: Duration,
    processor: Duration,
}

struct Poll {
    looked: Looked,
    kept: usize,
}

async fn look(known: &mut KnownRepository, repository: &Repository) -> Looked {
    let terms = Terms {
        now: Utc::now(),
        grace: TimeDelta::zero(),
        retention: None,
        most_segments: 64,
    };
    let (begun, before) = (Instant::now(), processor());
    let picture = known.look(repository, &terms).await.unwrap();
    Looked {
        picture,
        took: begun.elapsed(),
        processor: processor().saturating_sub(before),
    }
}

/// Time on a processor of all threads of this process.
fn processor() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse().ok())
        .map(Duration::from_nanos)
        .sum()
}

async fn bare_listing(stores: &Stores, pod: &Pod) -> Duration {
    let store = S3Store::new(&stores.s3()).await.unwrap();
    let prefix = format!("{}/archive/db/18-1/", pod.plain.path.trim_start_matches('/'));
    let begun = Instant::now();
    let listed = list_all(&store as &dyn ObjectStore, &prefix).await.unwrap();
    assert!(listed.len() as u64 >= SEGMENTS, "{}", listed.len());
    begun.elapsed()
}

/// Names of compressed segments, each as large as one, on no blocks.
fn fill(archive: &Path) {
    let size = SegmentSize::default();
    let mut directory = PathBuf::new();
    for index in 1..=SEGMENTS {
        let segment = Segment::at(1, index, size).unwrap();
        let wanted = archive.join(segment.directory());
        if wanted != directory {
            fs::create_dir_all(&wanted).unwrap();
            directory = wanted;
        }
        let checksum = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let name = format!(
            "{segment}-{checksum:016x}{checksum:016x}{:08x}.zst",
            index & 0xFFFF_FFFF
        );
        File::create(directory.join(name))
            .unwrap()
            .set_len(5_000_000)
            .unwrap();
    }
}

/// Moves the newest segments away: where they are now, and where they belong.
fn take_newest(archive: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut directories: Vec<PathBuf> = fs::read_dir(archive)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    directories.sort();
    let mut files: Vec<PathBuf> = directories
        .iter()
        .rev()
        .take(2)
        .flat_map(|directory| fs::read_dir(directory).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().contains(".backup"))
        .collect();
    files.sort();
    let away = tempfile::Builder::new()
        .prefix("newest")
        .tempdir_in(archive.join("../../../.."))
        .unwrap()
        .keep();
    files
        .into_iter()
        .rev()
        .take(NEW)
        .map(|path| {
            let now = away.join(path.file_name().unwrap());
            fs::rename(&path, &now).unwrap();
            (now, path)
        })
        .collect()
}

/// Names folded in a second on one core; the best of some rounds.
fn fold() -> f64 {
    let size = SegmentSize::default();
    let names: Vec<String> = (1..=SEGMENTS)
        .map(|index| {
            let segment = Segment::at(1, index, size).unwrap();
            let checksum = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            format!(
                "{}/{segment}-{checksum:016x}{checksum:016x}{:08x}.zst",
                segment.directory(),
                index & 0xFFFF_FFFF
            )
        })
        .collect();
    let mut best = 0.0_f64;
    for _ in 0..5 {
        let mut archive = Archive::new(size);
        let now: DateTime<Utc> = Utc::now();
        let begun = Instant::now();
        for name in &names {
            archive.fold(name, 5_000_000, now);
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate, printed")]
        let rate = SEGMENTS as f64 / begun.elapsed().as_secs_f64();
        best = best.max(rate);
    }
    best
}

/// Time on a processor to find the commits of a whole segment that is not compressed.
fn scan(stored: &Path) -> Duration {
    let content = zstd::decode_all(File::open(stored).unwrap()).unwrap();
    let name = stored.file_name().unwrap().to_string_lossy();
    let segment: Segment = name[..24].parse().unwrap();
    let before = processor();
    let found = xlog::scan(segment, &content).unwrap();
    assert!(found.commits > 0);
    processor().saturating_sub(before)
}
