//! What rehearsals came to: when which backup was proven, long after the objects are gone.

use chrono::{DateTime, Utc};

use super::{
    CatalogError,
    connection::{Columns, Connection},
    history::{KEEP, time},
};

/// A rehearsal that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastDrill {
    /// UID of its object.
    pub restore: String,
    /// Namespace of the cluster.
    pub namespace: String,
    /// The cluster.
    pub cluster: String,
    /// Name of the drill in its specification.
    pub drill: String,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// What was restored was sound.
    pub proven: bool,
    /// Its status, as JSON: which backup, what was reached, the checks, how long each part took.
    pub result: String,
}

/// Notes one. One that is noted already stays as it is.
pub(super) async fn note(connection: &mut Connection, drill: &PastDrill) -> Result<(), CatalogError> {
    let sql = "INSERT INTO holdfast_drills (restore, namespace, cluster, drill, ended, proven, result) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (restore) DO NOTHING";
    let values = vec![
        drill.restore.as_str().into(),
        drill.namespace.as_str().into(),
        drill.cluster.as_str().into(),
        drill.drill.as_str().into(),
        drill.ended.timestamp_micros().into(),
        i64::from(drill.proven).into(),
        drill.result.as_str().into(),
    ];
    connection.execute(sql, values).await?;
    let sql = "DELETE FROM holdfast_drills WHERE ended < $1";
    let oldest = (drill.ended - KEEP).timestamp_micros();
    connection.execute(sql, vec![oldest.into()]).await.map(drop)
}

/// Those of a cluster, in the order of time.
pub(super) async fn read(
    connection: &mut Connection,
    namespace: &str,
    cluster: &str,
) -> Result<Vec<PastDrill>, CatalogError> {
    let sql = "SELECT restore, drill, ended, proven, result FROM holdfast_drills \
        WHERE namespace = $1 AND cluster = $2 ORDER BY ended";
    let one = |row: &dyn Columns| {
        Ok(PastDrill {
            restore: row.text(0)?,
            namespace: namespace.to_owned(),
            cluster: cluster.to_owned(),
            drill: row.text(1)?,
            ended: time(row.number(2)?)?,
            proven: row.number(3)? != 0,
            result: row.text(4)?,
        })
    };
    let values = vec![namespace.into(), cluster.into()];
    connection.rows(sql, values, one).await
}
