use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn arguments(options: &[&str]) -> Vec<String> {
    BackupOptions::parse(options).unwrap().arguments().to_vec()
}

#[rstest]
#[case(&["--type=full"], &["--type=full"])]
#[case(&["--type full"], &["--type=full"])]
#[case(&["--type", "full"], &["--type=full"])]
#[case(&["--type=diff --start-fast", "--no-resume"], &["--type=diff", "--start-fast", "--no-resume"])]
#[case(&[r#"--annotation="a"="b""#], &["--annotation=a=b"])]
#[case(&[r#"--annotation="why"="before the 'big' change""#], &["--annotation=why=before the 'big' change"])]
#[case(&["--exclude=junk/ --exclude=tmp/"], &["--exclude=junk/", "--exclude=tmp/"])]
#[case(&["--annotation=home=$HOME"], &["--annotation=home=$HOME"])]
#[case(&["--delta=y --start-fast=n"], &["--delta", "--no-start-fast"])]
#[case(&["--backup-standby=prefer", "--delta"], &["--backup-standby=prefer", "--delta"])]
#[case(&["--backup-standby", "--no-delta"], &["--backup-standby", "--no-delta"])]
#[case(&["--annotation=a=1", "--annotation=b=2"], &["--annotation=a=1", "--annotation=b=2"])]
#[case(&["--compress-level -5 --io-timeout 90"], &["--compress-level=-5", "--io-timeout=90"])]
#[case(&["", "  "], &[])]
fn options_are_split_and_unquoted_as_a_shell_would(#[case] options: &[&str], #[case] expected: &[&str]) {
    assert_eq!(arguments(options), expected);
}

