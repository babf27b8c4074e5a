//! What is applied, against a real PostgreSQL.

mod server;

use tokio_postgres::Client;

use self::server::Server;
use super::apply::apply;
use super::observe::observe;
use crate::agent::desired::{Desired, DesiredPgBouncer, DesiredUser};

const APP: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
const NEW: &str = "SCRAM-SHA-256$4096:AAAAAJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fn user(name: &str, databases: &[&str], options: &str) -> DesiredUser {
    DesiredUser {
        name: name.into(),
        verifier: APP.into(),
        databases: databases.iter().map(|&name| name.to_owned()).collect(),
        options: options.into(),
        grant_public_schema_access: name == "app",
    }
}

fn desired() -> Desired {
    Desired {
        revision: "r1".into(),
        databases: vec!["app".into(), r#"o"dd; db'"#.into()],
        users: vec![
            user("app", &["app"], ""),
            user(
                r#"o"dd user'"#,
                &[r#"o"dd; db'"#, "app"],
                "CREATEDB CONNECTION LIMIT 7",
            ),
            user("postgres", &["app"], ""),
        ],
        create_user_schema: true,
        pgbouncer: Some(DesiredPgBouncer {
            verifier: APP.into(),
            expose_superusers: false,
        }),
        extensions: vec!["pgcrypto".into()],
        ..Desired::default()
    }
}

async fn one(client: &Client, sql: &str) -> String {
    let row = client
        .query_one(&format!("SELECT ({sql})::text"), &[])
        .await
        .expect(sql);
    row.get::<_, Option<String>>(0).unwrap_or_default()
}

#[tokio::test]
async fn everything_is_applied_once_and_a_second_pass_writes_nothing() {
    let server = Server::start().await;
    let client = server.socket.connect("postgres").await.unwrap();
    assert_eq!(apply(&server.socket, &client, &desired()).await, []);

    assert_eq!(
        one(&client, "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'").await,
        APP
    );
    let odd = "SELECT rolcreatedb AND rolconnlimit = 7 AND rolcanlogin FROM pg_authid WHERE rolname = 'o\"dd user'''";
    assert_eq!(one(&client, odd).await, "true");
    let app = server.socket.connect("app").await.unwrap();
    assert_eq!(
        one(
            &app,
            "SELECT count(*) FROM pg_namespace WHERE nspname IN ('app', 'o\"dd user''')"
        )
        .await,
        "2"
    );
    assert_eq!(
        one(&app, "SELECT to_regnamespace('postgres') IS NULL").await,
        "true"
    );
    assert_eq!(
        one(&app, "SELECT has_schema_privilege('app', 'public', 'CREATE')").await,
        "true"
    );
    let extension = "SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'pgcrypto'";
    assert_eq!(one(&app, extension).await, "public");

    // Row versions tell whether a second pass changed a catalog.
    let versions = "SELECT (SELECT string_agg(xmin::text, ',' ORDER BY oid) FROM pg_authid) || \
        (SELECT string_agg(xmin::text, ',' ORDER BY oid) FROM pg_database) || \
        (SELECT string_agg(xmin::text, ',' ORDER BY oid) FROM pg_proc) || \
        (SELECT string_agg(xmin::text, ',' ORDER BY oid) FROM pg_namespace)";
    let before = (one(&client, versions).await, one(&app, versions).await);
    assert_eq!(apply(&server.socket, &client, &desired()).await, []);
    assert_eq!((one(&client, versions).await, one(&app, versions).await), before);

    let mut changed = desired();
    changed.users[0].verifier = NEW.into();
    changed.users[0].options = "NOLOGIN VALID UNTIL '2030-01-01 00:00:00+00'".into();
    assert_eq!(apply(&server.socket, &client, &changed).await, []);
    let role = "SELECT rolpassword || rolcanlogin || extract(year FROM rolvaliduntil) FROM pg_authid WHERE rolname = 'app'";
    assert_eq!(one(&client, role).await, format!("{NEW}false2030"));

    let log = server.log();
    assert!(
        !log.contains("SCRAM-SHA-256$"),
        "the server's log holds a verifier: {log}"
    );
}

#[tokio::test]
async fn pgbouncers_function_answers_for_ordinary_roles_only_and_to_pgbouncer_only() {
    let server = Server::start().await;
    let client = server.socket.connect("postgres").await.unwrap();
    assert_eq!(apply(&server.socket, &client, &desired()).await, []);
    client.batch_execute("CREATE DATABASE later").await.unwrap();
    for database in ["app", "template1", "later"] {
        let there = server.socket.connect(database).await.unwrap();
        there.batch_execute("SET ROLE _crunchypgbouncer").await.unwrap();
        let count = "SELECT count(*) FROM pgbouncer.get_auth";
        assert_eq!(
            one(
                &there,
                &format!("{count}('app') WHERE username = 'app' AND password LIKE 'SCRAM%'")
            )
            .await,
            "1"
        );
        for refused in ["postgres", "_crunchyrepl", "_crunchypgbouncer", "nobody"] {
            assert_eq!(
                one(&there, &format!("{count}('{refused}')")).await,
                "0",
                "{refused}"
            );
        }
        there.batch_execute("SET ROLE app").await.unwrap();
        let error = there
            .query("SELECT * FROM pgbouncer.get_auth('app')", &[])
            .await
            .unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501");
    }

    // One that was weakened by hand is put right.
    let app = server.socket.connect("app").await.unwrap();
    app.batch_execute("GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO PUBLIC")
        .await
        .unwrap();
    assert_eq!(apply(&server.socket, &client, &desired()).await, []);
    assert_eq!(
        one(
            &app,
            "SELECT has_function_privilege('app', 'pgbouncer.get_auth(text)', 'EXECUTE')"
        )
        .await,
        "false"
    );

    let without = Desired {
        pgbouncer: None,
        ..desired()
    };
    assert_eq!(apply(&server.socket, &client, &without).await, []);
    assert_eq!(
        one(&app, "SELECT to_regnamespace('pgbouncer') IS NULL").await,
        "true"
    );
    assert_eq!(
        one(
            &client,
            "SELECT count(*) FROM pg_roles WHERE rolname = '_crunchypgbouncer'"
        )
        .await,
        "0"
    );
}

#[tokio::test]
async fn one_bad_user_does_not_stop_the_others_and_is_named_with_its_code() {
    let server = Server::start().await;
    let client = server.socket.connect("postgres").await.unwrap();
    let mut desired = desired();
    desired
        .users
        .insert(0, user("bad", &["nowhere"], "IN ROLE postgres"));
    desired
        .users
        .insert(1, user("late", &["app"], "VALID UNTIL 'tomorrowish'"));
    desired.users.insert(2, user("_crunchyx", &[], ""));
    desired.extensions.insert(0, "no_such_extension".into());
    let problems = apply(&server.socket, &client, &desired).await;
    let of = |what: &str| -> Vec<&str> {
        problems
            .iter()
            .filter(|problem| problem.what == what)
            .map(|problem| problem.code.as_str())
            .collect()
    };
    assert_eq!(of("users"), ["options", "22007", "reserved"]);
    assert!(of("grants").contains(&"42704"), "{problems:?}");
    assert_eq!(of("extensions").first(), Some(&"0A000"), "{problems:?}");
    assert!(!format!("{problems:?}").contains("SCRAM"));
    assert_eq!(
        one(&client, "SELECT count(*) FROM pg_roles WHERE rolname = 'app'").await,
        "1"
    );
    let app = server.socket.connect("app").await.unwrap();
    assert_eq!(
        one(
            &app,
            "SELECT count(*) FROM pg_extension WHERE extname = 'pgcrypto'"
        )
        .await,
        "1"
    );
}

#[tokio::test]
async fn a_look_tells_identity_timeline_and_archiving() {
    let server = Server::start().await;
    let client = server.socket.connect("postgres").await.unwrap();
    let seen = observe(&client).await.unwrap();
    let control = "SELECT system_identifier FROM pg_control_system()";
    assert_eq!(seen.system_identifier, one(&client, control).await);
    assert_eq!((seen.in_recovery, seen.timeline), (false, 1));
    assert!(seen.version.starts_with(|c: char| c.is_ascii_digit()) && !seen.version.contains(' '));
    client.batch_execute("SELECT pg_switch_wal()").await.unwrap();
    for _ in 0..100 {
        if observe(&client)
            .await
            .unwrap()
            .archiver
            .unwrap()
            .last_failed_wal
            .is_some()
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let archiver = observe(&client).await.unwrap().archiver.unwrap();
    assert!(
        archiver.failed_count > 0 && archiver.ready_files == 1 && archiver.last_failed_at.is_some(),
        "{archiver:?}"
    );
}
