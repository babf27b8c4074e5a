//! Real damage in a real repository: bytes changed where the server keeps its objects.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use holdfast::pgbackrest::{
    access::RepositoryAccess,
    repository::{Manifest, Progress, Repository, Scope, Verification},
};

use super::pod::Pod;

async fn verify(access: &RepositoryAccess) -> Verification {
    let repository = Repository::open(access).await.unwrap();
    let mut last = Progress::default();
    let found = repository
        .verify_content(&Scope::default(), |progress| {
            assert!(progress.files >= last.files && progress.segments >= last.segments);
            last = *progress;
        })
        .await
        .unwrap();
    assert_eq!(
        (last.files, last.segments),
        (found.read.files, found.read.segments)
    );
    found
}

fn flip(file: &Path) {
    let mut content = fs::read(file).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x40;
    fs::write(file, content).unwrap();
}

fn has_extension(name: &str, wanted: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == wanted)
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// All manifests of a repository, by label.
async fn manifests(access: &RepositoryAccess) -> BTreeMap<String, Manifest> {
    let repository = Repository::open(access).await.unwrap();
    let info = repository.backup_info().await.unwrap();
    let mut manifests = BTreeMap::new();
    for backup in &info.backups {
        let read = repository.manifest(&info, &backup.label).await.unwrap();
        assert_eq!(read.instead_of, None);
        let sizes = read.content.sizes();
        assert_eq!(
            (sizes.size, sizes.size_delta),
            (backup.size, backup.size_delta),
            "{}",
            backup.label
        );
        manifests.insert(backup.label.to_string(), read.content);
    }
    let history = repository.backup_history().await.unwrap();
    assert_eq!(history.len(), manifests.len());
    for entry in &history {
        let manifest = repository.history_manifest(&info, entry).await.unwrap();
        assert_eq!(manifest, manifests[entry.label.as_str()]);
    }
    manifests
}

pub async fn is_found(pod: &Pod) {
    for (access, directory) in [(&pod.plain, "repo1"), (&pod.encrypted, "repo2")] {
        let root = pod.data.join(directory);
        let clean = verify(access).await;
        let problems: Vec<_> = clean.damaged.iter().chain(&clean.unjudged).take(3).collect();
        assert!(clean.is_clean(), "{:?}: {problems:?}", clean.read);
        assert_eq!((clean.without_checksum, clean.foreign), (0, 0));
        let manifests = manifests(access).await;
        let own = |manifest: &Manifest| {
            let stored = manifest
                .files
                .iter()
                .filter(|file| file.reference.is_none() && manifest.is_stored(file));
            stored.count() as u64
        };
        assert_eq!(clean.read.files, manifests.values().map(own).sum::<u64>());
        let blocks = manifests
            .values()
            .flat_map(|manifest| &manifest.files)
            .filter(|file| file.block_incremental);
        assert!(blocks.count() > 0, "{directory} has no block incremental file");

        let mut files = Vec::new();
        files_below(&root, &mut files);
        let mut expected = BTreeSet::new();
        let mut harm = |what: &str, of: &dyn Fn(&str) -> bool, how: &dyn Fn(&Path)| {
            let name = |file: &PathBuf| file.strip_prefix(&pod.data).unwrap().to_str().unwrap().to_owned();
            let fits = |file: &&PathBuf| {
                let free = !expected
                    .iter()
                    .any(|harmed: &String| harmed.ends_with(&name(file)));
                free && of(&name(file))
            };
            let file = files
                .iter()
                .find(fits)
                .unwrap_or_else(|| panic!("no {what} in {directory}"));
            how(file);
            expected.insert(format!(
                "{}/{}",
                pod.data.file_name().unwrap().to_str().unwrap(),
                name(file)
            ));
        };
        let is_wal = |name: &str| name.contains("/archive/db/") && name.contains('-') && name.len() > 100;
        harm(
            "segment that is compressed",
            &|name| is_wal(name) && has_extension(name, "zst"),
            &flip,
        );
        harm(
            "segment that is not compressed",
            &|name| is_wal(name) && !name.contains('.'),
            &flip,
        );
        harm(
            "segment to cut",
            &|name| is_wal(name) && has_extension(name, "lz4"),
            &|file| {
                let content = fs::read(file).unwrap();
                fs::write(file, &content[..content.len() / 3]).unwrap();
            },
        );
        harm(
            "segment to empty",
            &|name| is_wal(name) && has_extension(name, "bz2"),
            &|file| fs::write(file, b"").unwrap(),
        );
        harm("bundle", &|name| name.contains("/bundle/"), &flip);
        if directory == "repo1" {
            harm(
                "file",
                &|name| name.contains("/base/") && has_extension(name, "gz"),
                &flip,
            );
            harm(
                "file to remove",
                &|name| name.contains("/global/") && has_extension(name, "gz"),
                &|file| {
                    fs::remove_file(file).unwrap();
                },
            );
        }
        harm(
            "block incremental file",
            &|name| has_extension(name, "pgbi"),
            &flip,
        );
        harm("manifest", &|name| name.ends_with("/backup.manifest"), &flip);
        harm(
            "catalogue",
            &|name| name.ends_with("/backup/db/backup.info"),
            &flip,
        );

        let found = verify(access).await;
        let damaged: BTreeSet<_> = found.damaged.iter().map(|damage| damage.object.clone()).collect();
        assert_eq!(damaged, expected, "{found:?}");
        assert_eq!(found.unjudged, []);
        assert_eq!(found.read.segments, clean.read.segments);
    }
}
