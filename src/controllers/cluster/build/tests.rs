//! What is built for a small and for a rich resource.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::{Container, PodSpec, Secret};
use kube::ResourceExt as _;
use serde_json::Value;

use super::repo_host::tests::VOLUMES;
use super::{Built, Held, HeldSecret, build};
use crate::api::PerconaPGCluster;
use crate::controllers::cluster::validate::{Existence, ImageDefaults, validate};
use crate::controllers::cluster::validated::ValidatedCluster;
use crate::pgbackrest::user_options::UserOptions;

pub const SMALL: &str = "
apiVersion: pgv2.percona.com/v2
kind: PerconaPGCluster
metadata: { name: app, namespace: shop, uid: 1e53-11 }
spec:
  postgresVersion: 18
  instances:
    - name: a
      dataVolumeClaimSpec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
  proxy: { pgBouncer: {} }
  backups:
    pgbackrest:
      repos: [{ name: repo1, s3: { bucket: b, endpoint: e, region: r } }]
";

const RICH: &str = "
apiVersion: pgv2.percona.com/v2
kind: PerconaPGCluster
metadata: { name: app, namespace: shop, uid: 1e53-11 }
spec:
  postgresVersion: 17
  image: registry.example/postgres:17
  port: 5433
  tlsOnly: true
  metadata: { labels: { team: checkout }, annotations: { note: all } }
  expose: { type: LoadBalancer, loadBalancerClass: internal, loadBalancerSourceRanges: [10.0.0.0/8], annotations: { lb: x } }
  users:
    - { name: rhino, databases: [zoo, park], options: CREATEDB, password: { type: AlphaNumeric } }
    - { name: postgres }
  authentication:
    rules:
      - { connection: host, method: md5, databases: [zoo] }
      - { connection: host, method: md5, hba: 'host all all 10.0.0.0/8 scram-sha-256' }
  patroni:
    port: 8009
    dynamicConfiguration:
      maximum_lag_on_failover: 0
      postgresql: { parameters: { max_connections: 77, archive_command: 'rm %p', ssl: 'off', shared_preload_libraries: 'x, pgaudit' }, pg_hba: ['local all all trust'] }
  extensions: { pg_stat_statements: { enabled: true }, pgvector: { enabled: true } }
  instances:
    - name: a
      replicas: 2
      metadata: { labels: { tier: gold } }
      resources: { limits: { cpu: '2' } }
      priorityClassName: high
      env: [{ name: TZ, value: UTC }]
      extraVolumes: [{ name: scratch, volumeSource: { emptyDir: {} }, mounts: [{ mountPath: /scratch }] }]
      tolerations: [{ key: db, operator: Exists }]
      sidecars: [{ name: watcher, image: w }]
      dataVolumeClaimSpec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
      walVolumeClaimSpec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
  proxy: { pgBouncer: { replicas: 2, port: 6432, exposeSuperusers: true, config: { global: { pool_mode: transaction, conffile: /x, admin_users: me } } } }
  backups:
    pgbackrest:
      metadata: { annotations: { role: backup } }
      configuration: [{ secret: { name: cloud } }]
      repos: [{ name: repo1, s3: { bucket: b, endpoint: e, region: r } }]
";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub fn cluster(text: &str) -> ValidatedCluster {
    let resource: PerconaPGCluster = serde_saphyr::from_str(text).unwrap();
    let defaults = ImageDefaults {
        holdfast: "holdfast:dev".to_owned(),
        postgres: BTreeMap::from([(18, "postgres:18".to_owned())]),
        ..ImageDefaults::default()
    };
    let cleared = BTreeSet::from(["repo1".to_owned()]);
    validate(
        &resource,
        &defaults,
        &Existence::default(),
        &UserOptions::default(),
        cleared,
    )
    .unwrap()
}

pub fn held(built: &Built) -> Held {
    let secrets = secrets(built)
        .into_iter()
        .map(|secret| {
            let data = secret
                .data
                .clone()
                .unwrap_or_default()
                .into_iter()
                .map(|(k, v)| (k, v.0))
                .collect();
            (
                secret.name_any(),
                HeldSecret {
                    data,
                    version: Some("7".to_owned()),
                },
            )
        })
        .collect();
    Held {
        secrets,
        leader_address: Some("10.1.2.3".to_owned()),
    }
}

fn secrets(built: &Built) -> Vec<&Secret> {
    built
        .lasting_secrets
        .iter()
        .chain([&built.agent_secret])
        .collect()
}

fn pods(built: &Built) -> Vec<&PodSpec> {
    let instances = built
        .stateful_sets
        .iter()
        .map(|set| &set.spec.as_ref().unwrap().template);
    let poolers = built
        .deployments
        .iter()
        .map(|deployment| &deployment.spec.as_ref().unwrap().template);
    instances
        .chain(poolers)
        .map(|template| template.spec.as_ref().unwrap())
        .collect()
}

