//! Several replicas of the operator: one leads, and when it is killed another goes on.

use crate::harness::{Operator, Request, Scenario, minutes};

#[tokio::test]
async fn when_the_leading_operator_is_killed_the_other_replica_finishes_the_backup() {
    Scenario::shared(async |scenario, cluster| {
        scenario.slow_down(cluster).await;
        let operator = Operator::seize().await;
        operator.scale(2).await;
        Request::new(cluster, "inherited", &["--type=full"])
            .create(scenario)
            .await;
        scenario.running("inherited", minutes(1)).await;
        let dead = operator.kill().await;
        operator.succession(&dead).await;
        let backup = scenario.succeeded("inherited", minutes(4)).await;
        scenario.is_as_pgbackrest_sees_it(cluster, &backup).await;
        operator.restore().await;
    })
    .await;
}
