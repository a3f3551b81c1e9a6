//! `ipam plan`: which block size fits a cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use serde_json::json;
use tortie_datastore::{Datastore, convert};
use tortie_ipam::{Config, Figures, Plan, Planner, Pool, SizePlan, skewed, uniform};

use super::chart;
use crate::Output;
use crate::table;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A pool to plan with; more than one may be given. Default: the enabled IPv4 pools of the datastore.
    #[arg(long = "pool", value_name = "CIDR")]
    pools: Vec<IpNet>,
    /// How many nodes there are.
    #[arg(long, value_name = "N", required_unless_present = "pods", conflicts_with = "pods")]
    nodes: Option<usize>,
    /// How many pods each of them has, or has on average.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pods_per_node: u32,
    /// How the pods are spread.
    #[arg(long, value_enum, default_value_t)]
    spread: Spread,
    /// The pods of each node instead, such as `110,30,30,7`; `30x250` is 250 nodes of 30.
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with_all = ["pods_per_node", "spread"])]
    pods: Vec<String>,
    /// By how many percent every node's pods grow.
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    growth: u32,
    /// The block sizes to compare, as prefix lengths. Default: from 4 to 1,024 addresses.
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',')]
    block_sizes: Vec<u8>,
    /// How many blocks a node may own. Default: what is configured, else 20.
    #[arg(long, value_name = "N")]
    max_blocks_per_host: Option<u32>,
    /// Whether nodes borrow from no others. Default: what is configured, else false.
    #[arg(long, value_name = "BOOL")]
    strict_affinity: Option<bool>,
    /// Also draw routes and stranded addresses over the block size, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// How pods are spread over nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Spread {
    /// The same number on each.
    #[default]
    Uniform,
    /// Half of them on a tenth of the nodes.
    Skewed,
}

/// The most pods of a plan: beyond, it would take minutes.
const MOST_PODS: u64 = 1_000_000;

impl Arguments {
    /// Whether the pools are those of the datastore.
    pub(crate) const fn reads_pools(&self) -> bool {
        self.pools.is_empty()
    }

    fn pods(&self) -> Result<Vec<u32>> {
        let mut pods = Vec::new();
        for item in &self.pods {
            let (number, nodes) = item.split_once('x').unwrap_or((item, "1"));
            let wrong = || format!("`{item}` is neither a number of pods nor PODSxNODES");
            let number: u32 = number.trim().parse().with_context(wrong)?;
            let nodes: u32 = nodes.trim().parse().with_context(wrong)?;
            ensure!(u64::from(nodes) <= MOST_PODS, "{nodes} nodes are too many to plan for");
            pods.extend(uniform(usize::try_from(nodes)?, number));
        }
        if let Some(nodes) = self.nodes {
            ensure!(u64::try_from(nodes)? <= MOST_PODS, "{nodes} nodes are too many to plan for");
            let spread = match self.spread {
                Spread::Uniform => uniform,
                Spread::Skewed => skewed,
            };
            pods = spread(nodes, self.pods_per_node);
        }
        let total: u64 = pods.iter().copied().map(u64::from).sum();
        let grown = total.saturating_mul(100 + u64::from(self.growth)) / 100;
        ensure!(grown <= MOST_PODS, "{grown} pods are too many to plan for: {MOST_PODS} at most");
        Ok(pods)
    }
}

