use super::*;
use crate::pgbackrest::ini::Ini;

fn cluster() -> ClusterConfiguration {
    let host = |name: &str| InstanceHost {
        host: format!("{name}-0.c-pods.ns.svc.cluster.local"),
    };
    ClusterConfiguration {
        instances: vec![host("c-b"), host("c-a")],
        repositories: vec![RepositorySpec {
            key: 1,
            store: RepositoryStore::S3 {
                bucket: "backups".into(),
                endpoint: "s3.example".into(),
                region: "us-east-1".into(),
            },
        }],
        user: UserOptions::default(),
        postgres: PostgresLocation {
            data_directory: "/pgdata/pg18".into(),
            port: 5432,
            socket_directory: "/tmp/postgres".into(),
        },
        client_name: "pgbackrest@uid".into(),
        process_max: 2,
        restore_processes: 4,
    }
}

fn with_global(pairs: &[(&str, &str)]) -> ClusterConfiguration {
    let mut cluster = cluster();
    cluster.user.global = pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    cluster
}

fn with_file(text: &str) -> ClusterConfiguration {
    let mut cluster = cluster();
    cluster.user.files.push(Ini::parse(text).unwrap());
    cluster
}

#[test]
fn the_instance_file_archives_asynchronously_from_the_data_volume() {
    insta::assert_snapshot!(cluster().instance().unwrap());
}

#[test]
fn the_job_file_reaches_every_instance_over_tls_in_the_order_of_names() {
    insta::assert_snapshot!(cluster().job().unwrap());
}

#[test]
fn the_server_file_lets_only_jobs_of_this_cluster_in() {
    insta::assert_snapshot!(cluster().server().unwrap());
}

#[test]
fn a_cluster_of_one_does_not_look_for_a_standby() {
    let mut cluster = cluster();
    cluster.instances.truncate(1);
    assert!(!cluster.job().unwrap().contains("backup-standby"));
}

#[test]
fn the_users_global_replaces_our_defaults() {
    let cluster = with_global(&[
        ("start-fast", "n"),
        ("repo1-path", "/elsewhere"),
        ("repo1-cipher-type", "aes-256-cbc"),
    ]);
    let job = Ini::parse(&cluster.job().unwrap()).unwrap();
    assert_eq!(job.values("global", "start-fast").collect::<Vec<_>>(), ["n"]);
    assert_eq!(
        job.values("global", "repo1-path").collect::<Vec<_>>(),
        ["/elsewhere"]
    );
    assert_eq!(job.get("global", "repo1-cipher-type"), Some("aes-256-cbc"));
}

#[test]
fn what_the_users_files_set_is_not_rendered_again() {
    let cluster = with_file("[global]\ncompress-type=lz4\nrepo1-s3-endpoint=other\n[db]\npg1-port=6000\n");
    let job = Ini::parse(&cluster.job().unwrap()).unwrap();
    for (section, key) in [
        ("global", "compress-type"),
        ("global", "repo1-s3-endpoint"),
        ("db", "pg1-port"),
    ] {
        assert_eq!(job.get(section, key), None, "{key}");
    }
    assert_eq!(job.get("db", "pg2-port"), Some("5432"));
}

#[test]
fn an_option_in_global_and_in_a_file_is_refused_by_name() {
    let mut cluster = with_file("[global]\nprocess-max=2\n");
    cluster.user.global.insert("process-max".into(), "3".into());
    let error = cluster.job().unwrap_err();
    assert_eq!(
        error,
        ConfigurationError::Conflict {
            option: "process-max".into()
        }
    );
    assert!(error.to_string().contains("'process-max'"));
}

#[test]
fn no_block_incremental_where_the_user_switched_bundles_off() {
    for cluster in [
        with_global(&[("repo1-bundle", "n")]),
        with_file("[db]\nrepo1-bundle=n\n"),
    ] {
        assert!(!cluster.job().unwrap().contains("repo1-block"));
    }
    assert!(
        with_global(&[("repo1-bundle", "y")])
            .job()
            .unwrap()
            .contains("repo1-block=y")
    );
}

