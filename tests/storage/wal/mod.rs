//! Commit times against `pg_waldump`, and the content of repositories, on what a real PostgreSQL and a real pgBackRest
//! wrote.

mod damage;
pub mod pod;

use std::collections::BTreeSet;

use holdfast::{
    domain::{
        wal::Segment,
        xlog::{End, SegmentCommits, TransactionEnd},
    },
    pgbackrest::{
        access::RepositoryAccess,
        content::ContentError,
        repository::{ArchiveInfo, Repository, SegmentObject},
    },
};
use pod::{Dumped, Pod};

use crate::stores::Stores;

fn as_dumped(commits: &SegmentCommits) -> Dumped {
    let place =
        |end: Option<TransactionEnd>| end.map_or((0, 0), |end| (end.lsn.0, end.time.timestamp_micros()));
    Dumped {
        commits: commits.commits,
        first: place(commits.first),
        last: place(commits.last),
    }
}

async fn object(repository: &Repository, archive: &ArchiveInfo, segment: Segment) -> SegmentObject {
    let id = archive.database.archive_id();
    let mut objects = repository.segment_objects(&id, segment).await.unwrap();
    assert_eq!(objects.len(), 1, "{segment}");
    objects.remove(0)
}

/// Every segment, in order, and each by itself.
async fn commits_are_those_of_pg_waldump(pod: &Pod, access: &RepositoryAccess, version: u8) {
    let repository = Repository::open(access).await.unwrap();
    let archive = repository.archive_info().await.unwrap();
    let mut carry = None;
    let (mut commits, mut switches, mut joined) = (0, 0, 0);
    let mut compressions = BTreeSet::new();
    for (segment, expected) in &pod.segments {
        let object = object(&repository, &archive, *segment).await;
        compressions.insert(object.stored.compression.as_str());
        let reading = repository
            .read_segment(&archive, &object, carry.take())
            .await
            .unwrap();
        let found = reading.commits;
        assert_eq!(as_dumped(&found), *expected, "{segment}: {found:?}");
        assert!(
            matches!(found.end, End::Full | End::Switch(_)),
            "{segment}: {found:?}"
        );
        assert_eq!(
            (found.version, found.system_id),
            (version, archive.database.system_id)
        );
        carry = reading.carry;

        let alone = repository
            .read_segment(&archive, &object, None)
            .await
            .unwrap()
            .commits;
        if !alone.first_needs_previous() {
            assert_eq!(alone, found, "{segment}");
        } else if !alone.last_needs_previous() {
            assert_eq!(alone.last, found.last, "{segment}");
            joined += 1;
        }
        commits += found.commits;
        switches += u32::from(matches!(found.end, End::Switch(_)));
    }
    assert!(
        commits > 7_000 && switches > 10 && joined > 0,
        "{commits} {switches} {joined}"
    );
    assert_eq!(compressions, BTreeSet::from(["none", "gz", "bz2", "lz4", "zst"]));
}

/// Each reason that a segment cannot be read for is told apart.
async fn what_is_wrong_with_a_segment_is_named(pod: &Pod) {
    let segment = *pod.segments.keys().next().unwrap();
    let repository = Repository::open(&pod.encrypted).await.unwrap();
    let archive = repository.archive_info().await.unwrap();
    let right = object(&repository, &archive, segment).await;
    let read = async |archive: &ArchiveInfo, object: &SegmentObject| {
        let reading = repository.read_segment(archive, object, None).await;
        reading.err().expect("it must not be read")
    };
    let mut other = archive.clone();
    other.cipher = None;
    assert_eq!(read(&other, &right).await, ContentError::CipherMissing);
    let mut gone = right.clone();
    gone.name.push('x');
    assert_eq!(read(&archive, &gone).await, ContentError::Missing);
    let mut longer = right.clone();
    longer.size += 1;
    assert!(matches!(
        read(&archive, &longer).await,
        ContentError::Short { .. }
    ));
    let mut checksum = right.clone();
    checksum.stored.checksum[0] ^= 1;
    assert!(matches!(
        read(&archive, &checksum).await,
        ContentError::WrongChecksum { .. }
    ));
    let mut compression = right;
    compression.stored.compression = holdfast::domain::archive::Compression::Zst;
    assert_eq!(read(&archive, &compression).await, ContentError::WrongPassphrase);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_times_are_those_of_pg_waldump_and_damage_is_found() {
    let stores = Stores::read();
    // Small segments, so that many records and some commits lie across a border.
    let pod = Pod::run(&stores, 18, 1);
    commits_are_those_of_pg_waldump(&pod, &pod.plain, 18).await;
    commits_are_those_of_pg_waldump(&pod, &pod.encrypted, 18).await;
    what_is_wrong_with_a_segment_is_named(&pod).await;
    damage::is_found(&pod).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_times_of_the_version_before_are_those_of_pg_waldump() {
    let pod = Pod::run(&Stores::read(), 17, 2);
    commits_are_those_of_pg_waldump(&pod, &pod.encrypted, 17).await;
}
