//! `apply`: make the store hold what manifests say.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use tortie_datastore::client::{self, Applied};
use tortie_datastore::resource::{FieldError, Resource};
use tortie_datastore::{Datastore, Error, Op};

use crate::document;
use crate::kind::with_spec;
use crate::manifest::{self, Manifest, Problem};

/// How often a document is tried when others change the same objects.
const ATTEMPTS: usize = 16;

/// Each document is applied whole or not at all; what is wrong with one does not keep others from being applied.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A manifest, a folder of manifests (`*.yaml`, `*.yml`, `*.json`), or `-` for standard input.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    filename: Vec<PathBuf>,
    /// Go into folders inside a folder, after its own manifests.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The namespace of namespaced objects that name none. Default: `default`.
    #[arg(short, long)]
    namespace: Option<String>,
}

pub(crate) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    let mut documents = Vec::new();
    for path in &arguments.filename {
        documents.extend(document::read(path, arguments.recursive)?);
    }
    if documents.is_empty() {
        bail!("no object was given");
    }
    let mut refused = 0_usize;
    for document in &documents {
        let outcome = match manifest::read(document, arguments.namespace.as_deref()) {
            Ok(manifests) => {
                let warnings = manifests.iter().flat_map(|manifest| &manifest.warnings);
                warnings.for_each(|warning| eprintln!("warning: {}", warning.render(document)));
                apply(store, &manifests).await?
            }
            Err(problems) => Err(problems),
        };
        match outcome {
            Ok(lines) => lines.iter().for_each(|line| say!("{line}\n")),
            Err(problems) => {
                refused += 1;
                problems.iter().for_each(|problem| eprintln!("{}", problem.render(document)));
            }
        }
    }
    if refused > 0 {
        bail!("{refused} of {} documents not applied", documents.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// Applies the objects of one document in one commit; returns a line about each, or what is wrong.
async fn apply(store: &Datastore, manifests: &[Manifest]) -> Result<Result<Vec<String>, Vec<Problem>>> {
    for _ in 0..ATTEMPTS {
        let (mut ops, mut lines, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for manifest in manifests {
            match plan(store, manifest, &ops).await {
                Ok((op, applied)) => {
                    let done = match applied {
                        Applied::Created => "created",
                        Applied::Updated => "updated",
                        Applied::Unchanged => "unchanged",
                    };
                    lines.push(format!("{done} {}", manifest.name));
                    if let Some(op) = op {
                        if ops.iter().any(|other: &Op| other.key() == op.key()) {
                            let twice = FieldError::new("metadata.name", "there twice in this document");
                            problems.push(manifest.problem(twice));
                        }
                        ops.push(op);
                    }
                }
                Err(Error::Invalid { errors }) => {
                    problems.extend(errors.0.into_iter().map(|error| manifest.problem(error)));
                }
                Err(error @ Error::Unreadable { .. }) => {
                    problems.push(manifest.problem(FieldError::new("", error.to_string())));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !problems.is_empty() {
            return Ok(Err(problems));
        }
        match store.commit(ops).await {
            Ok(_revision) => return Ok(Ok(lines)),
            Err(error) if error.is_race() => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("others change the same objects again and again; try once more");
}

async fn plan(
    store: &Datastore,
    manifest: &Manifest,
    pending: &[Op],
) -> Result<(Option<Op>, Applied), Error> {
    with_spec!(manifest.name.kind, Spec => {
        let object = Resource::<Spec>::from_value(manifest.value.clone())?;
        let plan = client::plan(store, object, pending).await?;
        Ok((plan.op, plan.applied))
    })
}
