//! What can be wrong with a repository: said within half a minute, in the cluster's condition, in an Event and by the
//! backup that fails for it; and when the cause is gone, backups work with no other action.

use kube::ResourceExt;

use crate::harness::{Cluster, Operator, Request, Scenario, minutes, run, seconds, state, status};

/// A change that breaks the repository.
type Break = fn(&mut Cluster, &Scenario);

const WRONG: &[(&str, &str, Break)] = &[
    ("credentials", "CredentialsRefused", |cluster, _| {
        "not-the-secret-of-this-key".clone_into(&mut cluster.key_secret);
    }),
    ("bucket", "BucketMissing", |cluster, _| {
        "no-such-bucket".clone_into(&mut cluster.bucket);
    }),
    ("certificate", "CertificateUntrusted", |cluster, scenario| {
        cluster.endpoint = scenario.stores.s3_untrusted();
    }),
    ("endpoint", "EndpointUnreachable", |cluster, _| {
        "nowhere.stores.svc.cluster.local:9000".clone_into(&mut cluster.endpoint);
    }),
    ("passphrase", "WrongCipherPassphrase", |cluster, _| {
        cluster.cipher = Some("not-the-passphrase-it-was-made-with".to_owned());
    }),
];

#[tokio::test]
async fn what_is_wrong_with_a_repository_is_said_and_heals_with_its_cause() {
    Scenario::alone("wrong", async |scenario| {
        let good = Cluster::encrypted("app", scenario);
        good.create(scenario).await;
        good.ready(scenario, minutes(5)).await;
        let first = scenario.succeeded("app-repo1-initial", minutes(4)).await;
        scenario.is_as_pgbackrest_sees_it(&good, &first).await;
        for (what, reason, break_it) in WRONG {
            let mut bad = good.clone();
            break_it(&mut bad, scenario);
            goes_wrong_and_heals(scenario, &good, &bad, what, reason).await;
        }
    })
    .await;
}

async fn goes_wrong_and_heals(scenario: &Scenario, good: &Cluster, bad: &Cluster, what: &str, reason: &str) {
    let steady = Operator::steady().await;
    bad.create(scenario).await;
    scenario.tell(&format!("{what} are wrong now"));
    let name = format!("with-wrong-{what}");
    let (message, event) = tokio::join!(
        bad.repository_is_not_ready(scenario, reason, seconds(30)),
        scenario.event(&bad.name, reason, seconds(30)),
    );
    scenario.tell(&format!("condition: {message}"));
    assert!(event.contains("repo1"), "{event}");
    Request::new(bad, &name, &["--type=incr"])
        .deadline(15)
        .create(scenario)
        .await;
    let (failed, _) = scenario.failed(&name, reason, seconds(25)).await;
    assert!(
        status(&failed).job_name.is_none(),
        "pgBackRest need not have been run"
    );
    drop(steady);

    good.create(scenario).await;
    let name = format!("without-wrong-{what}");
    Request::new(good, &name, &["--type=incr"]).create(scenario).await;
    let healed = scenario.succeeded(&name, minutes(5)).await;
    scenario.tell(&format!(
        "{} after {what}: {}",
        healed.name_any(),
        state(&healed).as_str()
    ));
}

#[tokio::test]
async fn a_repository_of_another_database_is_left_alone_and_told() {
    Scenario::alone("foreign", async |scenario| {
        let owner = Cluster::plain("owner", scenario);
        owner.create(scenario).await;
        owner.ready(scenario, minutes(5)).await;
        scenario.succeeded("owner-repo1-initial", minutes(4)).await;
        let before = scenario.info(&owner).await;

        let mut intruder = Cluster::plain("intruder", scenario);
        let own = intruder.path.clone();
        intruder.path.clone_from(&owner.path);
        intruder.create(scenario).await;
        let reason = "SystemIdentifierMismatch";
        intruder
            .repository_is_not_ready(scenario, reason, minutes(4))
            .await;
        scenario.event("intruder", reason, seconds(30)).await;
        Request::new(&intruder, "intrusion", &[])
            .deadline(15)
            .create(scenario)
            .await;
        scenario.failed("intrusion", reason, seconds(25)).await;
        assert_eq!(scenario.info(&owner).await, before);

        intruder.path = own;
        intruder.create(scenario).await;
        Request::new(&intruder, "at-home", &[]).create(scenario).await;
        scenario.succeeded("at-home", minutes(5)).await;
    })
    .await;
}

