//! The mark on the cluster, which stops its instances, and the finalizer of the restore, which outlives the mark.

use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use serde_json::json;

use super::{FIELD_MANAGER, One, SOON, Shared};
use crate::api::cluster::status::RestoreUnderWay;
use crate::api::names::FINALIZER_RESTORE;
use crate::api::{PerconaPGCluster, PerconaPGRestore};
use crate::controllers::fleet::Action;
use crate::controllers::round::Failure;
use crate::controllers::writer::WriteError;

impl One<'_> {
    /// The object may go.
    pub(super) async fn let_go(&self) -> Result<Action, Failure> {
        let_go(self.shared, self.restore).await
    }

    pub(super) async fn mark(&self, instance: Option<String>) -> Result<(), WriteError> {
        let mark = RestoreUnderWay {
            name: self.restore.name_any(),
            uid: self.restore.uid().unwrap_or_default(),
            instance,
        };
        // What it says already is not written again: a controller that dies behind its first write gets to the next one in its next life.
        if self.scene.marked() == Some(&mark) {
            return Ok(());
        }
        self.write_mark(&json!({ "restore": mark })).await
    }

    pub(super) async fn unmark(&self) -> Result<(), WriteError> {
        self.write_mark(&json!({})).await
    }

    async fn write_mark(&self, status: &serde_json::Value) -> Result<(), WriteError> {
        let cluster = &self.scene.observed.cluster;
        let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
        let writer = &self.shared.context.writer;
        let written = writer
            .apply_status::<DeserializeGuard<PerconaPGCluster>>(&namespace, &name, status, FIELD_MANAGER)
            .await;
        written.map(|_| ())
    }
}

/// The object stays until the cluster is on its previous or on the restored data.
pub async fn hold(shared: &Shared, restore: &PerconaPGRestore) -> Result<Action, Failure> {
    let object = DeserializeGuard(Ok(restore.clone()));
    let writer = &shared.context.writer;
    writer.add_finalizer(&object, FINALIZER_RESTORE).await?;
    Ok(Action::requeue(SOON))
}

/// The object may go.
pub async fn let_go(shared: &Shared, restore: &PerconaPGRestore) -> Result<Action, Failure> {
    let object = DeserializeGuard(Ok(restore.clone()));
    let writer = &shared.context.writer;
    writer.remove_finalizers(&object, &[FINALIZER_RESTORE]).await?;
    Ok(Action::await_change())
}
