//! `ipam check`: whether records, pools and workloads agree.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};
use tortie_datastore::Datastore;
use tortie_ipam::{Audit, Tenant};

use crate::Output;
use crate::table;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    services: super::used::Listed,
    /// How to print it. `ipam release --from-report` reads the JSON.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// What a check found, for machines.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Which program wrote it.
    pub(super) version: String,
    /// How many addresses are in use, as the blocks say.
    allocations: usize,
    /// How many things are wrong.
    problems: usize,
    /// Addresses that nothing uses.
    pub(super) leaked: Vec<Leaked>,
    used_but_unassigned: Vec<String>,
    used_outside_pools: Vec<String>,
    used_twice: Vec<String>,
    blocks_outside_pools: Vec<String>,
    wrong_handles: Vec<WrongHandle>,
    wrong_records: Vec<WrongRecord>,
}

/// An address that nothing uses, as it was assigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Leaked {
    pub(super) ip: core::net::IpAddr,
    pub(super) block: String,
    pub(super) handle: Option<String>,
    pub(super) sequence_number: Option<u64>,
    node: Option<String>,
    namespace: Option<String>,
    pod: Option<String>,
    borrowed: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrongHandle {
    handle: String,
    block: String,
    names: i64,
    has: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrongRecord {
    key: String,
    problem: String,
}

impl From<&Tenant> for Leaked {
    fn from(tenant: &Tenant) -> Self {
        let of = |key: &str| tenant.attributes.get(key).cloned();
        Self {
            ip: tenant.address,
            block: tenant.block.to_string(),
            handle: tenant.handle.clone(),
            sequence_number: tenant.sequence,
            node: of("node"),
            namespace: of("namespace"),
            pod: of("pod"),
            borrowed: tenant.is_borrowed(),
        }
    }
}

impl Report {
    pub(super) fn new(audit: &Audit) -> Self {
        fn texts<T: ToString>(all: &[T]) -> Vec<String> {
            all.iter().map(ToString::to_string).collect()
        }
        let handles = audit.lies.iter().map(|lie| WrongHandle {
            handle: lie.handle.clone(),
            block: lie.block.to_string(),
            names: lie.names,
            has: lie.has,
        });
        let records = audit
            .problems
            .iter()
            .map(|problem| WrongRecord { key: problem.key.clone(), problem: problem.what.clone() });
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            allocations: audit.tenants.len(),
            problems: audit.count(),
            leaked: audit.leaked.iter().map(Leaked::from).collect(),
            used_but_unassigned: texts(&audit.unassigned),
            used_outside_pools: texts(&audit.outside),
            used_twice: texts(&audit.double),
            blocks_outside_pools: texts(&audit.orphans),
            wrong_handles: handles.collect(),
            wrong_records: records.collect(),
        }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![["PROBLEM", "WHERE", "WHAT"].map(str::to_owned).to_vec()];
        let mut push = |problem: &str, place: &str, what: String| {
            rows.push(vec![problem.to_owned(), place.to_owned(), what]);
        };
        for leak in &self.leaked {
            let owner = [&leak.node, &leak.namespace, &leak.pod].map(|part| part.as_deref().unwrap_or("-"));
            let handle = leak.handle.as_deref().unwrap_or("<none>");
            push("leaked", &leak.ip.to_string(), format!("handle {handle} of {}", owner.join("/")));
        }
        for (problem, places) in [
            ("used, not assigned", &self.used_but_unassigned),
            ("used, in no pool", &self.used_outside_pools),
            ("used twice", &self.used_twice),
            ("block in no pool", &self.blocks_outside_pools),
        ] {
            places.iter().for_each(|place| push(problem, place, String::new()));
        }
        for lie in &self.wrong_handles {
            let what = format!("names {} of {}, has {}", lie.names, lie.block, lie.has);
            push("wrong handle", &lie.handle, what);
        }
        for record in &self.wrong_records {
            push("wrong record", &record.key, record.problem.clone());
        }
        rows
    }
}

pub(super) async fn run(store: &Datastore, arguments: &Arguments) -> Result<ExitCode> {
    let services = arguments.services.read()?;
    let audit = super::audit(store, services.as_ref()).await?;
    let report = Report::new(&audit);
    match arguments.output {
        Output::Table if audit.is_clean() => {
            say!("{} addresses in use, and no problems\n", report.allocations);
        }
        Output::Table => {
            say!("{}", table::plain(&report.rows()));
            say!("{} addresses in use, and {} problems\n", report.allocations, report.problems);
        }
        output => output.print(&serde_json::to_value(&report)?)?,
    }
    let unchecked = audit.tenants.iter().filter(|tenant| super::used::is_of_service(tenant)).count();
    if services.is_none() && unchecked > 0 {
        eprintln!("{unchecked} addresses of services were taken to be in use: check them with --services");
    }
    Ok(if audit.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
