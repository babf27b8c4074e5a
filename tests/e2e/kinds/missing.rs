//! A segment that somebody deletes, in the middle of each store: named by us, and by an independent program.

use kube::ResourceExt;

use crate::harness::{Four, REPOSITORIES, kubectl_exec, minutes, operator_metrics, run};

/// Removes the object of a segment, in the pod that sees all repositories: `REPO SEGMENT`.
const TAKE: &str = r#"
set -euo pipefail
directory=archive/db/18-1/${2:0:16}
engine() { pgbackrest --stanza=db --repo="${1#repo}" --log-level-console=off "${@:2}"; }
object=$(engine "$1" repo-ls "$directory" | grep "^$2")
engine "$1" repo-rm "$directory/$object"
"#;

/// Beside PostgreSQL: keeps a segment, as long as the archive has it, and brings it back: `keep SEGMENT`, `put SEGMENT`.
/// Where a repository has it still, pgBackRest sees that it is the same.
const KEEP: &str = r#"
set -euo pipefail
mkdir -p /tmp/kept
engine() { pgbackrest --stanza=db --no-archive-async --log-level-console=off --log-level-stderr=warn "$@"; }
if [ "$1" = keep ]; then engine archive-get "$2" "/tmp/kept/$2" && exit 0; fi
# A store under load may refuse a request, and PostgreSQL would ask again too.
for _ in 1 2 3 4 5; do
  if [ "$1" = put ] && engine archive-push "/tmp/kept/$2"; then exit 0; fi
  sleep 2
done
exit 1
"#;

impl Four<'_> {
    /// In each store another segment, so that each has to be named for itself.
    pub async fn a_segment_that_is_deleted_is_named_in_each_store(&self) {
        let scenario = self.scenario;
        let mut segments = Vec::new();
        for _ in 0..=REPOSITORIES.len() {
            segments.push(
                self.cluster
                    .segment_with(scenario, "insert into t values (0)")
                    .await,
            );
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
            self.beside_postgres("keep", segment).await;
            self.in_host(&["bash", "-c", TAKE, "take", repository, segment])
                .await
                .unwrap();
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
        for (_, segment) in &holes {
            self.beside_postgres("put", segment).await;
        }
        self.until_wal_continuous("whole again", |(status, ..)| status == "True")
            .await;
        for (repository, _) in &holes {
            let (well, said) = self.check(repository).await;
            assert!(well, "{repository}: {said}");
            self.inspect(repository).await.unwrap();
        }
    }

    async fn beside_postgres(&self, act: &str, segment: &str) {
        let pod = self.cluster.primary(self.scenario).await.name_any();
        let command = ["bash", "-c", KEEP, "keep", act, segment];
        kubectl_exec(&self.scenario.namespace, &pod, "database", &command, "")
            .await
            .unwrap();
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