#[tokio::test]
async fn a_full_store_is_told_at_once_fails_a_backup_and_heals_when_there_is_room() {
    Scenario::alone("full", async |scenario| {
        let mut cluster = Cluster::plain("app", scenario);
        scenario
            .stores
            .of("S3_FULL_BUCKET")
            .clone_into(&mut cluster.bucket);
        // pgBackRest's own patience with a store, which is for outages, would make this scenario minutes longer.
        cluster.more.insert("io-timeout".to_owned(), "5".to_owned());
        empty(scenario, &cluster).await;
        cluster.create(scenario).await;
        cluster.ready(scenario, minutes(5)).await;
        scenario.succeeded("app-repo1-initial", minutes(4)).await;
        let filler = Filler::fill(scenario, &cluster).await;
        scenario
            .sql(
                &cluster,
                "create table more as select 1 as a; select pg_switch_wal();",
            )
            .await;
        scenario.tell("the store is full");
        let (message, _) = tokio::join!(
            cluster.archiving_fails(scenario, "StoreFull", seconds(30)),
            scenario.event(&cluster.name, "StoreFull", seconds(30)),
        );
        scenario.tell(&format!("condition: {message}"));
        Request::new(&cluster, "too-much", &["--type=full"])
            .deadline(600)
            .create(scenario)
            .await;
        scenario.failed("too-much", "StoreFull", minutes(3)).await;
        scenario.event("too-much", "StoreFull", seconds(30)).await;
        filler.remove(scenario).await;
        scenario.tell("there is room again");
        Request::new(&cluster, "fits", &["--type=full"])
            .create(scenario)
            .await;
        let backup = scenario.succeeded("fits", minutes(4)).await;
        scenario.is_as_pgbackrest_sees_it(&cluster, &backup).await;
        cluster.archives(scenario, minutes(2)).await;
        empty(scenario, &cluster).await;
    })
    .await;
}

/// Removes what this run and others, perhaps killed ones, left in the small bucket: nobody else uses it.
async fn empty(scenario: &Scenario, cluster: &Cluster) {
    let mut bucket = cluster.clone();
    "/".clone_into(&mut bucket.path);
    for folder in ["/e2e", "/filler"] {
        scenario
            .pgbackrest(&bucket, &["--repo=1", "--recurse", "repo-rm", folder])
            .await;
    }
}

/// Somebody else's objects, which take all the room that the store has left.
struct Filler<'a> {
    cluster: &'a Cluster,
    prefix: String,
    names: Vec<String>,
}

impl<'a> Filler<'a> {
    async fn fill(scenario: &Scenario, cluster: &'a Cluster) -> Self {
        let mut filler = Self {
            cluster,
            prefix: scenario.namespace.clone(),
            names: Vec::new(),
        };
        for kib in [4096, 512, 64, 4] {
            let file = tempfile::NamedTempFile::new().unwrap();
            file.as_file().set_len(kib << 10).unwrap();
            let path = file.path().to_str().unwrap();
            while filler
                .request(scenario, &filler.next(), &["--upload-file", path])
                .await
                .is_ok()
            {
                filler.names.push(filler.next());
            }
        }
        assert!(!filler.names.is_empty(), "the store was full before");
        filler
    }

    fn next(&self) -> String {
        format!("filler/{}/{}", self.prefix, self.names.len())
    }

    async fn remove(self, scenario: &Scenario) {
        for name in &self.names {
            let deleted = self.request(scenario, name, &["--request", "DELETE"]).await;
            deleted.unwrap();
        }
    }

    /// A signed request about one object.
    async fn request(&self, scenario: &Scenario, name: &str, more: &[&str]) -> Result<String, String> {
        let stores = scenario.stores;
        let url = format!("https://{}/{}/{name}", stores.s3(), self.cluster.bucket);
        let sigv4 = format!("aws:amz:{}:s3", stores.of("S3_REGION"));
        let mut arguments = vec![
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "60",
            "--config",
            "-",
        ];
        // A signature for S3 covers this header; curl does not add it by itself in every version.
        arguments.extend(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        arguments.extend(["--cacert", stores.of("CA_FILE"), "--aws-sigv4", &sigv4]);
        arguments.extend(more);
        arguments.push(&url);
        let user = format!("user = \"{}:{}\"\n", self.cluster.key, self.cluster.key_secret);
        run("curl", &arguments, &user).await
    }
}
