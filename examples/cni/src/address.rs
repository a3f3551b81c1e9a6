//! Addresses: asked for, and given back.

use core::net::IpAddr;
use core::time::Duration;
use std::io::ErrorKind;
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tortie_datastore::{Datastore, convert};
use tortie_ipam::{
    AddressRequest, Allocator, AssignErrorKind, AssignRequest, Fault, ReleaseError, Timestamp, Use, View,
};

use crate::config::{Config, PoolRef};
use crate::endpoint::Endpoint;
use crate::env::shown;
use crate::error::{Code, Error};
use crate::lock::Lock;
use crate::store;

/// How long the allocations of other containers on this host are waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
/// How often pools and configuration are read again when they change under an allocation.
const ATTEMPTS: usize = 8;

/// Assigns the endpoint's addresses, IPv4 first: all that are wanted, or none. `wanted` is one particular address,
/// instead of one of each family.
///
/// # Errors
/// Code 101 when there is no address to be had, 7 for a pool that does not exist, 11 when others hold lock or store for
/// too long, 103 for a record that cannot be read.
pub(crate) async fn assign(
    store: &Datastore,
    config: &Config,
    endpoint: &Endpoint,
    wanted: Option<IpAddr>,
) -> Result<Vec<IpAddr>, Error> {
    let _lock = match Lock::take(&config.lock_file, LOCK_PATIENCE) {
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            return Err(Error::caused(
                Code::TryAgain,
                "other allocations of this host take too long",
                &error,
            ));
        }
        Err(error) => {
            // It only keeps this host's plugins from disturbing each other; the store keeps allocations apart.
            tracing::warn!(%error, path = %config.lock_file.display(), "allocating without the lock");
            None
        }
        Ok(lock) => Some(lock),
    };
    let allocator = Allocator::new(store.clone());
    let mut attempts = 1..=ATTEMPTS;
    loop {
        let view = convert::view(store, &config.node, Some(&endpoint.namespace))
            .await
            .map_err(|e| store::error(&e))?;
        let assigned = match wanted {
            Some(address) => one(&allocator, &view, config, endpoint, address).await,
            None => any(&allocator, &view, config, endpoint).await,
        };
        attempts.next();
        match assigned {
            Ok(addresses) => return Ok(addresses),
            Err(Failure::Changed) if !attempts.is_empty() => {}
            Err(Failure::Changed) => {
                return Err(Error::new(Code::TryAgain, "the address pools keep changing"));
            }
            Err(Failure::Error(error)) => return Err(error),
        }
    }
}

enum Failure {
    /// Pools or configuration changed after they were read.
    Changed,
    Error(Error),
}

async fn any(
    allocator: &Allocator<Datastore>,
    view: &View,
    config: &Config,
    endpoint: &Endpoint,
) -> Result<Vec<IpAddr>, Failure> {
    let mut request = AssignRequest::new(endpoint.handle(), &config.node, Use::Workload)
        .v4(u32::from(config.ipam.v4))
        .v6(u32::from(config.ipam.v6))
        .pools4(named(view, "ipam.ipv4_pools", &config.ipam.pools4, v4)?)
        .pools6(named(view, "ipam.ipv6_pools", &config.ipam.pools6, v6)?);
    request.attributes = endpoint.attributes(timestamp());
    let assigned =
        allocator.assign_all(&request, view, now()).await.map_err(|error| failure(error.kind()))?;
    Ok(assigned.addresses().map(|net| net.addr()).collect())
}

async fn one(
    allocator: &Allocator<Datastore>,
    view: &View,
    config: &Config,
    endpoint: &Endpoint,
    address: IpAddr,
) -> Result<Vec<IpAddr>, Failure> {
    let mut request = AddressRequest::new(address, endpoint.handle(), &config.node, Use::Workload);
    request.attributes = endpoint.attributes(timestamp());
    let net = allocator.assign_address(&request, view, now()).await.map_err(|kind| failure(&kind))?;
    Ok(vec![net.addr()])
}

/// The pools that the configuration names, as CIDRs.
fn named<T>(
    view: &View,
    field: &str,
    pools: &[PoolRef],
    family: impl Fn(IpNet) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let wrong = |name: &str, rule: &str| {
        Failure::Error(Error::new(Code::BadConfig, format!("field {field}: pool {} {rule}", shown(name))))
    };
    pools
        .iter()
        .map(|pool| match pool {
            PoolRef::Cidr(cidr) => {
                family(*cidr).ok_or_else(|| wrong(&cidr.to_string(), "is of the other address family"))
            }
            PoolRef::Name(name) => {
                let found = view.pools.iter().find(|pool| pool.name == *name);
                let cidr = found.ok_or_else(|| wrong(name, "does not exist"))?.cidr;
                family(cidr).ok_or_else(|| wrong(name, "is of the other address family"))
            }
        })
        .collect()
}

fn v4(net: IpNet) -> Option<Ipv4Net> {
    if let IpNet::V4(net) = net { Some(net) } else { None }
}

fn v6(net: IpNet) -> Option<Ipv6Net> {
    if let IpNet::V6(net) = net { Some(net) } else { None }
}

fn failure(kind: &AssignErrorKind) -> Failure {
    let code = match kind {
        AssignErrorKind::Fault(Fault::ViewChanged { .. }) => return Failure::Changed,
        AssignErrorKind::Fault(fault) | AssignErrorKind::NotUndone { fault, .. } => fault_code(fault),
        _ => Code::Address,
    };
    Failure::Error(Error::caused(code, "no address can be assigned", kind))
}

const fn fault_code(fault: &Fault) -> Code {
    if fault.is_retryable() { Code::TryAgain } else { Code::Datastore }
}

/// Gives back all addresses of the endpoint's handle; none is no error. Works without the lock where it cannot be had:
/// the store itself keeps releases and allocations apart.
///
/// # Errors
/// Code 11 or 103 when the store fails.
pub(crate) async fn release(
    store: &Datastore,
    config: &Config,
    endpoint: &Endpoint,
) -> Result<Vec<IpAddr>, Error> {
    let lock = Lock::take(&config.lock_file, LOCK_PATIENCE);
    if let Err(error) = &lock {
        tracing::warn!(%error, "releasing addresses without the lock");
    }
    let allocator = Allocator::new(store.clone());
    let wrong =
        |error: &dyn core::error::Error, code| Error::caused(code, "the addresses cannot be released", error);
    let settings = allocator.config().await.map_err(|fault| wrong(&fault, fault_code(&fault)))?;
    match allocator.release_by_handle(&endpoint.handle(), &settings, now()).await {
        Ok(addresses) => Ok(addresses),
        Err(ReleaseError::NotFound { .. }) => Ok(Vec::new()),
        Err(ReleaseError::Fault(fault)) => Err(wrong(&fault, fault_code(&fault))),
        Err(error) => Err(wrong(&error, Code::Datastore)),
    }
}

/// The time since the Unix epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn timestamp() -> String {
    Timestamp::from_secs_of(now()).to_string()
}
