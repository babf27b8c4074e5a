//! `ServiceAccounts` and what they may do: as little as Patroni and our agent need. Nobody may exec.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::metadata::{owned, with};
use crate::controllers::cluster::validated::ValidatedCluster;

/// One per instances, one per backup Jobs.
pub fn service_accounts(cluster: &ValidatedCluster) -> Vec<ServiceAccount> {
    accounts(cluster)
        .map(|(name, component)| {
            let meta = owned(cluster, name, component);
            let meta = match &cluster.backups {
                // Identities of clouds are bound to accounts by annotation; these are for the Jobs alone.
                Some(backups) if component == "pgbackrest" => with(meta, &backups.metadata),
                _ => meta,
            };
            ServiceAccount {
                metadata: meta,
                ..ServiceAccount::default()
            }
        })
        .into()
}

/// The Roles of both accounts.
pub fn roles(cluster: &ValidatedCluster) -> Vec<Role> {
    let names = &cluster.names;
    let leases = (1..=4)
        .map(|key| format!("{}-repo{key}-pgbackrest", names.cluster))
        .collect();
    let instance = vec![
        // Patroni keeps its state in Endpoints and labels its own Pod; names of Endpoints are not known to RBAC beforehand
        // for `create`, and Patroni lists by label, so these rules cannot be narrowed to names.
        rule(
            "",
            "endpoints",
            &["create", "get", "list", "patch", "update", "watch"],
            vec![],
        ),
        rule("", "pods", &["get", "list", "patch", "update", "watch"], vec![]),
        rule("", "secrets", &["get", "list", "watch"], vec![names.agent()]),
        rule("coordination.k8s.io", "leases", &["create"], vec![]),
        rule(
            "coordination.k8s.io",
            "leases",
            &["get", "patch", "update"],
            leases,
        ),
    ];
    let backup = vec![rule("", "pods", &["get", "patch"], vec![])];
    let [(instance_name, instance_part), (backup_name, backup_part)] = accounts(cluster);
    vec![
        Role {
            metadata: owned(cluster, instance_name, instance_part),
            rules: Some(instance),
        },
        Role {
            metadata: owned(cluster, backup_name, backup_part),
            rules: Some(backup),
        },
    ]
}

/// Binds each Role to the account of its name.
pub fn role_bindings(cluster: &ValidatedCluster) -> Vec<RoleBinding> {
    accounts(cluster)
        .map(|(name, component)| RoleBinding {
            metadata: owned(cluster, name.clone(), component),
            role_ref: RoleRef {
                api_group: "rbac.authorization.k8s.io".to_owned(),
                kind: "Role".to_owned(),
                name: name.clone(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".to_owned(),
                name,
                namespace: Some(cluster.names.namespace.clone()),
                ..Subject::default()
            }]),
        })
        .into()
}

fn accounts(cluster: &ValidatedCluster) -> [(String, &'static str); 2] {
    [
        (cluster.names.instance_account(), "pg"),
        (cluster.names.pgbackrest(), "pgbackrest"),
    ]
}

fn rule(group: &str, resource: &str, verbs: &[&str], names: Vec<String>) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        resource_names: (!names.is_empty()).then_some(names),
        ..PolicyRule::default()
    }
}
