//! A segment that somebody deletes, in the middle of each store: named by us, and by an independent program.

use crate::harness::{kubectl_exec, minutes, operator_metrics, run};

use super::four::{Four, REPOSITORIES};

/// Removes a segment from a repository and keeps its bytes: `take REPO SEGMENT`; `put REPO SEGMENT` brings them back.
const BY_HAND: &str = r#"
set -euo pipefail
act=$1 key=${2#repo} segment=$3
directory=archive/db/18-1/${segment:0:16} kept=/tmp/taken-$2
engine() { pgbackrest --stanza=db --repo="$key" --log-level-console=off "$@"; }
if [ "$act" = take ]; then
  engine repo-ls "$directory" | grep "^$segment" >"$kept.name"
  engine --raw repo-get "$directory/$(cat "$kept.name")" >"$kept"
  engine repo-rm "$directory/$(cat "$kept.name")"
else
  engine --raw repo-put "$directory/$(cat "$kept.name")" <"$kept"
fi
"#;

impl Four<'_> {
    /// In each store another segment, so that each has to be named for itself.
    pub async fn a_segment_that_is_deleted_is_named_in_each_store(&self) {
        let scenario = self.scenario;
        let mut segments = Vec::new();
        for _ in 0..=REPOSITORIES.len() {
            let sql = "insert into t values (0); select pg_walfile_name(pg_switch_wal())";
            segments.push(scenario.sql(&self.cluster, sql).await);
        }
        self.wal_reaches(&REPOSITORIES).await;
        let holes: Vec<(&str, &str)> = REPOSITORIES
            .into_iter()
            .zip(segments.iter().map(String::as_str))
            .collect();
        for (repository, _) in &holes {
            let (well, said) = self.check(repository).await;
            assert!(well, "{repository}: {said}");
        }
        for (repository, segment) in &holes {
            self.by_hand("take", repository, segment).await;
            scenario.tell(&format!("{segment} is taken from {repository}"));
        }
        let named = |message: &str, (repository, segment): &(&str, &str)| {
            message.contains(&format!("{repository}: segment {segment} is missing"))
        };
        self.until_wal_continuous("every hole named", |(status, reason, message)| {
            (status, reason) == ("False", "WalGap") && holes.iter().all(|hole| named(message, hole))
        })
        .await;
        scenario.event("app", "WalGap", minutes(1)).await;
        let metrics = operator_metrics().await;
        for (repository, segment) in &holes {
            let labels = format!(
                "namespace=\"{}\",cluster=\"app\",repo=\"{repository}\"",
                scenario.namespace
            );
            let line = format!("holdfast_archive_missing_segments{{{labels}}} 1");
            assert!(metrics.contains(&line), "{line} in {metrics}");
            let inspected = self.inspect(repository).await.unwrap_err();
            assert!(inspected.contains(segment), "{repository}: {inspected}");
            let (well, said) = self.check(repository).await;
            assert!(!well && said.contains(segment), "{repository}: {said}");
        }
        scenario.tell("each is named in status, Event, metric and inspect, and check_pgbackrest agrees");
        for (repository, segment) in &holes {
            self.by_hand("put", repository, segment).await;
        }
        self.until_wal_continuous("whole again", |(status, ..)| status == "True")
            .await;
        for (repository, _) in &holes {
            let (well, said) = self.check(repository).await;
            assert!(well, "{repository}: {said}");
            self.inspect(repository).await.unwrap();
        }
    }

    async fn by_hand(&self, act: &str, repository: &str, segment: &str) {
        let command = ["bash", "-c", BY_HAND, "by-hand", act, repository, segment];
        self.in_host(&command).await.unwrap();
    }

    /// In the pod that sees all repositories.
    async fn in_host(&self, command: &[&str]) -> Result<String, String> {
        kubectl_exec(
            &self.scenario.namespace,
            "app-repo-host-0",
            "pgbackrest",
            command,
            "",
        )
        .await
    }

    async fn inspect(&self, repository: &str) -> Result<String, String> {
        let key = repository.trim_start_matches("repo");
        let directory = "/etc/pgbackrest/conf.d";
        let (user, own) = (
            format!("{directory}/stores.conf"),
            format!("{directory}/~holdfast.conf"),
        );
        // A single look cannot tell since when a gap is there.
        let arguments = ["--config", &user, "--config", &own, "--repo", key, "--grace", "0"];
        let mut command = vec!["/opt/holdfast/holdfast", "inspect"];
        command.extend(arguments);
        self.in_host(&command).await
    }

    /// What `check_pgbackrest` of Dalibo says of the archive: whether all is well, and its report.
    async fn check(&self, repository: &str) -> (bool, String) {
        let key = format!("--repo={}", repository.trim_start_matches("repo"));
        let prefix = format!(
            "--prefix=kubectl exec -n {} app-repo-host-0 -c pgbackrest --",
            self.scenario.namespace
        );
        let arguments = [
            "--stanza=db",
            "--service=archives",
            "--output=human",
            &key,
            &prefix,
        ];
        match run("check_pgbackrest", &arguments, "").await {
            Ok(said) => (true, said),
            Err(said) => (false, said),
        }
    }
}
