//! Programs of the person at the keyboard: kubectl, and the scripts of the test cluster.

use std::process::Stdio;

use kube::ResourceExt;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Cluster, Scenario};

/// Runs a program to its end; its output, or what it complained of.
pub async fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut stdin = child.stdin.take().unwrap();
    // A program that does not read its input ends without it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child
        .wait_with_output()
        .await
        .map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!(
            "{program} {}: {} {}{}",
            arguments.join(" "),
            output.status,
            text(&output.stderr),
            text(&output.stdout)
        ))
    }
}

/// What the administrator of the test runs in a container. The product itself never does.
pub async fn kubectl_exec(
    namespace: &str,
    pod: &str,
    container: &str,
    command: &[&str],
    input: &str,
) -> Result<String, String> {
    let mut arguments = vec!["exec", "-i", "-n", namespace, pod, "-c", container, "--"];
    arguments.extend(command);
    run("kubectl", &arguments, input).await
}

impl Scenario {
    /// Writes enough (0.4 GB) for a backup to be seen half way, in several files: what is copied is told by whole ones.
    pub async fn fill(&self, cluster: &Cluster) {
        let one = "create table much_%s as select md5(n::text) || md5((n + 1)::text) one, md5((n + 2)::text) two \
            from generate_series(1, 375000) n";
        let all = format!(
            "do $$ begin for i in 1..8 loop execute format('{one}', i); end loop; end $$; checkpoint"
        );
        self.sql(cluster, &all).await;
    }

    /// Runs SQL on the primary as its superuser; the rows, one a line.
    pub async fn sql(&self, cluster: &Cluster, sql: &str) -> String {
        self.answer(cluster, sql).await.unwrap()
    }

    /// The same where the database may be down.
    pub async fn answer(&self, cluster: &Cluster, sql: &str) -> Result<String, String> {
        let pod = cluster.primary(self).await.name_any();
        let command = [
            "psql",
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            "postgres",
        ];
        let said = kubectl_exec(&self.namespace, &pod, "database", &command, sql).await?;
        Ok(said.trim().to_owned())
    }

    /// Pulls a pod's network cable.
    pub async fn cut(&self, pod: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/cut");
        run(script, &[&self.namespace, pod], "").await.unwrap();
        self.tell(&format!("the network of {pod} is cut"));
    }
}
