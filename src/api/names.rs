//! Names of objects, labels, annotations and finalizers.
//!
//! Names that applications, affinity rules and monitors depend on are those of the Percona Operator and do not
//! change. Ours start with `holdfast.dev/`.

/// API group of the custom resources.
pub const GROUP: &str = "pgv2.percona.com";
/// Field manager prefix and value of `app.kubernetes.io/managed-by`.
pub const OPERATOR: &str = "holdfast";
/// pgBackRest's stanza, in every cluster.
pub const STANZA: &str = "db";

/// Who manages an object; value [`OPERATOR`].
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Kind of application; value `postgresql` and the like.
pub const LABEL_APP_NAME: &str = "app.kubernetes.io/name";
/// Name of the cluster, in Kubernetes' recommended labels.
pub const LABEL_APP_INSTANCE: &str = "app.kubernetes.io/instance";
/// Part of the cluster: `pg`, `pgbouncer`, `pgbackrest`.
pub const LABEL_APP_COMPONENT: &str = "app.kubernetes.io/component";

/// Name of the cluster that an object belongs to.
pub const LABEL_CLUSTER: &str = "postgres-operator.crunchydata.com/cluster";
/// Name of the instance set.
pub const LABEL_INSTANCE_SET: &str = "postgres-operator.crunchydata.com/instance-set";
/// Name of the instance: its `StatefulSet`.
pub const LABEL_INSTANCE: &str = "postgres-operator.crunchydata.com/instance";
/// `primary`, `replica`, `pgbouncer`, `pguser`, `certificates` …
pub const LABEL_ROLE: &str = "postgres-operator.crunchydata.com/role";
/// `postgres` on database pods and volumes, `pgbackrest` on those of repositories.
pub const LABEL_DATA: &str = "postgres-operator.crunchydata.com/data";
/// Patroni's scope, `<cluster>-ha`.
pub const LABEL_PATRONI: &str = "postgres-operator.crunchydata.com/patroni";
/// Present on everything of pgBackRest; empty value.
pub const LABEL_PGBACKREST: &str = "postgres-operator.crunchydata.com/pgbackrest";
/// Repository name.
pub const LABEL_PGBACKREST_REPO: &str = "postgres-operator.crunchydata.com/pgbackrest-repo";
/// Present on the claims of repositories; empty value.
pub const LABEL_PGBACKREST_VOLUME: &str = "postgres-operator.crunchydata.com/pgbackrest-volume";
/// Present on the repository host; empty value.
pub const LABEL_PGBACKREST_DEDICATED: &str = "postgres-operator.crunchydata.com/pgbackrest-dedicated";
/// Kind of backup Job: `manual`, `replica-create`.
pub const LABEL_PGBACKREST_BACKUP: &str = "postgres-operator.crunchydata.com/pgbackrest-backup";
/// Present on Jobs of restores, empty value.
pub const LABEL_PGBACKREST_RESTORE: &str = "postgres-operator.crunchydata.com/pgbackrest-restore";
/// Present on Jobs that let go what retention lets go; empty value.
pub const LABEL_PGBACKREST_EXPIRE: &str = "holdfast.dev/expire";
/// Present on Jobs that remove all of a cluster from a repository; empty value.
pub const LABEL_PGBACKREST_DELETE: &str = "holdfast.dev/delete-backups";
/// Present on pgBackRest's configuration objects; empty value.
pub const LABEL_PGBACKREST_CONFIG: &str = "postgres-operator.crunchydata.com/pgbackrest-config";
/// Name of the database user that a Secret is for.
pub const LABEL_PG_USER: &str = "postgres-operator.crunchydata.com/pguser";

/// pgBackRest's label of a backup that was there before its object, on that object.
pub const LABEL_IMPORTED: &str = "holdfast.dev/imported";

/// Report of an instance agent, on its own Pod.
pub const ANNOTATION_AGENT: &str = "holdfast.dev/agent";
/// Progress of a backup Job, on its own Pod.
pub const ANNOTATION_PROGRESS: &str = "holdfast.dev/progress";
/// Name of the `PerconaPGBackup`, on its Job.
pub const ANNOTATION_BACKUP: &str = "postgres-operator.crunchydata.com/pgbackrest-backup";

/// Name of the `PerconaPGRestore`, on its Jobs and their Pods.
pub const ANNOTATION_RESTORE: &str = "holdfast.dev/restore";

/// pgBackRest annotation in the repository: name of the `PerconaPGBackup`.
pub const REPOSITORY_BACKUP_NAME: &str = "percona.com/backup-name";
/// pgBackRest annotation in the repository: name of the Job.
pub const REPOSITORY_BACKUP_JOB: &str = "percona.com/backup-job-name";

/// The user asks for the claims and user Secrets to go with the cluster.
pub const FINALIZER_DELETE_PVC: &str = "percona.com/delete-pvc";
/// The user asks for the certificates to go with the cluster.
pub const FINALIZER_DELETE_SSL: &str = "percona.com/delete-ssl";
/// The user asks for the backups in the repositories to go with the cluster.
pub const FINALIZER_DELETE_BACKUPS: &str = "percona.com/delete-backups";
/// Ours, on clusters: instances stop in order before the object goes.
pub const FINALIZER_CLUSTER: &str = "holdfast.dev/cluster";
/// Ours, on restores: the cluster is on its previous or on the restored data before the object goes.
pub const FINALIZER_RESTORE: &str = "holdfast.dev/restore";
/// Ours, on backups: pgBackRest is stopped and its lease is free before the object goes.
pub const FINALIZER_BACKUP: &str = "holdfast.dev/backup";

