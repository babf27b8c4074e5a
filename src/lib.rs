//! Holdfast: backups, restores and the truth about them, for PostgreSQL on Kubernetes around pgBackRest.
//!
//! Dependencies point inwards: `domain` knows nothing of Kubernetes or clocks, `api` holds the custom
//! resources, `storage` and `pgbackrest` read repositories, `survey` finds out what can be restored from them,
//! `catalog` keeps that, `inspect` tells it, `controllers` reconcile, `agent` works inside pods.

pub mod agent;
pub mod api;
pub mod catalog;
pub mod cli;
pub mod controllers;
pub mod domain;
pub mod inspect;
pub mod pgbackrest;
pub mod pki;
pub mod policy;
pub mod storage;
pub mod survey;
pub mod telemetry;
