//! `holdfast crds`: the resource definitions, as YAML.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use thiserror::Error;

use crate::api::crds;

/// Where the definitions go.
#[derive(Args)]
pub struct Crds {
    /// Write one file for each definition into this directory instead of printing them all.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Why the definitions could not be written.
#[derive(Debug, Error)]
enum CrdsError {
    #[error("the definitions cannot be generated: {0}")]
    Generate(#[from] crds::CrdError),
    #[error("{path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
}

/// Prints or writes the definitions.
#[must_use]
pub fn run(arguments: &Crds) -> ExitCode {
    match write(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast crds: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(arguments: &Crds) -> Result<(), CrdsError> {
    for (name, text) in crds::files()? {
        match &arguments.directory {
            None => print!("---\n{text}"),
            Some(directory) => {
                let path = directory.join(format!("{name}.yaml"));
                std::fs::write(&path, text).map_err(|source| CrdsError::Write { path, source })?;
            }
        }
    }
    Ok(())
}
