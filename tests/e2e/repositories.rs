//! What can be wrong with a repository: said within half a minute, in the cluster's condition, in an Event and by the
//! backup that fails for it; and when the cause is gone, backups work with no other action.

use kube::ResourceExt;

use crate::harness::{Cluster, Operator, Request, Scenario, minutes, seconds, state, status};

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
