//! How a part of the cluster is reached from outside its pods.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::{defaults, rules};

/// A Service's type and decoration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::rule("!has(self.nodePort) || self.type != 'ClusterIP'",
    "nodePort needs type NodePort or LoadBalancer: a Service of type ClusterIP has no port on the nodes"))]
pub struct Expose {
    /// Labels to add to the Service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations to add to the Service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Type of the Service.
    #[serde(rename = "type", default = "defaults::cluster_ip")]
    #[schemars(extend("enum" = ["ClusterIP", "NodePort", "LoadBalancer"]))]
    pub type_: String,
    /// Port on every node, for the types `NodePort` and `LoadBalancer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_port: Option<i32>,
    /// Class of the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<String>,
    /// Networks that may reach the load balancer, as CIDRs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_source_ranges: Vec<String>,
}

impl Default for Expose {
    fn default() -> Self {
        Self {
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            type_: defaults::cluster_ip(),
            node_port: None,
            load_balancer_class: None,
            load_balancer_source_ranges: Vec::new(),
        }
    }
}
