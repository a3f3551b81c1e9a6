//! Addresses of services of type LoadBalancer.
//!
//! The rules are those of calico@87c15906f2 kube-controllers/pkg/controllers/loadbalancer: which services are served,
//! what their annotations say, and which address each has. Who calls this, and when, is for the controller: one process
//! of the cluster at a time, once its view of services, pools and namespaces is complete.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::IpNet;
use sha2::{Digest, Sha256};

use crate::allocator::Allocator;
use crate::assigned::{AddressRequest, AssignRequest, LOAD_BALANCER, Message, ReleaseRequest};
use crate::error::{AssignErrorKind, Fault, ReleaseError};
use crate::pool::{AssignmentMode, Pool, Use, View};
use crate::record::Affinity;
use crate::span::Family;
use crate::store::Store;
use crate::timestamp::Timestamp;

/// The class of services that are served in any mode.
pub const SERVICE_CLASS: &str = "calico";
/// The annotation that names the IPv4 pools of a service, by name or CIDR: a JSON array.
pub const IPV4_POOLS: &str = "projectcalico.org/ipv4pools";
/// The annotation that names the IPv6 pools of a service.
pub const IPV6_POOLS: &str = "projectcalico.org/ipv6pools";
/// The annotation that names the addresses of a service, one of each family at most: a JSON array.
pub const LOAD_BALANCER_IPS: &str = "projectcalico.org/loadBalancerIPs";

/// Which services are given addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceMode {
    /// All but those of another class.
    #[default]
    All,
    /// Those of the class [`SERVICE_CLASS`], and those that ask for pools or addresses.
    Requested,
}

/// A service, as far as its addresses depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers build it with a literal, the rest by default")]
pub struct Service {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.annotations`, those above among them.
    pub annotations: BTreeMap<String, String>,
    /// Whether `spec.type` is LoadBalancer.
    pub is_load_balancer: bool,
    /// `spec.loadBalancerClass`.
    pub class: Option<String>,
    /// `spec.loadBalancerIP`; counts where no annotation names addresses.
    pub address: Option<IpAddr>,
    /// Whether `spec.ipFamilies` has IPv4.
    pub ipv4: bool,
    /// Whether `spec.ipFamilies` has IPv6.
    pub ipv6: bool,
}

/// What a service has after a [sync](Allocator::sync_service).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceAddresses {
    /// Its addresses: for `status.loadBalancer.ingress`.
    pub addresses: Vec<IpAddr>,
    /// What it had before and has no more.
    pub released: Vec<IpAddr>,
    /// Why an address is missing, for each that is.
    pub missing: Vec<AssignErrorKind>,
    /// What else was met on the way.
    pub messages: Vec<Message>,
}

/// A service whose addresses could not be brought in order. What it had it keeps, unless the store failed on the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// An annotation is no JSON array of texts.
    #[error("the annotation {annotation} is not a JSON array of texts")]
    NotAList {
        /// Which.
        annotation: &'static str,
    },
    /// An annotation names what is no address.
    #[error("the annotation {annotation} names {text:?}, which is not an address")]
    NotAnAddress {
        /// Which.
        annotation: &'static str,
        /// What it names.
        text: String,
    },
    /// An annotation names more than one address of a family.
    #[error("the annotation {annotation} names more than one IPv{} address", .family.version())]
    TwoOfAFamily {
        /// Which.
        annotation: &'static str,
        /// The family.
        family: Family,
    },
    /// An annotation names no pool of its family that is enabled and for load balancers.
    #[error(
        "the annotation {annotation} names {text:?}, which is not an enabled pool of load balancer addresses of its family"
    )]
    NoSuchPool {
        /// Which.
        annotation: &'static str,
        /// What it names.
        text: String,
    },
    /// The store or a record failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What annotations and fields ask for.
struct Wish {
    /// These addresses, and no others; empty for any.
    addresses: Vec<IpAddr>,
    /// From these pools only, by family; empty for those that are automatic.
    pools: BTreeMap<Family, Vec<IpNet>>,
    families: Vec<Family>,
}

impl Service {
    /// Whether it is given addresses.
    #[must_use]
    pub fn is_served(&self, mode: ServiceMode) -> bool {
        let class = self.class.as_deref();
        self.is_load_balancer
            && match mode {
                ServiceMode::All => class.is_none_or(|class| class == SERVICE_CLASS),
                ServiceMode::Requested => match class {
                    Some(class) => class == SERVICE_CLASS,
                    None => {
                        let asks = [IPV4_POOLS, IPV6_POOLS, LOAD_BALANCER_IPS];
                        self.address.is_some() || asks.iter().any(|key| self.annotations.contains_key(*key))
                    }
                },
            }
    }

    /// The handle of its addresses: `lb-`, and what is left of a hash of its name, namespace and uid without `-` and `_`.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_ipam::Service;
    ///
    /// let service = |name: &str| Service {
    ///     name: name.into(),
    ///     namespace: "shop".into(),
    ///     uid: "6a3e".into(),
    ///     ..Service::default()
    /// };
    /// assert_eq!(service("Web").handle(), service("web").handle());
    /// assert!(service("web").handle().starts_with("lb-"));
    /// ```
    #[must_use]
    pub fn handle(&self) -> String {
        let text = alloc::format!("{}-{}-{}", self.name, self.namespace, self.uid).to_lowercase();
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()));
        alloc::format!("lb-{}", hash.replace(['-', '_', '.'], ""))
    }

    fn list(&self, annotation: &'static str) -> Result<Vec<String>, ServiceError> {
        match self.annotations.get(annotation) {
            None => Ok(Vec::new()),
            Some(text) => serde_json::from_str(text).map_err(|_| ServiceError::NotAList { annotation }),
        }
    }

    fn wish(&self, view: &View) -> Result<Wish, ServiceError> {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for text in self.list(LOAD_BALANCER_IPS)? {
            let annotation = LOAD_BALANCER_IPS;
            let address: IpAddr =
                text.parse().map_err(|_| ServiceError::NotAnAddress { annotation, text: text.clone() })?;
            let (address, family) = (address.to_canonical(), Family::of_addr(address.to_canonical()));
            if addresses.iter().any(|other| Family::of_addr(*other) == family) {
                return Err(ServiceError::TwoOfAFamily { annotation, family });
            }
            addresses.push(address);
        }
        if addresses.is_empty() {
            addresses.extend(self.address.map(|address| address.to_canonical()));
        }
        let mut pools = BTreeMap::new();
        for (family, annotation) in [(Family::V4, IPV4_POOLS), (Family::V6, IPV6_POOLS)] {
            let serving: Vec<&Pool> =
                view.active(family).into_iter().filter(|pool| pool.allows(Use::LoadBalancer)).collect();
            for text in self.list(annotation)? {
                let cidr = text.parse::<IpNet>().ok();
                let pool = serving.iter().find(|pool| pool.name == text || Some(pool.cidr) == cidr);
                let pool = pool.ok_or(ServiceError::NoSuchPool { annotation, text })?;
                pools.entry(family).or_insert_with(Vec::new).push(pool.cidr);
            }
        }
        let wanted = [(Family::V4, self.ipv4), (Family::V6, self.ipv6)];
        let families = wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(family, _)| family).collect();
        Ok(Wish { addresses, pools, families })
    }
}

