//! `holdfast inspect`, the program itself, on repositories that a real pgBackRest wrote.

mod program;

use std::{collections::BTreeMap, fs, path::PathBuf};

use chrono::{DateTime, Utc};
use holdfast::domain::wal::{Segment, SegmentSize};
use program::{Inspect, Output};
use serde_json::Value;

use crate::{
    engine::{self, Engine},
    places::{Kind, Place},
    stores::Stores,
    wal::pod::{PASSPHRASE, Pod},
};

const SEGMENT_MB: u32 = 1;

/// The last commit of each timeline, and the segment it ends with, as `pg_waldump` and the archive have them.
fn last_commits(logs: &str) -> BTreeMap<u64, (DateTime<Utc>, String)> {
    let lines = logs.lines().filter_map(|line| line.strip_prefix("LAST "));
    lines
        .map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let time = DateTime::from_timestamp_micros(words[1].parse().unwrap()).unwrap();
            (words[0].parse().unwrap(), (time, words[2].to_owned()))
        })
        .collect()
}

fn time(value: &Value) -> DateTime<Utc> {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no time: {value}"))
        .parse()
        .unwrap()
}

fn chains(json: &Value) -> Vec<Vec<u64>> {
    let windows = json["windows"].as_array().unwrap();
    let timelines = |window: &Value| {
        let timelines = window["timelines"].as_array().unwrap();
        timelines
            .iter()
            .map(|timeline| timeline.as_u64().unwrap())
            .collect()
    };
    windows.iter().map(timelines).collect()
}

#[test]
fn a_repository_with_a_past_is_told_as_it_is() {
    is_told_as_it_is(18, "pgBackRest 2.");
}

#[test]
fn a_repository_of_an_older_pgbackrest_is_told_as_it_is() {
    is_told_as_it_is(17, "pgBackRest 2.55");
}

/// `engine`: what the image's pgBackRest says of itself.
fn is_told_as_it_is(version: u32, engine: &str) {
    let stores = Stores::read();
    let pod = Pod::with_script(&stores, version, SEGMENT_MB, include_str!("past.sh"));
    assert!(
        pod.logs.lines().any(|line| line.starts_with(engine)),
        "{}",
        pod.logs
    );
    let last = last_commits(&pod.logs);
    assert_eq!(last.len(), 3, "{}", pod.logs);
    let plain = Inspect::s3(&stores, &pod.plain.path);
    windows_end_with_the_last_commit_of_each_timeline(&plain.json(0), &last);
    the_directory_and_the_configuration_tell_the_same(&stores, &pod, &plain);
    a_segment_that_is_removed_is_a_gap_until_it_is_put_back(&pod, &plain);
    the_encrypted_one_opens_with_its_passphrase_only(&stores, &pod);
    every_refusal_has_its_exit_code(&stores, &pod);
    content_is_proven_and_damage_found(&pod, &plain);
}

fn windows_end_with_the_last_commit_of_each_timeline(
    json: &Value,
    last: &BTreeMap<u64, (DateTime<Utc>, String)>,
) {
    let chains = chains(json);
    for chain in [&[1][..], &[1, 2], &[1, 2, 3]] {
        assert!(chains.iter().any(|found| found == chain), "{chain:?} in {json:#}");
    }
    for window in json["windows"].as_array().unwrap() {
        let (time_of_last, segment) = &last[&window["timeline"].as_u64().unwrap()];
        assert_eq!(time(&window["to"]), *time_of_last, "{window}");
        assert_eq!(window["lastSegment"], *segment);
    }
    let latest = last.values().map(|(time, _)| *time).max().unwrap();
    assert_eq!(time(&json["latestRestorableTime"]), latest);
    let backups = json["backups"].as_array().unwrap();
    assert_eq!(backups.len(), 3);
    assert_eq!(
        time(&json["earliestRestorableTime"]),
        time(&backups[0]["stopped"])
    );
    for backup in backups {
        assert_eq!(backup["restorable"], "yes");
    }
    // The full backup of timeline 2 lies before the second switch, so it leads to timeline 3 too.
    assert_eq!(time(&backups[2]["latestRestorableTime"]), latest);
    for list in ["gaps", "gapsInGrace", "unusable", "oddities"] {
        assert_eq!(json[list].as_array().unwrap().len(), 0, "{list}: {json:#}");
    }
}

/// What may differ between two looks at the same.
fn without_the_look(mut json: Value) -> Value {
    for key in ["repository", "lookedAt", "requests"] {
        json.as_object_mut().unwrap().remove(key).unwrap();
    }
    json
}

