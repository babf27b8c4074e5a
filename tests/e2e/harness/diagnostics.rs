//! What there was to see when a scenario failed.

use std::fmt::Write as _;

use super::programs::run;

/// Resources, Events and the end of every log of a namespace, and of the operator's.
pub async fn of(namespace: &str) -> String {
    let mut text = format!("\n======== {namespace} ========\n");
    let looks: &[&[&str]] = &[
        &["get", "pg,pg-backup,pods,jobs,leases,pvc", "-o", "wide"],
        &["get", "pg,pg-backup", "-o", "yaml", "--show-managed-fields=false"],
        &["get", "events", "--sort-by=.metadata.creationTimestamp"],
    ];
    for look in looks {
        let arguments: Vec<&str> = ["-n", namespace].iter().chain(look.iter()).copied().collect();
        let said = run("kubectl", &arguments, "").await.unwrap_or_else(|error| error);
        let _ = writeln!(text, "---- kubectl {}\n{said}", arguments.join(" "));
    }
    let pods = run("kubectl", &["-n", namespace, "get", "pods", "-o", "name"], "").await;
    for pod in pods.unwrap_or_default().lines() {
        let arguments = [
            "-n",
            namespace,
            "logs",
            pod,
            "--all-containers",
            "--prefix",
            "--tail=40",
        ];
        let said = run("kubectl", &arguments, "").await.unwrap_or_else(|error| error);
        let _ = writeln!(text, "---- logs of {pod}\n{said}");
    }
    let operator = super::operator::namespace();
    let arguments = [
        "-n",
        &operator,
        "logs",
        "-l",
        super::operator::SELECTOR,
        "--prefix",
        "--tail=400",
    ];
    let said = run("kubectl", &arguments, "").await.unwrap_or_else(|error| error);
    let _ = writeln!(text, "---- the operator about {namespace}");
    for line in said
        .lines()
        .filter(|line| line.contains(namespace) || line.contains("ERROR"))
    {
        let _ = writeln!(text, "{line}");
    }
    text
}
