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
#[case(&["--backup-standby=prefer", "--backup-standby=n"], &["--backup-standby=prefer", "--backup-standby=n"])]
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
#[case("--no-type", "not among the options")]
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
                prop_assert!(VALUED.contains(&name) || SWITCHES.contains(&name));
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