fn the_directory_and_the_configuration_tell_the_same(stores: &Stores, pod: &Pod, plain: &Inspect) {
    let expected = without_the_look(plain.json(0));
    let directory = Inspect::directory(&pod.data.join("repo1"));
    assert_eq!(without_the_look(directory.json(0)), expected);
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[global]\nrepo1-type=s3\nrepo1-path={}\nrepo1-s3-bucket={}\nrepo1-s3-endpoint={}\nrepo1-s3-region={}\n\
         repo1-s3-uri-style=path\nrepo1-storage-port={}\nrepo1-storage-ca-file={}\nrepo1-s3-key={}\n\
         repo1-s3-key-secret={}\n",
        pod.plain.path,
        stores.get("S3_BUCKET"),
        stores.get("S3_HOST"),
        stores.get("S3_REGION"),
        stores.get("S3_PORT"),
        stores.get("CA_FILE"),
        stores.get("S3_ACCESS_KEY"),
        stores.get("S3_SECRET_KEY"),
    );
    fs::write(file.path(), text).unwrap();
    let configured = Inspect::new(&["--config", file.path().to_str().unwrap()]);
    assert_eq!(without_the_look(configured.json(0)), expected);
}

/// The file of a segment where the server keeps it.
fn file_of(pod: &Pod, segment: Segment) -> PathBuf {
    let mut archives = fs::read_dir(pod.data.join("repo1/archive/db")).unwrap();
    let archive = archives
        .find_map(|entry| Some(entry.unwrap().path()).filter(|path| path.is_dir()))
        .unwrap();
    let directory = archive.join(segment.directory());
    let files = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let beginning = format!("{segment}-");
    let is_it = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(&beginning)
    };
    files.into_iter().find(is_it).unwrap()
}

/// The last segment that a backup needs, from the catalogue.
fn last_segment(pod: &Pod, label: &str) -> Segment {
    let catalogue = fs::read_to_string(pod.data.join("repo1/backup/db/backup.info")).unwrap();
    let line = catalogue
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{label}=")));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    line["backup-archive-stop"].as_str().unwrap().parse().unwrap()
}

fn a_segment_that_is_removed_is_a_gap_until_it_is_put_back(pod: &Pod, plain: &Inspect) {
    let before = plain.json(0);
    let size = SegmentSize::new(u64::from(SEGMENT_MB) << 20).unwrap();
    // Between the first backup and the one that follows.
    let backup = &before["backups"][0];
    let stop = last_segment(pod, backup["label"].as_str().unwrap());
    let gone = Segment::at(1, stop.index(size) + 1, size).unwrap();
    let file = file_of(pod, gone);
    let content = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let json = plain.json(1);
    let gaps = json["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{json:#}");
    assert_eq!(gaps[0]["first"], gone.to_string());
    assert_eq!(gaps[0]["last"], gone.to_string());
    assert_eq!(gaps[0]["segments"], 1);
    assert_eq!(gaps[0]["shortened"], serde_json::json!([backup["label"]]));
    // It is lost until the next backup ends.
    assert_eq!(gaps[0]["lostTo"], before["backups"][1]["stopped"]);
    assert_eq!(json["backups"][1]["restorable"], "yes");
    let text = plain.text(1, 90);
    assert!(
        text.contains(&format!("{gone} to {gone}, 1 segment, since")),
        "{text}"
    );
    assert!(text.contains('╳'), "{text}");
    // With a grace it may still arrive.
    let patient = plain.clone().with(&["--grace", "86400"]);
    assert_eq!(patient.json(0)["gapsInGrace"][0]["first"], gone.to_string());
    fs::write(&file, content).unwrap();
    assert_eq!(without_the_look(plain.json(0)), without_the_look(before));
}

fn the_encrypted_one_opens_with_its_passphrase_only(stores: &Stores, pod: &Pod) {
    let encrypted = Inspect::s3(stores, &pod.encrypted.path);
    let refused = encrypted.run(&[]);
    assert_eq!(refused.code, 4, "{}", refused.errors);
    assert!(
        refused.errors.contains("HOLDFAST_CIPHER_PASS"),
        "{}",
        refused.errors
    );
    let wrong = encrypted
        .clone()
        .variable("HOLDFAST_CIPHER_PASS", "wrong hunter2")
        .run(&[]);
    assert_eq!(wrong.code, 4);
    assert!(!wrong.errors.contains("hunter2"));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{PASSPHRASE}\n")).unwrap();
    let opened = encrypted
        .clone()
        .with(&["--cipher-pass-file", file.path().to_str().unwrap()]);
    let opened = [
        opened,
        encrypted.variable("PGBACKREST_REPO1_CIPHER_PASS", PASSPHRASE),
    ];
    for opened in opened {
        let json = opened.clone().with(&["--deep"]).json(0);
        assert_eq!(json["windows"][0]["backup"], json["backups"][0]["label"]);
        assert!(json["deep"]["segments"].as_u64().unwrap() > 5, "{json:#}");
    }
}

