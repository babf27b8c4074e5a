//! Values that the schema fills in, as functions that serde and the schema generator call by name.

/// `true`.
#[must_use]
pub const fn yes() -> bool {
    true
}

/// `false`, where the schema states it so that the field is filled in.
#[must_use]
pub const fn no() -> bool {
    false
}

/// One replica.
#[must_use]
pub const fn one() -> i32 {
    1
}

/// PostgreSQL's and `PgBouncer`'s TCP port.
#[must_use]
pub const fn postgres_port() -> i32 {
    5432
}

/// Patroni's REST port.
#[must_use]
pub const fn patroni_port() -> i32 {
    8008
}

/// Seconds for which a Patroni leader lease holds.
#[must_use]
pub const fn leader_lease_seconds() -> i32 {
    30
}

/// Seconds between two Patroni cycles.
#[must_use]
pub const fn sync_period_seconds() -> i32 {
    10
}

/// Seconds that a checkpoint before a volume snapshot may take.
#[must_use]
pub const fn checkpoint_seconds() -> i32 {
    300
}

/// Service type that is reachable inside the Kubernetes cluster only.
#[must_use]
pub fn cluster_ip() -> String {
    "ClusterIP".to_owned()
}

/// Snapshots are taken of a stopped replica.
#[must_use]
pub fn offline() -> String {
    "offline".to_owned()
}

/// Vault's usual mount point for a key-value store of version 2.
#[must_use]
pub fn vault_mount() -> String {
    "secret/data".to_owned()
}

/// Log rotation at midnight.
#[must_use]
pub fn every_midnight() -> String {
    "0 0 * * *".to_owned()
}

/// Where PMM reads query statistics from.
#[must_use]
pub fn pg_stat_statements() -> String {
    "pgstatstatements".to_owned()
}
