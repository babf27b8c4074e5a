//! The command line: one binary, several roles.

mod agent;
mod controller;
mod crds;
mod inspect;
mod reasons;
mod schedule;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Backup and restore orchestrator for PostgreSQL on Kubernetes, around pgBackRest.
#[derive(Parser)]
#[command(name = "holdfast", version)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// What our own containers inside pods run.
    #[command(subcommand)]
    Agent(agent::Agent),
    /// Reconcile clusters, backups and restores.
    Controller(controller::Controller),
    /// Print the resource definitions as YAML.
    Crds(crds::Crds),
    Inspect(inspect::Inspect),
    /// Print what every condition reason means, as Markdown.
    Reasons,
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// Print the version.
    Version,
}

/// Runs the role named by the process arguments and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    // reqwest panics without a process-wide provider; the others find the only one compiled in.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Arguments::parse().role {
        Role::Agent(agent) => agent::run(&agent),
        Role::Controller(arguments) => controller::run(&arguments),
        Role::Crds(arguments) => crds::run(&arguments),
        Role::Inspect(arguments) => inspect::run(&arguments),
        Role::Reasons => reasons::run(),
        Role::Schedule(arguments) => schedule::run(&arguments),
        Role::Version => {
            println!("holdfast {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
    }
}
