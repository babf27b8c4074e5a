//! The names and labels of everything a cluster consists of. Applications, network policies and monitors select on
//! them, so they are those of the operator whose resources we read; only what is ours alone has our prefix.

use std::collections::BTreeMap;

use kube::ResourceExt as _;

use crate::api::PerconaPGCluster;
use crate::controllers::fleet::Key;

/// Names the cluster on every object that belongs to one.
pub const LABEL_CLUSTER: &str = "postgres-operator.crunchydata.com/cluster";
/// Names the instance set on `StatefulSets`, Pods and claims.
pub const LABEL_INSTANCE_SET: &str = "postgres-operator.crunchydata.com/instance-set";
/// Names the instance (the `StatefulSet`) on Pods and claims.
pub const LABEL_INSTANCE: &str = "postgres-operator.crunchydata.com/instance";
/// `postgres` on everything that holds data.
pub const LABEL_DATA: &str = "postgres-operator.crunchydata.com/data";
/// Patroni's scope on Pods and Endpoints.
pub const LABEL_PATRONI: &str = "postgres-operator.crunchydata.com/patroni";
/// `primary` or `replica` on Pods, written by Patroni; `pgdata` or `pgwal` on claims, `pgbouncer`, `pguser` elsewhere.
pub const LABEL_ROLE: &str = "postgres-operator.crunchydata.com/role";
/// Names the application user on its Secret.
pub const LABEL_USER: &str = "postgres-operator.crunchydata.com/pguser";
/// Who manages an object.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`LABEL_MANAGED_BY`] on everything we create.
pub const MANAGED_BY: &str = "holdfast";
/// Field manager of this controller in server-side apply.
pub const FIELD_MANAGER: &str = "holdfast-cluster";
/// On the claims of a cluster whose first data have not been brought yet (`spec.dataSource`).
pub const ANNOTATION_AWAITS_DATA: &str = "holdfast.dev/awaits-data";
/// On the `StatefulSet` of the instance that led when the cluster was stopped.
pub const ANNOTATION_LED_LAST: &str = "holdfast.dev/led-last";
/// On the account of a cluster's instances: what was applied last, so that a controller that was restarted need not apply it
/// again. Written under a field manager of its own, [`RECORD_MANAGER`].
pub const ANNOTATION_APPLIED: &str = "holdfast.dev/applied";
/// Field manager of [`ANNOTATION_APPLIED`].
pub const RECORD_MANAGER: &str = "holdfast-record";
/// Marks the first full backup that a new cluster takes by itself.
pub const LABEL_INITIAL: &str = "holdfast.dev/initial";
/// Marks a backup that a schedule asked for; the value is the type, as in `schedules`.
pub const LABEL_SCHEDULE: &str = "holdfast.dev/schedule";

/// The pgBackRest stanza of every cluster.
pub const STANZA: &str = "db";
/// Role of streaming replication and `pg_rewind`; logs in with a client certificate of this common name.
pub const REPLICATION_USER: &str = "_crunchyrepl";
/// Role with which `PgBouncer` looks up the verifiers of others.
pub const PGBOUNCER_USER: &str = "_crunchypgbouncer";

/// The `ServiceAccount` that holds [`ANNOTATION_APPLIED`]: each cluster has it.
#[must_use]
pub fn holder(cluster: &str) -> String {
    format!("{cluster}-instance")
}

/// Derived names of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `metadata.name` of the cluster.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    /// DNS suffix of the Kubernetes cluster, without dots at its ends.
    pub dns_suffix: String,
}