fn own_containers(pod: &PodSpec) -> Vec<&Container> {
    let init = pod.init_containers.iter().flatten();
    init.chain(&pod.containers)
        .filter(|container| container.name != "watcher")
        .collect()
}

/// Everything but the values of Secrets, as JSON.
fn everything(built: &Built) -> Value {
    let Built {
        service_accounts,
        roles,
        role_bindings,
        lasting_secrets,
        agent_secret,
        revision: _,
        config_maps,
        services,
        endpoint_slices,
        claims,
        stateful_sets,
        deployments,
        budgets,
    } = built.clone();
    let mut secrets: Vec<Secret> = lasting_secrets;
    secrets.push(agent_secret);
    for secret in &mut secrets {
        for value in secret.data.iter_mut().flat_map(BTreeMap::values_mut) {
            value.0 = Vec::new();
        }
    }
    serde_json::json!([
        service_accounts,
        roles,
        role_bindings,
        secrets,
        config_maps,
        services,
        endpoint_slices,
        claims,
        stateful_sets,
        deployments,
        budgets
    ])
}

#[test]
fn a_small_resource_becomes_these_objects() {
    let mut built = build(&cluster(SMALL), &Held::default(), now()).unwrap();
    // Depends on fresh keys.
    for deployment in &mut built.deployments {
        deployment
            .spec
            .as_mut()
            .unwrap()
            .template
            .metadata
            .as_mut()
            .unwrap()
            .annotations = None;
    }
    insta::assert_yaml_snapshot!(everything(&built));
}

#[test]
fn a_rich_resource_becomes_these_pods_and_files() {
    let built = build(&cluster(RICH), &Held::default(), now()).unwrap();
    insta::assert_yaml_snapshot!("rich_instance", built.stateful_sets[0]);
    insta::assert_snapshot!(
        "rich_patroni",
        built.config_maps[0].data.as_ref().unwrap()["patroni-wal.yaml"]
    );
    let pooler = built
        .config_maps
        .iter()
        .find(|map| map.name_any() == "app-pgbouncer")
        .unwrap();
    insta::assert_snapshot!("rich_pgbouncer", pooler.data.as_ref().unwrap()["pgbouncer.ini"]);
}