fn every_refusal_has_its_exit_code(stores: &Stores, pod: &Pod) {
    let plain = || Inspect::s3(stores, &pod.plain.path);
    let told = |output: Output, code: i32| {
        assert_eq!(output.code, code, "{}", output.errors);
        assert!(output.text.is_empty() && !output.errors.is_empty());
        assert!(!output.errors.contains("hunter2"), "{}", output.errors);
    };
    told(plain().variable("AWS_SECRET_ACCESS_KEY", "hunter2").run(&[]), 3);
    told(
        plain()
            .variable("AWS_ENDPOINT_URL", "https://127.0.0.1:1")
            .run(&[]),
        3,
    );
    told(plain().variable("AWS_CA_BUNDLE", "").run(&[]), 3);
    told(plain().run(&["--stanza", "other"]), 4);
    told(Inspect::s3(stores, "/no/such/path").run(&[]), 4);
    told(Inspect::new(&["s3://key:hunter2@bucket/path"]).run(&[]), 2);
    told(Inspect::new(&[]).run(&[]), 2);
    told(Inspect::directory(&pod.data.join("nothing")).run(&[]), 2);
}

fn content_is_proven_and_damage_found(pod: &Pod, plain: &Inspect) {
    let deep = plain.clone().with(&["--deep"]);
    let json = deep.json(0);
    assert_eq!(json["deep"]["damaged"].as_array().unwrap().len(), 0, "{json:#}");
    // One that no window's end depends on, so that it is not read otherwise.
    let segment = last_segment(pod, json["backups"][0]["label"].as_str().unwrap());
    let file = file_of(pod, segment);
    let mut content = fs::read(&file).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x40;
    fs::write(&file, &content).unwrap();
    // Names alone do not show it.
    plain.json(0);
    let json = deep.json(1);
    let damaged = json["deep"]["damaged"].as_array().unwrap();
    assert_eq!(damaged.len(), 1, "{json:#}");
    assert!(
        damaged[0]["object"]
            .as_str()
            .unwrap()
            .contains(&segment.to_string())
    );
}

#[tokio::test]
async fn repositories_on_azure_and_gcs_are_read_with_the_variables_of_their_tools() {
    let stores = Stores::read();
    let engine = Engine::run(&stores);
    let path = |key: u32| format!("{}/repo{key}", engine.prefix());
    let endpoint = |kind: &str| {
        format!(
            "{}:{}",
            stores.get(&format!("{kind}_HOST")),
            stores.get(&format!("{kind}_PORT"))
        )
    };
    let azure = format!("az://{}/{}", stores.get("AZURE_CONTAINER"), path(3));
    let azure = Inspect::new(&[
        &azure,
        "--endpoint",
        &endpoint("AZURE"),
        "--ca-file",
        stores.get("CA_FILE"),
    ])
    .variable("AZURE_STORAGE_ACCOUNT", stores.get("AZURE_ACCOUNT"))
    .variable("AZURE_STORAGE_KEY", stores.get("AZURE_KEY"));
    let gcs = format!("gs://{}/{}", stores.get("GCS_BUCKET"), path(4));
    let gcs = Inspect::new(&[
        &gcs,
        "--endpoint",
        &endpoint("GCS"),
        "--ca-file",
        stores.get("CA_FILE"),
    ])
    .variable("CLOUDSDK_AUTH_ACCESS_TOKEN", stores.get("GCS_TOKEN"))
    .variable("HOLDFAST_CIPHER_PASS", engine::PASSPHRASE);
    for inspect in [azure, gcs] {
        let json = inspect.json(0);
        assert_eq!(json["database"]["systemId"], engine.system_id.to_string());
        assert_eq!(json["backups"].as_array().unwrap().len(), 1);
        assert_eq!(json["windows"].as_array().unwrap().len(), 1);
    }
    for kind in [Kind::Azure, Kind::Gcs] {
        Place::of(kind).await.clear_all(engine.prefix()).await;
    }
}
