//! `delete`: remove objects.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::Args;
use tortie_datastore::resource::{self, IpPoolSpec};
use tortie_datastore::{Datastore, Error, client, convert};
use tortie_ipam::Allocator;

use crate::document;
use crate::kind::{Kind, with_spec};
use crate::manifest::{self, ObjectName};

/// How often a pool is tried to be disabled when others change it.
const ATTEMPTS: usize = 16;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What kind of object.
    #[arg(value_parser = Kind::from_word, required_unless_present = "filename", requires = "names")]
    kind: Option<Kind>,
    /// Which objects.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The objects that manifests name, last ones first; nothing else in them is looked at.
    #[arg(short, long, value_name = "FILE", conflicts_with = "kind")]
    filename: Vec<PathBuf>,
    /// Go into folders inside a folder.
    #[arg(short = 'R', long, requires = "filename")]
    recursive: bool,
    /// The namespace of namespaced objects. Default: `default`.
    #[arg(short, long)]
    namespace: Option<String>,
    /// An object that is not there is no error.
    #[arg(long)]
    skip_not_exists: bool,
}

pub(crate) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    let mut failed = 0_usize;
    let mut names = Vec::new();
    for path in &arguments.filename {
        for document in document::read(path, arguments.recursive)? {
            match manifest::names(&document, arguments.namespace.as_deref()) {
                Ok(found) => names.extend(found),
                Err(problems) => {
                    failed += 1;
                    problems.iter().for_each(|problem| eprintln!("{}", problem.render(&document)));
                }
            }
        }
    }
    names.reverse();
    if let Some(kind) = arguments.kind {
        let namespace = kind.namespaced().then(|| arguments.namespace.as_deref().unwrap_or("default"));
        let namespace = namespace.map(str::to_owned);
        names.extend(arguments.names.iter().map(|name| ObjectName {
            kind,
            namespace: namespace.clone(),
            name: name.clone(),
        }));
    }
    for name in &names {
        match delete(store, name).await {
            Ok(()) => say!("deleted {name}\n"),
            Err(Error::NotFound { .. }) if arguments.skip_not_exists => say!("no {name}\n"),
            Err(error) => {
                failed += 1;
                match error {
                    Error::NotFound { .. } => eprintln!("{name}: there is no such object"),
                    error => eprintln!("{name}: {error}"),
                }
            }
        }
    }
    if failed > 0 {
        bail!("{failed} could not be deleted");
    }
    Ok(ExitCode::SUCCESS)
}

async fn delete(store: &Datastore, name: &ObjectName) -> Result<(), Error> {
    if name.kind == Kind::IpPool {
        drain(store, &name.name).await?;
    }
    with_spec!(name.kind, Spec => {
        client::delete::<Spec>(store, name.stored_namespace(), &name.stored()).await
    })
}

/// Disables a pool, and releases its blocks from their hosts; addresses in use stay so.
///
/// A host that is just assigning from the pool fails its commit, since that guards the pool's revision.
async fn drain(store: &Datastore, name: &str) -> Result<(), Error> {
    let key = resource::key::<IpPoolSpec>(None, name)?;
    let mut tries = 0;
    let pool = loop {
        let Some(record) = store.get(&key).await? else { return Ok(()) };
        // Whatever a record is that cannot be read, no address is assigned from it.
        let Ok(mut pool) = client::decode::<IpPoolSpec>(&record) else { return Ok(()) };
        pool.spec.disabled = true;
        // Not checked: a pool that breaks a rule of today can still be deleted.
        match store.update(&key, &pool.encode()?, record.revision).await {
            Ok(_revision) => break pool,
            Err(error) if error.is_race() && tries < ATTEMPTS => tries += 1,
            Err(error) => return Err(error),
        }
    };
    let view = convert::pool_view(store).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let released =
        Allocator::new(store.clone()).release_pool_affinities(&pool.spec.cidr, &view.config, now).await;
    match released {
        Ok(released) => {
            for (block, fault) in &released.failed {
                eprintln!("warning: block {block} stays with its host: {fault}");
            }
        }
        Err(fault) => eprintln!("warning: the blocks of {name} stay with their hosts: {fault}"),
    }
    Ok(())
}
