//! Who is told of objects.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use tortie_policy::model::{GlobalNetworkSetSpec, HostEndpointSpec, ProfileSpec, TierSpec};
use tortie_policy::{Endpoint, EndpointSlice, FieldError, Inputs, PolicyKey, PolicySpec, Resolver};

/// Labels, as metadata has them.
type Labels = BTreeMap<String, String>;

/// What takes every object that policy is made from, as [`Inputs`] and [`Resolver`] do, whose methods these are.
pub trait PolicySink {
    /// Inserts or replaces a policy; the answer is what is wrong with it.
    fn insert_policy(&mut self, key: PolicyKey, spec: PolicySpec<'_>) -> Vec<FieldError>;
    /// Whether there is a policy of this name.
    fn has_policy(&self, key: &PolicyKey) -> bool;
    /// Removes a policy; whether it was there.
    fn remove_policy(&mut self, key: &PolicyKey) -> bool;
    /// Inserts or replaces a tier; the answer is what is wrong with it.
    fn insert_tier(&mut self, name: &str, spec: &TierSpec) -> Vec<FieldError>;
    /// Removes a tier; whether it was there.
    fn remove_tier(&mut self, name: &str) -> bool;
    /// Inserts or replaces a profile; the answer is what is wrong with it.
    fn insert_profile(&mut self, name: &str, spec: &ProfileSpec) -> Vec<FieldError>;
    /// Removes a profile; whether it was there.
    fn remove_profile(&mut self, name: &str) -> bool;
    /// Inserts or replaces an endpoint.
    fn insert_endpoint(&mut self, endpoint: Endpoint);
    /// Removes an endpoint; whether it was there.
    fn remove_endpoint(&mut self, id: &str) -> bool;
    /// Inserts or replaces a host endpoint; the answer is what is wrong with it.
    fn insert_host_endpoint(
        &mut self,
        name: &str,
        labels: &Labels,
        spec: &HostEndpointSpec,
    ) -> Vec<FieldError>;
    /// Removes a host endpoint; whether it was there.
    fn remove_host_endpoint(&mut self, name: &str) -> bool;
    /// Inserts or replaces a network set, which has a namespace or is global; the answer is what is wrong with it.
    fn insert_network_set(
        &mut self,
        namespace: Option<&str>,
        name: &str,
        labels: &Labels,
        spec: &GlobalNetworkSetSpec,
    ) -> Vec<FieldError>;
    /// Removes a network set; whether it was there.
    fn remove_network_set(&mut self, namespace: Option<&str>, name: &str) -> bool;
    /// Inserts or replaces a node.
    fn insert_node(&mut self, name: &str, labels: &Labels, addresses: &[IpAddr]);
    /// Removes a node; whether it was there.
    fn remove_node(&mut self, name: &str) -> bool;
    /// Inserts or replaces some of the endpoints of a service.
    fn insert_endpoint_slice(&mut self, slice: EndpointSlice);
    /// Removes them; whether they were there.
    fn remove_endpoint_slice(&mut self, namespace: &str, name: &str) -> bool;
}

macro_rules! sink {
    ($sink:ty, $endpoint:ident => $inserted:expr, $removed:ident => $was_there:expr) => {
        impl PolicySink for $sink {
            fn insert_policy(&mut self, key: PolicyKey, spec: PolicySpec<'_>) -> Vec<FieldError> {
                Self::insert_policy(self, key, spec)
            }

            fn has_policy(&self, key: &PolicyKey) -> bool {
                Self::has_policy(self, key)
            }

            fn remove_policy(&mut self, key: &PolicyKey) -> bool {
                Self::remove_policy(self, key)
            }

            fn insert_tier(&mut self, name: &str, spec: &TierSpec) -> Vec<FieldError> {
                Self::insert_tier(self, name, spec)
            }

            fn remove_tier(&mut self, name: &str) -> bool {
                Self::remove_tier(self, name)
            }

            fn insert_profile(&mut self, name: &str, spec: &ProfileSpec) -> Vec<FieldError> {
                Self::insert_profile(self, name, spec)
            }

            fn remove_profile(&mut self, name: &str) -> bool {
                Self::remove_profile(self, name)
            }

            fn insert_endpoint(&mut self, $endpoint: Endpoint) {
                Self::insert_endpoint(self, $inserted);
            }

            fn remove_endpoint(&mut self, id: &str) -> bool {
                let $removed = Self::remove_endpoint(self, id);
                $was_there
            }

            fn insert_host_endpoint(
                &mut self,
                name: &str,
                labels: &Labels,
                spec: &HostEndpointSpec,
            ) -> Vec<FieldError> {
                Self::insert_host_endpoint(self, name, labels, spec)
            }

            fn remove_host_endpoint(&mut self, name: &str) -> bool {
                Self::remove_host_endpoint(self, name)
            }

            fn insert_network_set(
                &mut self,
                namespace: Option<&str>,
                name: &str,
                labels: &Labels,
                spec: &GlobalNetworkSetSpec,
            ) -> Vec<FieldError> {
                match namespace {
                    Some(namespace) => {
                        Self::insert_namespaced_network_set(self, namespace, name, labels, spec)
                    }
                    None => Self::insert_network_set(self, name, labels, spec),
                }
            }

            fn remove_network_set(&mut self, namespace: Option<&str>, name: &str) -> bool {
                match namespace {
                    Some(namespace) => Self::remove_namespaced_network_set(self, namespace, name),
                    None => Self::remove_network_set(self, name),
                }
            }

            fn insert_node(&mut self, name: &str, labels: &Labels, addresses: &[IpAddr]) {
                Self::insert_node(self, name, labels, addresses);
            }

            fn remove_node(&mut self, name: &str) -> bool {
                Self::remove_node(self, name)
            }

            fn insert_endpoint_slice(&mut self, slice: EndpointSlice) {
                Self::insert_endpoint_slice(self, slice);
            }

            fn remove_endpoint_slice(&mut self, namespace: &str, name: &str) -> bool {
                Self::remove_endpoint_slice(self, namespace, name)
            }
        }
    };
}

sink!(Inputs, endpoint => endpoint, removed => removed.is_some());
sink!(Resolver, endpoint => &endpoint, removed => removed);
