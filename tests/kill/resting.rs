//! The deployed operator has no replica while any of these tests runs: what it would do, the killed ones do.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::Mutex;

use crate::harness::{Operator, Scenario, minutes, operator_namespace};

/// How many need it to rest, and how many replicas it had before.
static RESTING: Mutex<(usize, i32)> = Mutex::const_new((0, 1));

/// Runs `body` while it rests: the first puts it to rest, the last wakes it.
pub async fn meanwhile(body: impl Future<Output = ()>) {
    {
        let mut resting = RESTING.lock().await;
        if resting.0 == 0 {
            resting.1 = rest().await;
        }
        resting.0 += 1;
    }
    let result = AssertUnwindSafe(body).catch_unwind().await;
    let mut resting = RESTING.lock().await;
    resting.0 -= 1;
    if resting.0 == 0 {
        Operator::seize().await.scale(resting.1).await;
    }
    drop(resting);
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

async fn rest() -> i32 {
    let operator = Operator::seize().await;
    let before = operator.replicas;
    operator.scale(0).await;
    // The last replica hands its own Lease back when it has written its last.
    let deployed = Scenario::enter(&operator_namespace()).await;
    let given_back = |lease: &Lease| holder(lease).is_empty();
    deployed
        .until("holdfast-controller", "given back", minutes(1), given_back)
        .await;
    before
}

/// Who holds a Lease; nobody is empty.
pub fn holder(lease: &Lease) -> &str {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default()
}
