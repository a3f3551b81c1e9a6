//! DEL.

use tortie_datastore::{Datastore, status};

use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::env::Container;
use crate::error::Error;
use crate::veth::{self, Sandbox};
use crate::{ack, address, lock, store};

/// Detaches a container. What is gone already is no error: runtimes repeat DEL, at last without a namespace.
///
/// # Errors
/// The first step that failed, with the others in its details. The runtime should try again.
pub(crate) async fn run(config: &Config, container: &Container) -> Result<(), Error> {
    let endpoint = Endpoint::new(config, container)?;
    let _turn = lock::turn(config, &endpoint.host_interface())?;
    let datastore = store::open(&config.datastore)?;
    let sandbox = container.netns.as_deref().and_then(|path| match Sandbox::open(path) {
        Ok(sandbox) => Some(sandbox),
        Err(error) => {
            tracing::info!(%error, "the namespace is gone");
            None
        }
    });
    let mut errors = remove(config, &endpoint, &datastore, sandbox.as_ref()).await.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    Err(errors.fold(first, |first, next| {
        let details = format!("{}; {next}", first.details);
        first.details(details.trim_start_matches("; ").to_owned())
    }))
}

/// Removes everything of a container's endpoint: record, link, addresses. Goes on after a step that failed, but for one:
/// addresses whose link could not be removed are kept, since whoever got them next would share them.
pub(crate) async fn remove(
    config: &Config,
    endpoint: &Endpoint,
    datastore: &Datastore,
    sandbox: Option<&Sandbox>,
) -> Vec<Error> {
    let mut errors = Vec::new();
    let mine = |record: &store::Record| {
        let container = &record.spec.container_id;
        (container.is_empty() || *container == endpoint.container)
            && record.spec.endpoint == endpoint.interface
    };
    // Who has the workload's record, after this container's was deleted.
    let other =
        store::delete(datastore, endpoint, mine).await.map(|record| record.filter(|record| !mine(record)));
    let mut link_is_gone = true;
    if let Some(sandbox) = sandbox
        && let Err(error) = sandbox.detach(&endpoint.interface, endpoint.mac()).await
    {
        link_is_gone = false;
        errors.push(error);
    }
    let other = match other {
        Ok(other) => other,
        Err(error) => {
            // Without the record it is not known whose the host's end of the link is, nor whether it is gone.
            errors.insert(0, error);
            return errors;
        }
    };
    if other.as_ref().is_some_and(|record| record.spec.container_id == endpoint.container) {
        // Another interface of this container has link and addresses; this one never got any.
        return errors;
    }
    if other.is_none() {
        if let Err(error) = veth::delete(&endpoint.host_interface()).await {
            link_is_gone = false;
            errors.push(error);
        }
        let name = endpoint.record(&[], None).ok().and_then(|record| status::file_name(&record));
        let forgotten = name.map_or(Ok(()), |name| ack::forget(&config.status_dir.join(name)));
        if let Err(error) = forgotten {
            tracing::warn!(%error, "the acknowledgement cannot be removed");
        }
    } else {
        tracing::info!("the workload runs in another container by now: its record stays");
    }
    if link_is_gone {
        match address::release(datastore, config, endpoint).await {
            Ok(released) => tracing::info!(?released, handle = endpoint.handle(), "released"),
            Err(error) => errors.push(error),
        }
    }
    errors
}