pub(crate) async fn run(store: Option<&Datastore>, arguments: &Arguments) -> Result<ExitCode> {
    let pods = arguments.pods()?;
    let mut config = Config::default();
    let mut pools: Vec<Pool> = Vec::new();
    for (number, cidr) in (1..).zip(&arguments.pools) {
        ensure!(cidr.trunc() == *cidr, "{cidr} has host bits set: write {}", cidr.trunc());
        pools.push(Pool::new(format!("pool-{number}"), *cidr));
    }
    if let (true, Some(store)) = (arguments.reads_pools(), store) {
        let view = convert::pool_view(store).await?;
        config = view.config;
        let usable = |pool: &Pool| !pool.disabled && matches!(pool.cidr, IpNet::V4(_));
        pools = view.pools.into_iter().filter(usable).collect();
        ensure!(!pools.is_empty(), "the datastore has no enabled IPv4 pool: give --pool");
    }
    config.max_blocks_per_host = arguments.max_blocks_per_host.unwrap_or(config.max_blocks_per_host);
    config.strict_affinity = arguments.strict_affinity.unwrap_or(config.strict_affinity);
    let planner = Planner::new(pools, pods).growth(arguments.growth).config(config);
    let plan = planner.block_lens(arguments.block_sizes.clone()).run()?;
    if let Some(path) = &arguments.svg {
        let drawn = chart::svg(&plan)?;
        std::fs::write(path, drawn).with_context(|| path.display().to_string())?;
    }
    match arguments.output {
        Output::Table => {
            say!("{}", table::framed(&rows(&plan)));
            say!("{}\n", advice(&plan));
        }
        output => output.print(&json!(plan))?,
    }
    Ok(if plan.recommended.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many addresses a block has.
pub(super) fn addresses(plan: &SizePlan) -> u64 {
    let pods = plan.now.pods.saturating_sub(plan.now.unassigned);
    (pods + plan.now.stranded).checked_div(plan.now.blocks).unwrap_or(0)
}

fn rows(plan: &Plan) -> Vec<Vec<String>> {
    let heads = [
        "BLOCKS OF",
        "IN POOLS",
        "CLAIMED",
        "ROUTES",
        "STRANDED",
        "BORROWED",
        "BORROWING FROM POD",
        "NO ADDRESS",
        "ONE A NODE",
        "",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for size in &plan.sizes {
        let both = |figure: fn(&Figures) -> u64| match (figure(&size.now), figure(&size.grown)) {
            (now, grown) if now == grown => now.to_string(),
            (now, grown) => format!("{now} -> {grown}"),
        };
        let recommended = if plan.recommended == Some(size.block_len) { "recommended" } else { "" };
        rows.push(vec![
            format!("/{} ({})", size.block_len, addresses(size)),
            size.blocks_in_pools.to_string(),
            both(|figures| figures.blocks),
            both(|figures| figures.routes),
            both(|figures| figures.stranded),
            both(|figures| figures.borrowed),
            size.borrows_from.map_or_else(|| "-".to_owned(), |pod| pod.to_string()),
            both(|figures| figures.unassigned),
            if size.block_for_each_node { "yes" } else { "no" }.to_owned(),
            recommended.to_owned(),
        ]);
    }
    rows
}

/// What to do, in a sentence.
fn advice(plan: &Plan) -> String {
    let pods = plan.sizes.first().map_or((0, 0), |size| (size.now.pods, size.grown.pods));
    let pods = if pods.0 == pods.1 { pods.0.to_string() } else { format!("{} to {}", pods.0, pods.1) };
    let best = plan.sizes.iter().find(|size| plan.recommended == Some(size.block_len));
    let Some(best) = best else {
        return format!(
            "No block size gives {pods} pods on {} nodes an address each: enlarge the pools",
            plan.nodes
        );
    };
    let SizePlan { grown, block_len, .. } = best;
    let mut advice = format!(
        "Take /{block_len}: {pods} pods on {} nodes have {} routes then, and {} addresses are stranded",
        plan.nodes, grown.routes, grown.stranded
    );
    if grown.borrowed > 0 {
        advice.push_str("; larger pools would spare the borrowing");
    }
    if !best.block_for_each_node {
        advice.push_str("; nodes without a block have nothing but what others lend");
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(pods: &[u32], growth: u32) -> Plan {
        let pool = Pool::new("p", "10.0.0.0/28".parse().unwrap());
        Planner::new([pool], pods).growth(growth).block_lens([29, 30]).run().unwrap()
    }

    #[test]
    fn a_table_and_a_sentence() {
        let plan = plan(&[5, 1, 1], 100);
        let text = table::plain(&rows(&plan));
        assert!(text.contains("/30 (4)    4         4        4 -> 6  9 -> 2"), "{text}");
        assert!(text.lines().nth(2).unwrap().contains("13"), "{text}");
        assert_eq!(
            advice(&plan),
            "Take /30: 7 to 14 pods on 3 nodes have 6 routes then, and 2 addresses are stranded; larger pools would spare \
             the borrowing"
        );
        assert!(advice(&self::plan(&[17], 0)).starts_with("No block size gives 17 pods on 1 nodes"));
    }
}