macro_rules! derived {
    ($($(#[$doc:meta])* $name:ident = $suffix:literal;)*) => {
        $($(#[$doc])* #[must_use] pub fn $name(&self) -> String { format!(concat!("{}-", $suffix), self.cluster) })*
    };
}

impl Names {
    derived! {
        /// Patroni's scope; also the Endpoints that name the leader and the Service in front of it.
        ha = "ha";
        /// The Endpoints that hold Patroni's dynamic configuration; a Service of the name keeps them alive.
        ha_config = "ha-config";
        /// Service: the stable name of the primary in Secrets.
        primary = "primary";
        /// Service: all replicas.
        replicas = "replicas";
        /// Service: DNS names of pods, ready or not.
        pods = "pods";
        /// Deployment, Service, `ConfigMap` and Secret of the pooler.
        pgbouncer = "pgbouncer";
        /// `ServiceAccount`, Role and binding of instances; see [`holder`].
        instance_account = "instance";
        /// `ServiceAccount`, Role and binding of backup Jobs; also the Secret with pgBackRest's client certificate.
        pgbackrest = "pgbackrest";
        /// `StatefulSet` of the pod that mounts the volumes of repositories.
        repo_host = "repo-host";
        /// `ConfigMap` with `patroni.yaml`.
        config = "config";
        /// `ConfigMap` with pgBackRest's configuration.
        pgbackrest_config = "pgbackrest-config";
        /// Secret with the desired state that instance agents apply.
        agent = "agent";
        /// Secret with the authority.
        ca_secret = "cluster-ca-cert";
        /// Secret with the servers' certificate.
        cluster_cert = "cluster-cert";
        /// Secret with the replication client's certificate.
        replication_cert = "replication-cert";
    }

    /// Names of a cluster of which only that is known.
    #[must_use]
    pub fn named(key: &Key) -> Self {
        Self {
            cluster: key.name.clone(),
            namespace: key.namespace.clone(),
            dns_suffix: String::new(),
        }
    }

    /// Names of a cluster as it is written.
    #[must_use]
    pub fn of(cluster: &PerconaPGCluster) -> Self {
        let suffix = cluster.spec.cluster_service_dns_suffix.as_deref();
        Self {
            cluster: cluster.name_any(),
            namespace: cluster.namespace().unwrap_or_default(),
            dns_suffix: suffix
                .map(|suffix| suffix.trim_matches('.'))
                .filter(|suffix| !suffix.is_empty())
                .unwrap_or("cluster.local")
                .to_owned(),
        }
    }

    /// Claim of a repository on a volume, unless one with its labels is there already.
    #[must_use]
    pub fn repository_claim(&self, repository: &str) -> String {
        format!("{}-{repository}", self.cluster)
    }

    /// Secret of an application user, unless the spec names another.
    #[must_use]
    pub fn user_secret(&self, user: &str) -> String {
        format!("{}-pguser-{user}", self.cluster)
    }

    /// Secret with an instance's own certificates.
    #[must_use]
    pub fn instance_certs(instance: &str) -> String {
        format!("{instance}-certs")
    }

    /// Claim of an instance's data directory.
    #[must_use]
    pub fn data_claim(instance: &str) -> String {
        format!("{instance}-pgdata")
    }

    /// Claim of an instance's WAL directory, where the set has one.
    #[must_use]
    pub fn wal_claim(instance: &str) -> String {
        format!("{instance}-pgwal")
    }

    /// Claim of a volume for a tablespace.
    #[must_use]
    pub fn tablespace_claim(instance: &str, tablespace: &str) -> String {
        format!("{instance}-{tablespace}-tablespace")
    }

    /// The one Pod of an instance.
    #[must_use]
    pub fn pod(instance: &str) -> String {
        format!("{instance}-0")
    }

    /// Full DNS name of an instance's Pod.
    #[must_use]
    pub fn pod_host(&self, instance: &str) -> String {
        format!(
            "{instance}-0.{}.{}.svc.{}",
            self.pods(),
            self.namespace,
            self.dns_suffix
        )
    }

    /// The name `service.namespace.svc` that Secrets and status use.
    #[must_use]
    pub fn service_host(&self, service: &str) -> String {
        format!("{service}.{}.svc", self.namespace)
    }

    /// `PodDisruptionBudget` of an instance set.
    #[must_use]
    pub fn set_budget(&self, set: &str) -> String {
        format!("{}-set-{set}", self.cluster)
    }

    /// Labels by which everything of this cluster that we manage is found.
    #[must_use]
    pub fn selector(&self) -> String {
        format!("{LABEL_CLUSTER}={},{LABEL_MANAGED_BY}={MANAGED_BY}", self.cluster)
    }

    /// Labels of every object of this cluster; `component` as the compatible operator uses it (`pg`, `pgbouncer`, …).
    #[must_use]
    pub fn labels(&self, component: &str) -> BTreeMap<String, String> {
        [
            (LABEL_CLUSTER, self.cluster.as_str()),
            (LABEL_MANAGED_BY, MANAGED_BY),
            ("app.kubernetes.io/name", "percona-postgresql"),
            ("app.kubernetes.io/part-of", "percona-postgresql"),
            ("app.kubernetes.io/instance", self.cluster.as_str()),
            ("app.kubernetes.io/component", component),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }

    /// Every DNS name under which a service of this cluster is reached, shortest first.
    #[must_use]
    pub fn service_dns(&self, service: &str) -> Vec<String> {
        let Self {
            namespace,
            dns_suffix,
            ..
        } = self;
        vec![
            service.to_owned(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.{dns_suffix}"),
        ]
    }
}

/// Where things are inside an instance Pod: fixed by the images' contract and by claims that exist already.
pub mod paths {
    /// Mount of the data claim.
    pub const DATA: &str = "/pgdata";
    /// Mount of the WAL claim, where there is one.
    pub const WAL: &str = "/pgwal";
    /// Unix socket directory, in the emptyDir that both containers share.
    pub const SOCKETS: &str = "/tmp/postgres";
    /// Our own binary, copied there by the init container.
    pub const HOLDFAST: &str = "/opt/holdfast";
    /// Server certificate, and the replication client's below it.
    pub const TLS: &str = "/pgconf/tls";

    /// Mount of the volume for a tablespace.
    #[must_use]
    pub fn tablespace(name: &str) -> String {
        format!("/tablespaces/{name}")
    }

    /// Data directory of a major version.
    #[must_use]
    pub fn data_directory(version: i32) -> String {
        format!("{DATA}/pg{version}")
    }

    /// WAL directory of a major version.
    #[must_use]
    pub fn wal_directory(version: i32, own_claim: bool) -> String {
        format!("{}/pg{version}_wal", if own_claim { WAL } else { DATA })
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_are_those_applications_know() {
        let names = Names {
            cluster: "app".to_owned(),
            namespace: "shop".to_owned(),
            dns_suffix: "cluster.local".to_owned(),
        };
        assert_eq!(names.user_secret("rhino"), "app-pguser-rhino");
        assert_eq!(
            names.pod_host("app-a-x7k2"),
            "app-a-x7k2-0.app-pods.shop.svc.cluster.local"
        );
        assert_eq!(names.service_host(&names.primary()), "app-primary.shop.svc");
        assert_eq!(Names::data_claim("app-a-x7k2"), "app-a-x7k2-pgdata");
    }
}
