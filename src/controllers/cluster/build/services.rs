//! Services: the names under which applications find the primary, the replicas, the pooler and single Pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Held;
use super::metadata::{labelled, owned, with};
use crate::controllers::cluster::names::{LABEL_CLUSTER, LABEL_ROLE};
use crate::controllers::cluster::validated::{Exposure, ValidatedCluster};

/// All Services of a cluster.
pub fn build(cluster: &ValidatedCluster) -> Vec<Service> {
    let names = &cluster.names;
    let postgres = || {
        vec![port(
            "postgres",
            cluster.port,
            IntOrString::String("postgres".to_owned()),
        )]
    };
    let meta = |name| owned(cluster, name, "pg");

    let mut services = vec![
        // No selector: Patroni writes the Endpoints of this name itself, and they name the leader.
        exposed(
            meta(names.ha()),
            &cluster.expose,
            without_target(postgres()),
            None,
        ),
        // Endpoints without a Service of their name are swept up; these hold Patroni's configuration.
        headless(meta(names.ha_config()), None, None, false),
        headless(
            meta(names.primary()),
            None,
            Some(without_target(postgres())),
            false,
        ),
        headless(meta(names.pods()), Some(select(cluster, None)), None, true),
    ];
    if cluster.instances.len() > 1 {
        let replicas = labelled(meta(names.replicas()), LABEL_ROLE, "replica");
        services.push(exposed(
            replicas,
            &cluster.expose_replicas,
            postgres(),
            Some(select(cluster, Some(("replica", LABEL_ROLE)))),
        ));
    }
    if let Some(pooler) = cluster.pooler.as_ref().filter(|pooler| pooler.replicas > 0) {
        let meta = labelled(
            owned(cluster, names.pgbouncer(), "pgbouncer"),
            LABEL_ROLE,
            "pgbouncer",
        );
        services.push(exposed(
            meta,
            &pooler.expose,
            vec![port(
                "pgbouncer",
                pooler.port,
                IntOrString::String("pgbouncer".to_owned()),
            )],
            Some(select(cluster, Some(("pgbouncer", LABEL_ROLE)))),
        ));
    }
    services
}

/// The primary's stable name: a headless Service whose one address is the virtual one of the Service that follows the leader.
pub fn primary_slice(cluster: &ValidatedCluster, held: &Held) -> Option<EndpointSlice> {
    let address = held.leader_address.clone()?;
    let name = cluster.names.primary();
    let meta = labelled(
        owned(cluster, name.clone(), "pg"),
        "kubernetes.io/service-name",
        &name,
    );
    let meta = labelled(meta, "endpointslice.kubernetes.io/managed-by", "holdfast");
    Some(EndpointSlice {
        metadata: meta,
        address_type: if address.contains(':') { "IPv6" } else { "IPv4" }.to_owned(),
        endpoints: vec![Endpoint {
            addresses: vec![address],
            conditions: Some(EndpointConditions {
                ready: Some(true),
                ..EndpointConditions::default()
            }),
            ..Endpoint::default()
        }],
        ports: Some(vec![EndpointPort {
            name: Some("postgres".to_owned()),
            port: Some(cluster.port),
            protocol: Some("TCP".to_owned()),
            ..EndpointPort::default()
        }]),
    })
}

fn select(cluster: &ValidatedCluster, role: Option<(&str, &str)>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([(LABEL_CLUSTER.to_owned(), cluster.names.cluster.clone())]);
    if let Some((value, key)) = role {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}

fn port(name: &str, number: i32, target: IntOrString) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some("TCP".to_owned()),
        target_port: Some(target),
        ..ServicePort::default()
    }
}

/// Without a selector there is no Pod whose named port could be meant.
fn without_target(mut ports: Vec<ServicePort>) -> Vec<ServicePort> {
    for port in &mut ports {
        port.target_port = Some(IntOrString::Int(port.port));
    }
    ports
}

fn headless(
    metadata: ObjectMeta,
    selector: Option<BTreeMap<String, String>>,
    ports: Option<Vec<ServicePort>>,
    unready_too: bool,
) -> Service {
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        selector,
        ports,
        publish_not_ready_addresses: unready_too.then_some(true),
        ..ServiceSpec::default()
    };
    Service {
        metadata,
        spec: Some(spec),
        status: None,
    }
}

fn exposed(
    metadata: ObjectMeta,
    exposure: &Exposure,
    mut ports: Vec<ServicePort>,
    selector: Option<BTreeMap<String, String>>,
) -> Service {
    let service_type = exposure
        .service_type
        .clone()
        .unwrap_or_else(|| "ClusterIP".to_owned());
    let balanced = service_type == "LoadBalancer";
    if service_type != "ClusterIP" {
        for port in &mut ports {
            port.node_port = exposure.node_port;
        }
    }
    let ranges = &exposure.load_balancer_source_ranges;
    let spec = ServiceSpec {
        type_: Some(service_type),
        selector,
        ports: Some(ports),
        load_balancer_class: exposure.load_balancer_class.clone().filter(|_| balanced),
        load_balancer_source_ranges: (balanced && !ranges.is_empty()).then(|| ranges.clone()),
        ..ServiceSpec::default()
    };
    Service {
        metadata: with(metadata, &exposure.metadata),
        spec: Some(spec),
        status: None,
    }
}
