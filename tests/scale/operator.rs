//! The operator's process: started, killed, and looked at from outside.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::fleet::variable;

const LISTEN: &str = "127.0.0.1:18080";
/// Of /proc, by which it counts processor time.
const TICKS: f64 = 100.0;

pub struct Operator {
    process: Child,
    pub started: Instant,
}

impl Operator {
    /// With what is set in the environment besides, such as limits.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let directory = variable("BENCH_DIR");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(format!("{directory}/operator.log"))
            .unwrap();
        let process = Command::new(variable("HOLDFAST_BINARY"))
            .arg("controller")
            .env("KUBECONFIG", variable("BENCH_OPERATOR_KUBECONFIG"))
            .env("POD_NAME", "bench")
            .env("POD_NAMESPACE", "holdfast-system")
            .env("HOLDFAST_LISTEN", LISTEN)
            .env("HOLDFAST_CATALOG", format!("{directory}/catalog.db"))
            .env("RELATED_IMAGE_POSTGRES_18", "localhost/holdfast-postgres:18")
            .envs(as_deployed())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            process,
            started: Instant::now(),
        }
    }

    /// SIGKILL: nothing is put in order.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Seconds of processor time so far.
    pub fn processor(&self) -> f64 {
        processor(self.process.id()).expect("the operator has ended: see operator.log")
    }

    /// MiB of memory now, and the most that there ever were.
    pub fn resident(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// What its memory consists of, for people.
    pub fn memory(&self) -> String {
        let rollup =
            std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id())).unwrap_or_default();
        let told: Vec<&str> = rollup
            .lines()
            .filter(|line| {
                ["Rss:", "Anonymous:", "Private_Dirty:", "Private_Clean:"]
                    .iter()
                    .any(|name| line.starts_with(name))
            })
            .collect();
        told.join(", ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A sample of its metrics; nothing while it does not answer.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.metrics().await?;
        let mut sum = None;
        for line in text.lines().filter(|line| line.starts_with(name)) {
            let value: f64 = line.rsplit(' ').next()?.parse().ok()?;
            sum = Some(sum.unwrap_or(0.0) + value);
        }
        sum
    }

    async fn metrics(&self) -> Option<String> {
        let answer = reqwest::get(format!("http://{LISTEN}/metrics")).await.ok()?;
        answer.text().await.ok()
    }

    /// How much of one processor it takes for so long, in percent.
    pub async fn load(&self, time: Duration) -> f64 {
        let (before, begun) = (self.processor(), Instant::now());
        tokio::time::sleep(time).await;
        100.0 * (self.processor() - before) / begun.elapsed().as_secs_f64()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How the deployed one is told to use its memory.
fn as_deployed() -> Vec<(String, String)> {
    let deployment = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/base/deployment.yaml"
    ));
    let deployment: serde_json::Value = serde_saphyr::from_str(deployment).unwrap();
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap();
    let text =
        |variable: &serde_json::Value, key: &str| variable[key].as_str().unwrap_or_default().to_owned();
    variables
        .iter()
        .map(|variable| (text(variable, "name"), text(variable, "value")))
        .filter(|(name, _)| name.starts_with("MALLOC_"))
        .collect()
}

fn processor(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks: count behind its closing bracket.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS)
}

/// Seconds of processor time of every process in this namespace, by name, for people.
pub fn everybody() -> String {
    let mut told = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if let Some(seconds) = processor(pid).filter(|seconds| *seconds > 1.0) {
            told.push(format!("{} {seconds:.1}", name.trim()));
        }
    }
    told.sort();
    told.join(", ")
}
