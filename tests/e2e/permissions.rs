//! Nobody may exec into pods, nothing of ours is root, no secret is readable outside Secrets.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::ResourceExt;
use kube::api::ListParams;

use crate::harness::{Scenario, minutes, operator_namespace, run};

#[tokio::test]
async fn no_service_account_of_ours_may_exec_and_no_container_is_root() {
    Scenario::shared(async |scenario, _| {
        scenario.succeeded("shop-repo1-initial", minutes(4)).await;
        let operator = Scenario::enter(&operator_namespace()).await;
        for place in [scenario, &operator] {
            let accounts = place
                .api::<ServiceAccount>()
                .list(&ListParams::default())
                .await
                .unwrap();
            for account in accounts {
                let user = format!("system:serviceaccount:{}:{}", place.namespace, account.name_any());
                // As the documentation words it, which kubectl reads as a pod of that name; and as it is meant.
                let questions: [&[&str]; 3] = [
                    &["create", "pods/exec"],
                    &["create", "pods", "--subresource=exec"],
                    &["get", "pods", "--subresource=exec"],
                ];
                for question in questions {
                    let whose = ["-n", &scenario.namespace, "--as", &user];
                    let arguments = [&["auth", "can-i"], question, &whose].concat();
                    // kubectl ends with 1 when the answer is no.
                    let answer = run("kubectl", &arguments, "")
                        .await
                        .unwrap_or_else(|answer| answer);
                    let answer = answer.lines().last().unwrap_or_default();
                    assert!(answer.ends_with("no"), "{user} {question:?}: {answer}");
                }
            }
            for pod in place.api::<Pod>().list(&ListParams::default()).await.unwrap() {
                is_not_root(&pod);
            }
        }
    })
    .await;
}

fn is_not_root(pod: &Pod) {
    let spec = pod.spec.as_ref().unwrap();
    let general = spec.security_context.clone().unwrap_or_default();
    let names: BTreeSet<&str> = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
        .map(|container| {
            let own = container.security_context.clone().unwrap_or_default();
            let name = format!("{}/{}", pod.name_any(), container.name);
            assert_eq!(
                own.run_as_non_root.or(general.run_as_non_root),
                Some(true),
                "{name}"
            );
            assert_ne!(own.run_as_user.or(general.run_as_user), Some(0), "{name}");
            assert_eq!(own.allow_privilege_escalation, Some(false), "{name}");
            let dropped = own.capabilities.and_then(|capabilities| capabilities.drop);
            assert_eq!(dropped, Some(vec!["ALL".to_owned()]), "{name}");
            container.name.as_str()
        })
        .collect();
    assert!(!names.is_empty());
}