#[test]
fn each_kind_of_store_is_rendered_with_its_own_options() {
    let mut cluster = cluster();
    let azure = RepositoryStore::Azure {
        container: "c".into(),
    };
    let gcs = RepositoryStore::Gcs { bucket: "b".into() };
    for (key, store) in [(2, azure), (3, gcs)] {
        cluster.repositories.push(RepositorySpec { key, store });
    }
    let job = Ini::parse(&cluster.job().unwrap()).unwrap();
    assert_eq!(job.get("global", "archive-timeout"), Some("180"));
    for text in [cluster.instance().unwrap(), cluster.job().unwrap()] {
        let file = Ini::parse(&text).unwrap();
        for (option, value) in [
            ("repo2-type", "azure"),
            ("repo2-azure-container", "c"),
            ("repo2-path", "/pgbackrest/repo2"),
            ("repo3-type", "gcs"),
            ("repo3-gcs-bucket", "b"),
        ] {
            assert_eq!(file.get("global", option), Some(value), "{option}");
        }
    }
}

#[test]
fn a_volume_is_behind_its_host_for_instances_and_in_place_for_the_host_and_jobs() {
    let mut cluster = cluster();
    assert_eq!(cluster.repo_host().unwrap(), None);
    for key in [2, 3] {
        let host = "c-repo-host-0.c-pods.ns.svc.cluster.local".into();
        let store = RepositoryStore::Volume { host };
        cluster.repositories.push(RepositorySpec { key, store });
    }
    let instance = Ini::parse(&cluster.instance().unwrap()).unwrap();
    for (option, value) in [
        ("repo2-path", "/pgbackrest/repo2"),
        ("repo2-host", "c-repo-host-0.c-pods.ns.svc.cluster.local"),
        ("repo2-host-type", "tls"),
        ("repo2-host-cert-file", "/etc/pgbackrest-tls/client.crt"),
        ("repo3-path", "/pgbackrest/repo3"),
    ] {
        assert_eq!(instance.get("global", option), Some(value), "{option}");
    }
    let host = cluster.repo_host().unwrap().unwrap();
    for (text, lock_path) in [
        (cluster.job().unwrap(), "/tmp/pgbackrest"),
        (host, "/pgbackrest/repo2/lock"),
    ] {
        let file = Ini::parse(&text).unwrap();
        assert_eq!(file.get("global", "repo3-path"), Some("/pgbackrest/repo3"));
        assert_eq!(file.get("global", "repo2-host"), None);
        assert_eq!(file.get("global", "repo2-type"), None);
        assert_eq!(file.get("global", "lock-path"), Some(lock_path));
        assert_eq!(file.get("db", "pg1-host-type"), Some("tls"));
    }
}

#[test]
fn the_server_leaves_to_global_what_the_user_sets_there() {
    let cluster = with_global(&[("tls-server-address", "::")]);
    assert!(!cluster.server().unwrap().contains("tls-server-address"));
    assert!(cluster.instance().unwrap().contains("tls-server-address=::"));
}

#[test]
fn options_of_repositories_that_do_not_exist_are_left_out() {
    let cluster = with_global(&[("repo2-path", "/x"), ("repo1-retention-full", "2")]);
    assert!(!cluster.job().unwrap().contains("repo2"));
}

#[test]
fn a_value_cannot_add_lines_of_its_own() {
    for (key, value) in [
        ("repo1-path", "/a\nrepo1-type=posix"),
        ("a]\n[db", "x"),
        ("repo1-path", " "),
    ] {
        let error = with_global(&[(key, value)]).instance().unwrap_err();
        assert!(matches!(error, ConfigurationError::Unwritable { .. }), "{error}");
    }
}

#[test]
fn data_come_back_with_as_many_processes_as_the_user_says_or_as_the_instances_have_processors() {
    let processes = |cluster: &ClusterConfiguration| {
        let file = cluster.instance().unwrap();
        let lines = file.lines().filter(|line| line.starts_with("process-max"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        processes(&cluster()),
        ["process-max=2", "process-max=4", "process-max=4"]
    );
    assert_eq!(
        processes(&with_global(&[("process-max", "7")])),
        ["process-max=7"]
    );
    assert!(processes(&with_file("[global]\nprocess-max=7\n")).is_empty());
    assert_eq!(
        processes(&with_file("[global:restore]\nprocess-max=7\n")),
        ["process-max=2", "process-max=4"]
    );
}