/// Ours, on backups whose `deletionPolicy` is `Delete`: the repository holds the backup no more before the object goes.
pub const FINALIZER_EXPIRE: &str = "holdfast.dev/expire";

/// Prefix of instance names in one set: `<cluster>-<set>`; four characters follow.
#[must_use]
pub fn instance_prefix(cluster: &str, set: &str) -> String {
    format!("{cluster}-{set}-")
}

/// Name of an instance set: its own, or its position (from 0) in two digits when it has none.
#[must_use]
pub fn instance_set(name: &str, position: usize) -> String {
    if name.is_empty() {
        format!("{position:02}")
    } else {
        name.to_owned()
    }
}

/// Patroni's scope, the value of [`LABEL_PATRONI`], and the Service and Endpoints that name the leader.
#[must_use]
pub fn patroni_scope(cluster: &str) -> String {
    format!("{cluster}-ha")
}

/// Service whose Endpoints Patroni keeps: always the leader.
#[must_use]
pub fn leader_service(cluster: &str) -> String {
    patroni_scope(cluster)
}

/// Headless Service that keeps Patroni's configuration Endpoints alive.
#[must_use]
pub fn patroni_config_service(cluster: &str) -> String {
    format!("{cluster}-ha-config")
}

/// Service under which applications find the primary.
#[must_use]
pub fn primary_service(cluster: &str) -> String {
    format!("{cluster}-primary")
}

/// Service under which applications find the replicas.
#[must_use]
pub fn replicas_service(cluster: &str) -> String {
    format!("{cluster}-replicas")
}

/// Headless Service that gives every pod its DNS name.
#[must_use]
pub fn pods_service(cluster: &str) -> String {
    format!("{cluster}-pods")
}

/// `PgBouncer`'s Deployment, Service, `ConfigMap` and Secret.
#[must_use]
pub fn pgbouncer(cluster: &str) -> String {
    format!("{cluster}-pgbouncer")
}

/// Secret of the cluster's certificate authority: `root.crt`, `root.key`.
#[must_use]
pub fn ca_secret(cluster: &str) -> String {
    format!("{cluster}-cluster-ca-cert")
}

/// Secret of PostgreSQL's server certificate: `tls.crt`, `tls.key`, `ca.crt`.
#[must_use]
pub fn server_certificate_secret(cluster: &str) -> String {
    format!("{cluster}-cluster-cert")
}

/// Secret of the replication user's client certificate.
#[must_use]
pub fn replication_certificate_secret(cluster: &str) -> String {
    format!("{cluster}-replication-cert")
}

/// Secret of one instance's certificates.
#[must_use]
pub fn instance_certificates_secret(instance: &str) -> String {
    format!("{instance}-certs")
}

/// Secret of pgBackRest's certificates.
#[must_use]
pub fn pgbackrest_secret(cluster: &str) -> String {
    format!("{cluster}-pgbackrest")
}

/// `ConfigMap` of pgBackRest's configuration.
#[must_use]
pub fn pgbackrest_config(cluster: &str) -> String {
    format!("{cluster}-pgbackrest-config")
}

/// `ConfigMap` of Patroni's configuration.
#[must_use]
pub fn cluster_config(cluster: &str) -> String {
    format!("{cluster}-config")
}

/// Secret with the desired state that the instance agents apply.
#[must_use]
pub fn agent_secret(cluster: &str) -> String {
    format!("{cluster}-agent")
}

/// Secret of one database user, unless the user's `secretName` says otherwise.
#[must_use]
pub fn user_secret(cluster: &str, user: &str) -> String {
    format!("{cluster}-pguser-{user}")
}

/// Service account, Role and `RoleBinding` of the instances.
#[must_use]
pub fn instance_account(cluster: &str) -> String {
    format!("{cluster}-instance")
}

/// Service account, Role and `RoleBinding` of backup and restore Jobs.
#[must_use]
pub fn pgbackrest_account(cluster: &str) -> String {
    format!("{cluster}-pgbackrest")
}

/// `PodDisruptionBudget` of an instance set.
#[must_use]
pub fn set_disruption_budget(cluster: &str, set: &str) -> String {
    format!("{cluster}-set-{set}")
}

/// Lease that guards every writing pgBackRest command on one repository.
#[must_use]
pub fn repository_lease(cluster: &str, repository: &str) -> String {
    format!("{cluster}-{repository}-pgbackrest")
}

/// Claim of an instance's data directory.
#[must_use]
pub fn data_claim(instance: &str) -> String {
    format!("{instance}-pgdata")
}

/// Claim of an instance's WAL directory, when it has its own.
#[must_use]
pub fn wal_claim(instance: &str) -> String {
    format!("{instance}-pgwal")
}
