//! What `pgbackrest info --output=json` says of the stanza in one repository.
//!
//! The exit code says nothing (always 0), and what should be JSON may not be any: with a wrong passphrase it holds
//! decrypted garbage. Messages are never passed on; of an error only its type name is.

use serde::Deserialize;

use crate::pgbackrest::output::Report;

/// The stanza in one repository, seen from one PostgreSQL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stanza {
    /// It is there and belongs to this PostgreSQL.
    Ready,
    /// It is not there.
    Missing,
    /// It belongs to another PostgreSQL.
    OtherSystem,
    /// That cannot be told; an error type name, where there is one.
    Unreadable(Option<String>),
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    db: Vec<Database>,
    #[serde(default)]
    repo: Vec<Repository>,
}

#[derive(Deserialize)]
struct Database {
    id: u64,
    #[serde(rename = "repo-key")]
    repo_key: u8,
    #[serde(rename = "system-id")]
    system_id: u64,
}

#[derive(Deserialize)]
struct Repository {
    key: u8,
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    code: u8,
    #[serde(default)]
    message: String,
}

/// Reads the answer about stanza `name` in repository `key`, for the PostgreSQL with this system identifier.
#[must_use]
pub fn read(output: &str, name: &str, key: u8, system_identifier: &str) -> Stanza {
    let Ok(entries) = serde_json::from_str::<Vec<Entry>>(output) else {
        return Stanza::Unreadable(None);
    };
    let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
        return Stanza::Missing;
    };
    let Some(repository) = entry.repo.iter().find(|repository| repository.key == key) else {
        return Stanza::Unreadable(None);
    };
    match repository.status.code {
        // ok, and "no valid backups".
        0 | 2 => {
            // The newest database id is the one that is written to.
            let newest = entry
                .db
                .iter()
                .filter(|db| db.repo_key == key)
                .max_by_key(|db| db.id);
            match newest {
                Some(db) if db.system_id.to_string() == system_identifier => Stanza::Ready,
                Some(_) => Stanza::OtherSystem,
                None => Stanza::Unreadable(None),
            }
        }
        // "missing stanza path" and "missing stanza data".
        1 | 3 => Stanza::Missing,
        _ => Stanza::Unreadable(
            Report::scan(&repository.status.message)
                .error_types
                .into_iter()
                .next(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u8, message: &str, db: &str) -> String {
        format!(
            r#"[{{"backup":[],"cipher":"none","db":[{db}],"name":"db",
                "repo":[{{"cipher":"none","key":2,"status":{{"code":{code},"message":"{message}"}}}}],
                "status":{{"code":{code},"message":"x"}}}}]"#
        )
    }

    const OURS: &str = r#"{"id":1,"repo-key":2,"system-id":75,"version":"18"}"#;
    const THEIRS: &str = r#"{"id":2,"repo-key":2,"system-id":99,"version":"18"}"#;

    #[test]
    fn a_stanza_of_ours_is_ready_with_and_without_backups() {
        for code in [0, 2] {
            assert_eq!(read(&answer(code, "ok", OURS), "db", 2, "75"), Stanza::Ready);
        }
    }

    #[test]
    fn the_newest_database_id_decides_whose_it_is() {
        let both = format!("{OURS},{THEIRS}");
        assert_eq!(read(&answer(0, "ok", &both), "db", 2, "75"), Stanza::OtherSystem);
        assert_eq!(read(&answer(0, "ok", &both), "db", 2, "99"), Stanza::Ready);
    }

    #[test]
    fn missing_path_missing_data_and_no_entry_are_missing() {
        for code in [1, 3] {
            assert_eq!(
                read(&answer(code, "missing stanza path", ""), "db", 2, "75"),
                Stanza::Missing
            );
        }
        assert_eq!(read("[]", "db", 2, "75"), Stanza::Missing);
    }

    #[test]
    fn of_an_error_only_the_type_name_is_kept() {
        let text = answer(
            99,
            "[ProtocolError] HTTP request failed with 403: AKIAEXAMPLE",
            "",
        );
        assert_eq!(
            read(&text, "db", 2, "75"),
            Stanza::Unreadable(Some("ProtocolError".into()))
        );
    }

    #[test]
    fn what_is_no_json_is_unreadable_not_missing() {
        assert_eq!(
            read("[{\"name\":\"\u{1}", "db", 2, "75"),
            Stanza::Unreadable(None)
        );
    }
}