impl Wish {
    /// Whether an address that the service has may stay.
    fn keeps(&self, address: IpAddr, view: &View) -> bool {
        let family = Family::of_addr(address);
        if !self.addresses.is_empty() {
            return self.addresses.contains(&address);
        }
        let pools = view.active(family);
        let Some(pool) = pools.into_iter().find(|pool| pool.cidr.contains(&address)) else { return false };
        let of_family = self.families.contains(&family) && pool.allows(Use::LoadBalancer);
        of_family
            && match self.pools.get(&family) {
                Some(named) => named.contains(&pool.cidr),
                None => pool.assignment_mode == AssignmentMode::Automatic,
            }
    }
}

impl<S: Store> Allocator<S> {
    /// Brings the addresses of a service in order: releases those that it wants no more, and assigns those that miss.
    ///
    /// Wanted are the addresses that it names, from any pool of load balancer addresses; else one of each of its
    /// families, from the pools that it names or those that are automatic and select its namespace, whose labels are in
    /// [`View::namespace_labels`]. A service that is not [served](Service::is_served) has none.
    ///
    /// That an address cannot be had is no error: see [`ServiceAddresses::missing`], and try again when pools or
    /// services change.
    ///
    /// # Errors
    /// [`ServiceError`]. With an annotation that cannot be read, nothing is changed.
    ///
    /// # Example
    ///
    /// ```
    /// use core::time::Duration;
    /// use tortie_ipam::{Allocator, MemoryStore, Pool, Service, ServiceMode, Use, View, block_on};
    ///
    /// let pool = Pool::new("services", "192.0.2.0/26".parse()?).allowed_uses([Use::LoadBalancer]);
    /// let view = View::new([pool]);
    /// let allocator = Allocator::new(MemoryStore::new());
    /// let mut service = Service {
    ///     name: "web".into(),
    ///     namespace: "shop".into(),
    ///     uid: "6a3e".into(),
    ///     is_load_balancer: true,
    ///     ipv4: true,
    ///     ..Service::default()
    /// };
    /// let now = Duration::from_secs(1_800_000_000);
    /// let has = block_on(allocator.sync_service(&service, ServiceMode::All, &view, now))?;
    /// assert_eq!(has.addresses.len(), 1);
    /// service.is_load_balancer = false;
    /// let has = block_on(allocator.sync_service(&service, ServiceMode::All, &view, now))?;
    /// assert_eq!((has.addresses.len(), has.released.len()), (0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn sync_service(
        &self,
        service: &Service,
        mode: ServiceMode,
        view: &View,
        now: Duration,
    ) -> Result<ServiceAddresses, ServiceError> {
        let handle = service.handle();
        let mut outcome = ServiceAddresses::default();
        if !service.is_served(mode) {
            outcome.released = self.release_service(&handle, view, now).await?;
            return Ok(outcome);
        }
        let wish = service.wish(view)?;
        let held = self.addresses_by_handle(&handle).await?;
        let mut stays: Vec<IpAddr> = Vec::new();
        for address in &held {
            let family = Family::of_addr(*address);
            let second =
                wish.addresses.is_empty() && stays.iter().any(|other| Family::of_addr(*other) == family);
            if wish.keeps(*address, view) && !second {
                stays.push(*address);
            }
        }
        let surplus: Vec<ReleaseRequest> = held
            .iter()
            .filter(|address| !stays.contains(address))
            .map(|address| ReleaseRequest::new(*address).handle(&handle))
            .collect();
        if !surplus.is_empty() {
            match self.release_addresses(&surplus, view, now).await {
                Ok(released) => outcome.released = released.released,
                Err(ReleaseError::Fault(fault)) => return Err(fault.into()),
                // Somebody else's by now.
                Err(_) => {}
            }
        }
        outcome.addresses = stays;
        let attributes = [
            ("service", service.name.clone()),
            ("namespace", service.namespace.clone()),
            ("type", String::from("LoadBalancer")),
            ("timestamp", Timestamp::from_secs_of(now).to_string()),
        ];
        if wish.addresses.is_empty() {
            self.any_for_service(&handle, &attributes, &wish, view, now, &mut outcome).await?;
        }
        for address in wish.addresses.iter().filter(|address| !held.contains(address)) {
            let request = AddressRequest::new(*address, &handle, LOAD_BALANCER, Use::LoadBalancer);
            let request =
                attributes.iter().fold(request, |request, (key, value)| request.attribute(*key, value));
            match self.assign_address(&request, view, now).await {
                Ok(net) => outcome.addresses.push(net.addr()),
                Err(AssignErrorKind::Fault(fault)) => return Err(fault.into()),
                Err(kind) => outcome.missing.push(kind),
            }
        }
        outcome.addresses.sort_unstable();
        Ok(outcome)
    }

    /// One address of each family that has none.
    async fn any_for_service(
        &self,
        handle: &str,
        attributes: &[(&str, String)],
        wish: &Wish,
        view: &View,
        now: Duration,
        outcome: &mut ServiceAddresses,
    ) -> Result<(), Fault> {
        for family in &wish.families {
            if outcome.addresses.iter().any(|address| Family::of_addr(*address) == *family) {
                continue;
            }
            let mut request = AssignRequest::new(handle, LOAD_BALANCER, Use::LoadBalancer);
            match family {
                Family::V4 => request.num4 = 1,
                Family::V6 => request.num6 = 1,
            }
            for cidr in wish.pools.get(family).into_iter().flatten() {
                match cidr {
                    IpNet::V4(cidr) => request.pools4.push(*cidr),
                    IpNet::V6(cidr) => request.pools6.push(*cidr),
                }
            }
            let request =
                attributes.iter().fold(request, |request, (key, value)| request.attribute(*key, value));
            match self.assign_all(&request, view, now).await {
                Ok(assigned) => {
                    outcome.addresses.extend(assigned.addresses().map(|net| net.addr()));
                    outcome.messages.extend(assigned.v4.messages.into_iter().chain(assigned.v6.messages));
                }
                Err(error) => match error.kind() {
                    AssignErrorKind::Fault(fault) | AssignErrorKind::NotUndone { fault, .. } => {
                        return Err(fault.clone());
                    }
                    kind => outcome.missing.push(kind.clone()),
                },
            }
        }
        Ok(())
    }

    async fn release_service(&self, handle: &str, view: &View, now: Duration) -> Result<Vec<IpAddr>, Fault> {
        match self.release_by_handle(handle, &view.config, now).await {
            Ok(released) => Ok(released),
            Err(ReleaseError::Fault(fault)) => Err(fault),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Releases the addresses of services that are gone, and gives them; `services` are all that exist.
    ///
    /// Only what is assigned as `type=LoadBalancer` is looked at. Blocks that are empty then stay the load balancer's.
    ///
    /// # Errors
    /// [`Fault`]; the rest is then as it was.
    pub async fn collect_services<'a>(
        &self,
        services: impl IntoIterator<Item = &'a Service> + Send,
        view: &View,
        now: Duration,
    ) -> Result<Vec<IpAddr>, Fault> {
        let exist: BTreeSet<String> = services.into_iter().map(Service::handle).collect();
        let mut gone: BTreeSet<String> = BTreeSet::new();
        for family in Family::BOTH {
            self.scan(family, |_, slot| {
                let Some(block) = slot.value else { return };
                if block.affinity() != Some(Affinity::Virtual(String::from(LOAD_BALANCER))) {
                    return;
                }
                for allocation in block.allocations().filter(|allocation| !allocation.rests()) {
                    let owner = allocation.attributes().active_owner;
                    let kind = owner.get("type").map(String::as_str);
                    if let (Some("LoadBalancer"), Some(handle)) = (kind, allocation.handle()) {
                        if !exist.contains(handle) {
                            gone.insert(String::from(handle));
                        }
                    }
                }
            })
            .await?;
        }
        let mut released = Vec::new();
        for handle in gone {
            released.extend(self.release_service(&handle, view, now).await?);
        }
        Ok(released)
    }
}