#[test]
fn a_restore_target_keeps_its_blanks() {
    let words = split(&[r#"--type=time --target="2022-11-30 15:12:11+03""#]).unwrap();
    assert_eq!(words, ["--type=time", "--target=2022-11-30 15:12:11+03"]);
}

#[test]
fn the_type_is_found_in_any_form() {
    let of = |options: &[&str]| BackupOptions::parse(options).unwrap().backup_type();
    assert_eq!(of(&["--type=full"]), Some(BackupType::Full));
    assert_eq!(of(&["--start-fast --type incr"]), Some(BackupType::Incremental));
    assert_eq!(of(&[]), None);
}

#[rstest]
#[case("--repo=2", "'--repo'")]
#[case("--repo1-path=/x", "'--repo1-path'")]
#[case("--repo1-s3-key-secret=hunter2", "credentials belong in a Secret")]
#[case("--repo2-cipher-pass=hunter2", "credentials belong in a Secret")]
#[case("--stanza=other", "always 'db'")]
#[case("--pg1-path=/x", "'--pg1-path'")]
#[case("--no-pg1-local", "'--no-pg1-local'")]
#[case("--config=/tmp/x", "'--config'")]
#[case("--config-include-path=/tmp", "'--config-include-path'")]
#[case("--cmd=/bin/sh", "'--cmd'")]
#[case("--lock-path=/x", "'--lock-path'")]
#[case("--log-level-console=off", "'--log-level-console'")]
#[case("--no-online", "'--no-online'")]
#[case("--force", "'--force'")]
#[case(
    "--annotation=percona.com/backup-name=x",
    "'--annotation=percona.com/backup-name'"
)]
#[case("--future-option=1", "not among the options")]
#[case("--typ=full", "by their full names")]
#[case("--reset-compress-type", "not among the options")]
#[case("--reset-pg1-host", "'--reset-pg1-host' may not be given")]
#[case("--db2-path=/x", "the instances are those")]
#[case("--backup-host=x", "the repository is spec.repoName")]
#[case("--no-expire-auto", "the retention of its repository")]
#[case("--retention-full=1", "the retention of its repository")]
#[case("--repo1-retention-full=1", "the retention of its repository")]
#[case("--spool-path=/x", "directories")]
#[case("--allow-root", "nothing here runs as root")]
#[case("--neutral-umask", "repository host")]
#[case("--tls-cipher-12=x", "certificates")]
#[case("--exec-id=x", "pgBackRest's own")]
#[case("--no-compress", "--compress-type=none")]
#[case("--no-type", "is no switch")]
#[case("full", "'full' in spec.options is no option")]
#[case("-x", "'-x'")]
#[case("--", "'--'")]
#[case("--type=full; rm", "must be full, diff or incr")]
#[case("--type=snapshot", "must be full, diff or incr")]
#[case("--type=full --type=incr", "given twice")]
#[case("--type", "needs a value")]
#[case("--type --start-fast", "needs a value")]
#[case("--process-max=", "has no value")]
#[case("--annotation=novalue", "key=value")]
#[case("--no-start-fast=y", "takes no value")]
#[case("--start-fast=maybe", "is a switch")]
#[case("--backup-standby=never", "must be y, n or prefer")]
#[case("--delta --no-delta", "given twice")]
#[case("--compress-type=rar", "must be none, bz2, gz, lz4 or zst")]
#[case("--compress-level=23", "from -7 to 22")]
#[case("--priority=-5", "from 0 to 19")]
#[case("--process-max=0", "from 1 to 999")]
#[case("--process-max=many", "from 1 to 999")]
#[case("--io-timeout=2h", "must be from 100 ms to 3600 s")]
#[case("--io-timeout=soon", "must be a time")]
#[case("--db-timeout=8d", "must be from 100 ms to 604800 s")]
#[case("--buffer-size=3MiB", "power of two")]
#[case("--manifest-save-threshold=2TiB", "out of range")]
#[case("--manifest-save-threshold=1GX", "must be a size")]
#[case("--exclude=/pgdata/pg18/base", "below the data directory")]
#[case("--exclude=junk/../base", "below the data directory")]
#[case("--exclude=base/", "cannot be restored without")]
#[case("--exclude=./global/pg_control", "cannot be restored without")]
#[case("--annotation=\"a=b", "option 1 of spec.options has a quote without its end")]
fn what_is_not_the_users_to_give_is_refused_with_its_name(#[case] option: &str, #[case] told: &str) {
    let message = BackupOptions::parse(&[option]).unwrap_err().to_string();
    assert!(message.contains(told), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

proptest! {
    #[test]
    fn no_text_panics_and_what_passes_is_an_option(texts in prop::collection::vec("\\PC{0,40}", 0..4)) {
        if let Ok(options) = BackupOptions::parse(&texts) {
            for argument in options.arguments() {
                let name = argument.trim_start_matches("--").trim_start_matches("no-");
                let name = name.split('=').next().unwrap();
                prop_assert!(argument.starts_with("--"));
                prop_assert!(known::find(known::KNOWN, name).is_some());
            }
        }
    }

    #[test]
    fn a_quoted_value_arrives_as_it_was_written(value in "[^\\x00]{1,40}") {
        let quoted = shlex::try_quote(&value).unwrap();
        let options = BackupOptions::parse(&[format!("--annotation=key={quoted}")]).unwrap();
        prop_assert_eq!(options.arguments(), [format!("--annotation=key={value}")]);
    }

    #[test]
    fn no_refused_family_passes_in_any_disguise(
        name in "(repo[0-9]?(-path|-s3-key)?|pg[0-9]?-host|config(-path)?|lock-path|log-[a-z]{1,8}|stanza|[a-z]{1,5}-cipher-pass)",
        no: bool,
        form in 0..3_usize,
    ) {
        let name = if no { format!("no-{name}") } else { name };
        let text = [format!("--{name}=x"), format!("--{name} x"), format!("\"--{name}\"=x")][form].clone();
        prop_assert!(BackupOptions::parse(&[text]).is_err());
    }
}

#[rstest]
#[case("--archive-timeout=100ms")]
#[case("--archive-timeout=1D")]
#[case("--protocol-timeout=1w")]
#[case("--buffer-size=16mib")]
#[case("--buffer-size=1048576")]
#[case("--manifest-save-threshold=1b")]
#[case("--manifest-save-threshold=512KB")]
#[case("--job-retry-interval=0")]
#[case("--exclude=base_of_mine/")]
fn values_may_be_written_in_all_of_pgbackrests_ways(#[case] option: &str) {
    assert_eq!(arguments(&[option]), [option]);
}

#[test]
fn no_option_is_both_known_and_refused_and_each_stands_once() {
    for option in known::KNOWN {
        assert_eq!(refused::reason(option.name), None, "{}", option.name);
        let same = known::KNOWN.iter().filter(|other| other.name == option.name);
        assert_eq!(same.count(), 1, "{}", option.name);
    }
}

/// Every option that pgBackRest 2.60 takes with `backup`, from its own definition (`build/config/config.yaml`), without
/// the families `repo…` and `pg…`.
const OF_PGBACKREST: &str = include_str!("backup-options-2.60.txt");

#[test]
fn every_option_of_pgbackrest_is_known_or_refused_for_a_reason_of_its_own() {
    let theirs: Vec<&str> = OF_PGBACKREST.lines().collect();
    for option in &theirs {
        assert!(
            known::find(known::KNOWN, option).is_some() || refused::reason(option).is_some(),
            "{option}"
        );
    }
    for option in known::KNOWN {
        assert!(theirs.contains(&option.name), "pgBackRest has no {}", option.name);
    }
}

#[rstest]
#[case("PGBACKREST_PG1_HOST")]
#[case("PGBACKREST_DB_HOST")]
#[case("PGBACKREST_STANZA")]
#[case("PGBACKREST_CONFIG_INCLUDE_PATH")]
#[case("PGBACKREST_LOCK_PATH")]
#[case("PGBACKREST_CMD")]
#[case("PGBACKREST_ONLINE")]
#[case("PGBACKREST_FORCE")]
#[case("PGBACKREST_EXEC_ID")]
fn a_variable_that_would_turn_pgbackrest_elsewhere_is_refused(#[case] name: &str) {
    assert!(refused_variable(name).is_some());
}

#[rstest]
#[case("PGBACKREST_REPO1_S3_KEY")]
#[case("PGBACKREST_REPO1_CIPHER_PASS")]
#[case("PGBACKREST_DB_TIMEOUT")]
#[case("PGBACKREST_COMPRESS_TYPE")]
#[case("PGBACKREST_BACKUP_STANDBY")]
#[case("HTTPS_PROXY")]
fn other_variables_may_be_set(#[case] name: &str) {
    assert_eq!(refused_variable(name), None);
}
