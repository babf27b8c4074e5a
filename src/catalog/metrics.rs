//! Metrics of the catalog. Names and labels are public API.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    operation: &'static str,
    category: &'static str,
}

/// What is counted. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct CatalogMetrics {
    skipped: Family<Labels, Counter>,
    replaced: Counter,
    in_order: Gauge,
}

impl CatalogMetrics {
    /// Puts them under the prefix of `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "catalog_skipped",
            "Times that the catalog was not read or written, by the category of the error",
            self.skipped.clone(),
        );
        registry.register(
            "catalog_replaced",
            "Files of the catalog that could not be used and were moved aside",
            self.replaced.clone(),
        );
        registry.register(
            "catalog_in_order",
            "1 while the catalog works",
            self.in_order.clone(),
        );
    }

    pub(crate) fn skipped(&self, operation: &'static str, category: &'static str) {
        self.skipped.get_or_create(&Labels { operation, category }).inc();
    }

    pub(super) fn replaced(&self) {
        self.replaced.inc();
    }

    pub(super) fn in_order(&self, works: bool) {
        self.in_order.set(i64::from(works));
    }
}
