//! ADD.

use core::net::IpAddr;

use tortie_datastore::{Datastore, client, status};

use crate::cmd::del;
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::env::{Container, shown};
use crate::error::{Code, Error};
use crate::result::Attachment;
use crate::store::Record;
use crate::veth::{Link, Sandbox};
use crate::{ack, address, lock, shield, store};

/// Attaches a container, and gives the result for standard output.
///
/// # Errors
/// The step that failed. All steps before it are undone; what could not be undone is in the details.
pub(crate) async fn run(config: &Config, container: &Container) -> Result<String, Error> {
    let endpoint = Endpoint::new(config, container)?;
    let wanted = match container.arg("IP") {
        None => None,
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| {
            Error::new(
                Code::BadEnvironment,
                format!("IP in CNI_ARGS is {}: it must be an address", shown(text)),
            )
        })?),
    };
    let path = container.netns.as_deref().unwrap_or_default();
    let sandbox = Sandbox::open(path)?;
    let attachment = |addresses| Attachment {
        host_interface: endpoint.host_interface(),
        interface: endpoint.interface.clone(),
        mac: endpoint.mac().to_string(),
        sandbox: path.to_owned(),
        addresses,
    };
    // The only part of the configuration that is not checked yet.
    attachment(Vec::new()).to_json(config.version, config.previous.as_ref())?;

    let _turn = lock::turn(config, &endpoint.host_interface())?;
    let datastore = store::open(&config.datastore)?;
    let existing = store::find(&datastore, &endpoint).await?;
    if let Some(existing) = &existing {
        refuse_second_interface(&endpoint, existing)?;
    }
    if sandbox.has(&endpoint.interface).await? {
        let existing =
            existing.filter(|record| endpoint.pod.is_none() && !record.spec.ip_networks.is_empty());
        let Some(record) = existing else {
            let message = format!("the container has an interface {} already", endpoint.interface);
            return Err(Error::new(Code::BadEnvironment, format!("CNI_IFNAME: {message}")));
        };
        // Repeated for a workload that is no pod: it is as it was.
        let addresses: Vec<_> = record.spec.addresses().collect();
        acknowledged(config, &record, &addresses).await?;
        return answer(config, &attachment(addresses));
    }

    // What an earlier attempt for this container left when it was killed.
    let left = address::release(&datastore, config, &endpoint).await?;
    if !left.is_empty() {
        tracing::warn!(?left, "released the addresses of an earlier attempt");
    }
    let addresses = address::assign(&datastore, config, &endpoint, wanted).await?;
    tracing::info!(?addresses, handle = endpoint.handle(), "assigned");
    match attach(config, &endpoint, &datastore, &sandbox, &addresses).await {
        Ok(()) => answer(config, &attachment(addresses)),
        Err(error) => {
            let before = existing.filter(|record| record.spec.container_id != endpoint.container);
            let left = undo(config, &endpoint, &datastore, before).await;
            Err(left.into_iter().fold(error, |error, left| {
                let details = format!("{}; and not undone: {left}", error.details);
                error.details(details.trim_start_matches("; ").to_owned())
            }))
        }
    }
}

/// One container has one interface on the network: both would have one host's end and one handle.
fn refuse_second_interface(endpoint: &Endpoint, existing: &Record) -> Result<(), Error> {
    if existing.spec.container_id != endpoint.container || existing.spec.endpoint == endpoint.interface {
        return Ok(());
    }
    let message = format!(
        "CNI_IFNAME is {}: the container is on this network with its interface {} already",
        shown(&endpoint.interface),
        shown(&existing.spec.endpoint)
    );
    Err(Error::new(Code::BadEnvironment, message))
}

/// Everything after the addresses. The order is the point: record, firewall, link, acknowledgement.
async fn attach(
    config: &Config,
    endpoint: &Endpoint,
    datastore: &Datastore,
    sandbox: &Sandbox,
    addresses: &[IpAddr],
) -> Result<(), Error> {
    if endpoint.pod.is_none() {
        store::ensure_profile(datastore, &endpoint.profile()).await?;
    }
    // An earlier workload of this name may have left its acknowledgement.
    let name = endpoint.record(addresses, None)?;
    if let Some(name) = status::file_name(&name) {
        let file = config.status_dir.join(name);
        ack::forget(&file).map_err(|error| {
            Error::caused(Code::Internal, format!("{} cannot be removed", file.display()), &error)
        })?;
    }
    // The workload's new container may have another name for its interface, and so for its record.
    store::delete(datastore, endpoint, |record| record.spec.endpoint != endpoint.interface).await?;
    let record = store::write(datastore, endpoint, |existing| endpoint.record(addresses, existing)).await?;
    shield::raise()?;
    let link = Link {
        host: &endpoint.host_interface(),
        container: &endpoint.interface,
        mac: endpoint.mac(),
        mtu: config.mtu,
        addresses,
        forwarding: config.allow_ip_forwarding,
    };
    sandbox.attach(&link).await?;
    acknowledged(config, &record, addresses).await
}

/// Waits until the agent says that the endpoint's policy is in place.
async fn acknowledged(config: &Config, record: &Record, addresses: &[IpAddr]) -> Result<(), Error> {
    let Some(name) = status::file_name(record) else {
        return Err(Error::new(Code::Internal, "the endpoint's record names no workload"));
    };
    let file = config.status_dir.join(name);
    if ack::wait(&file, &record.spec.interface_name, addresses, config.setup_timeout).await {
        return Ok(());
    }
    let seconds = config.setup_timeout.as_secs();
    Err(Error::new(
        Code::TryAgain,
        format!("the agent has not put the endpoint's policy in place in {seconds} s"),
    )
    .details(format!("it would have written {}", file.display())))
}

/// Undoes a failed ADD, as DEL would; the record of another container, if there was one, comes back.
async fn undo(
    config: &Config,
    endpoint: &Endpoint,
    datastore: &Datastore,
    before: Option<Record>,
) -> Vec<Error> {
    let mut errors = del::remove(config, endpoint, datastore, None).await;
    if let Some(mut before) = before {
        before.metadata.resource_version = None;
        let restored = client::create(datastore, before).await;
        errors.extend(restored.err().map(|error| store::error(&error)));
    }
    for error in &errors {
        tracing::error!(%error, "not undone");
    }
    errors
}

fn answer(config: &Config, attachment: &Attachment) -> Result<String, Error> {
    Ok(attachment.to_json(config.version, config.previous.as_ref())?.to_string())
}