#[test]
fn building_again_from_what_was_built_changes_nothing() {
    for text in [SMALL, RICH, VOLUMES] {
        let first = build(&cluster(text), &Held::default(), now()).unwrap();
        let second = build(&cluster(text), &held(&first), now()).unwrap();
        let data = |built: &Built| {
            secrets(built)
                .into_iter()
                .map(|secret| secret.data.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(data(&first), data(&second));
        assert_eq!(first.stateful_sets, second.stateful_sets);
        assert_eq!(first.deployments, second.deployments);
    }
}

#[test]
fn every_pod_fits_the_restricted_profile() {
    for text in [SMALL, RICH, VOLUMES] {
        for pod in pods(&build(&cluster(text), &Held::default(), now()).unwrap()) {
            let context = pod.security_context.as_ref().unwrap();
            assert_eq!(context.run_as_non_root, Some(true));
            assert_eq!(context.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
            assert!(pod.host_network.is_none() && pod.host_pid.is_none() && pod.host_ipc.is_none());
            assert!(
                pod.volumes
                    .iter()
                    .flatten()
                    .all(|volume| volume.host_path.is_none())
            );
            for container in own_containers(pod) {
                let own = container.security_context.as_ref().unwrap();
                assert_eq!(own.allow_privilege_escalation, Some(false), "{}", container.name);
                assert_eq!(own.run_as_non_root, Some(true));
                assert_eq!(own.read_only_root_filesystem, Some(true));
                assert_eq!(own.privileged, Some(false));
                let capabilities = own.capabilities.as_ref().unwrap();
                assert_eq!(capabilities.drop.as_deref(), Some(["ALL".to_owned()].as_slice()));
                assert!(capabilities.add.is_none());
            }
        }
    }
}

#[test]
fn no_secret_value_stands_outside_a_secret() {
    for text in [SMALL, RICH, VOLUMES] {
        let built = build(&cluster(text), &Held::default(), now()).unwrap();
        let outside = everything(&built).to_string();
        let public = [
            "root.crt",
            "ca.crt",
            "tls.crt",
            "user",
            "host",
            "port",
            "dbname",
            "desired.json",
        ];
        let mut seen = 0;
        for secret in secrets(&built) {
            for (key, value) in secret.data.iter().flatten() {
                if public.contains(&key.as_str())
                    || key.starts_with("pgbouncer-host")
                    || key.ends_with("-port")
                {
                    continue;
                }
                let value = String::from_utf8(value.0.clone()).unwrap();
                let json = serde_json::to_string(&value).unwrap();
                assert!(!outside.contains(json.trim_matches('"')), "{key}");
                seen += 1;
            }
        }
        assert!(seen > 10);
    }
}

#[test]
fn nobody_may_exec_and_only_one_secret_can_be_read() {
    let built = build(&cluster(RICH), &Held::default(), now()).unwrap();
    for rule in built.roles.iter().flat_map(|role| role.rules.iter().flatten()) {
        let resources = rule.resources.clone().unwrap();
        assert!(
            !resources
                .iter()
                .any(|resource| resource.contains('*') || resource.contains("exec"))
        );
        assert!(!rule.verbs.iter().any(|verb| verb == "*" || verb == "delete"));
        if resources.contains(&"secrets".to_owned()) {
            assert_eq!(
                rule.resource_names.as_deref(),
                Some(["app-agent".to_owned()].as_slice())
            );
        }
    }
}

#[test]
fn nothing_hides_a_failed_archive_and_backups_that_are_off_are_no_failure() {
    for (text, expected) in [
        (SMALL.to_owned(), r#"pgbackrest --stanza=db archive-push "%p""#),
        (RICH.to_owned(), r#"pgbackrest --stanza=db archive-push "%p""#),
        (
            SMALL.replace("name: repo1, s3", "name: repo1, suspendArchiving: true, s3"),
            r#"unset $(env | grep -oE "^PGBACKREST_REPO(1)_[A-Z0-9_]+"); pgbackrest --config-path=/tmp/holdfast/archiving --stanza=db archive-push "%p""#,
        ),
        (SMALL.replace("backups:", "backups:\n    enabled: false"), "true"),
    ] {
        let dynamic = super::patroni::dynamic_configuration(&cluster(&text));
        let parameters = &dynamic["postgresql"]["parameters"];
        assert_eq!(parameters["archive_command"], expected);
        assert_eq!(parameters["archive_mode"], "on");
        assert_eq!(parameters["ssl"], "on");
        assert_eq!(parameters["archive_timeout"], "60s");
        assert_eq!(parameters["restore_command"].is_string(), expected != "true");
    }
}

#[test]
fn claims_and_credentials_outlive_the_cluster_and_the_rest_goes_with_it() {
    let built = build(
        &cluster(RICH),
        &held(&build(&cluster(RICH), &Held::default(), now()).unwrap()),
        now(),
    )
    .unwrap();
    assert!(
        built
            .claims
            .iter()
            .all(|claim| claim.metadata.owner_references.is_none())
    );
    for secret in &built.lasting_secrets {
        let with_owner = secret.name_any().ends_with("-certs");
        assert_eq!(
            secret.metadata.owner_references.is_some(),
            with_owner,
            "{}",
            secret.name_any()
        );
    }
    assert!(
        built
            .stateful_sets
            .iter()
            .all(|set| set.metadata.owner_references.is_some())
    );
    assert!(
        built
            .services
            .iter()
            .all(|service| service.metadata.owner_references.is_some())
    );
    assert_eq!(built.claims.len(), 4);
}

#[test]
fn user_secrets_have_the_keys_that_applications_mount_and_an_edited_password_stays() {
    let first = build(&cluster(RICH), &Held::default(), now()).unwrap();
    let find = |built: &Built| {
        built
            .lasting_secrets
            .iter()
            .find(|secret| secret.name_any() == "app-pguser-rhino")
            .unwrap()
            .clone()
    };
    let keys: Vec<String> = find(&first).data.unwrap().into_keys().collect();
    assert_eq!(
        keys,
        [
            "dbname",
            "host",
            "jdbc-uri",
            "password",
            "pgbouncer-host",
            "pgbouncer-jdbc-uri",
            "pgbouncer-port",
            "pgbouncer-uri",
            "port",
            "uri",
            "user",
            "verifier"
        ]
    );
    let mut held = held(&first);
    let secret = held.secrets.get_mut("app-pguser-rhino").unwrap();
    let old_verifier = secret.data["verifier"].clone();
    secret.data.insert("password".to_owned(), b"mine/own".to_vec());
    let after = find(&build(&cluster(RICH), &held, now()).unwrap());
    assert_eq!(after.metadata.resource_version.as_deref(), Some("7"));
    let data = after.data.unwrap();
    assert_eq!(data["password"].0, b"mine/own");
    assert_ne!(data["verifier"].0, old_verifier);
    assert_eq!(
        data["uri"].0,
        b"postgresql://rhino:mine%2Fown@app-primary.shop.svc:5433/zoo"
    );
}

#[test]
fn the_primary_name_leads_to_the_leaders_address_once_there_is_one() {
    let first = build(&cluster(SMALL), &Held::default(), now()).unwrap();
    assert!(first.endpoint_slices.is_empty());
    let second = build(&cluster(SMALL), &held(&first), now()).unwrap();
    assert_eq!(second.endpoint_slices[0].endpoints[0].addresses, ["10.1.2.3"]);
}
