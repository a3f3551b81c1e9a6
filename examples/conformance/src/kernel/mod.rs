//! A kernel that is given rules, and packets past them.
//!
//! One network namespace is the host: it has an interface for each workload and one for the world, and forwards between
//! them. The other ends are in a second namespace, which knows no addresses: there, packets are written and read as
//! frames. What the host itself sends and receives goes through raw sockets.
//!
//! All packets of a round are sent from one processor, and after them a question about an address that no policy is about:
//! one of ARP. Since what one processor sends it also forwards in order, all that will ever arrive has arrived when the
//! answer has.

mod conntrack;
mod frame;
mod link;
mod own;

use core::net::IpAddr;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{
    CpuSet, LinkNameSpaceType, move_into_link_name_space, sched_getaffinity, sched_setaffinity,
};
use tortie_policy::{Flow, Program, Transport, nftables};

use frame::{Identity, Mac};
use link::Link;
use own::Own;

/// Set in the environment of the process that runs inside of the namespaces.
const INSIDE: &str = "TORTIE_CONFORMANCE_NETNS";
/// Name of the namespace at the other ends.
const WORLD: &str = "world";
/// How many packets are on their way at once: what one processor holds is bounded.
const ROUND: usize = 400;
/// How long what must arrive is waited for, in seconds.
const PATIENCE: i64 = 10;

/// Where this process is.
pub(crate) enum Place {
    /// In namespaces of its own.
    Inside,
    /// Outside; this is how the run inside ended.
    Done(std::process::ExitStatus),
}

/// Runs this process again in network and mount namespaces of its own, unless it is there already.
pub(crate) fn enter() -> Result<Place> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(Place::Inside);
    }
    let root = fs::read_to_string("/proc/self/status")?.contains("\nUid:\t0\t0");
    let flags = if root { &["-n", "-m"][..] } else { &["-U", "-r", "-n", "-m"] };
    let status = Command::new("unshare")
        .args(flags)
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .context("cannot run unshare")?;
    Ok(Place::Done(status))
}

/// The kernel of the namespace that this process is in.
pub(crate) struct Kernel {
    /// The namespace at the other ends.
    world: File,
    /// Other ends of workloads' interfaces, by number.
    workloads: Vec<Link>,
    /// The other end of the interface to the world.
    outside: Link,
    /// The host's own packets, if it has addresses.
    own: Own,
    /// Addresses behind workloads' interfaces.
    addresses: BTreeMap<IpAddr, usize>,
    /// How many rounds were closed.
    rounds: u32,
    /// The text that is loaded.
    loaded: String,
}

/// Name of the host's interface to the world.
pub(crate) const UPLINK: &str = "out0";

/// The interfaces with one number: `cali3`, its other end, and the address of either.
fn names(kind: &str, number: usize) -> (String, String, Mac, Mac) {
    let octets = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    let side = u8::from(kind != "cali");
    let mac = |end| [2, end, side, 0, octets[0], octets[1]];
    (format!("{kind}{number}"), format!("peer-{kind}{number}"), mac(0), mac(1))
}

fn text(mac: Mac) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

impl Kernel {
    /// Makes the host, with these addresses of its own, and the world.
    pub(crate) fn new(host: &[IpAddr]) -> Result<Self> {
        // What one processor sends it forwards.
        let processor =
            (0..CpuSet::MAX_CPU).find(|cpu| sched_getaffinity(None).is_ok_and(|set| set.is_set(*cpu)));
        let mut only = CpuSet::new();
        only.set(processor.context("no processor to run on")?);
        sched_setaffinity(None, &only).context("cannot stay on one processor")?;

        run("mount", &["-t", "tmpfs", "none", "/run"], "")?;
        run("ip", &["netns", "add", WORLD], "")?;
        // Without a local address there is no table of them, and then no gateway is one.
        run("ip", &["link", "set", "lo", "up"], "")?;
        for (name, value) in [
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
            ("net/ipv4/conf/all/send_redirects", "0"),
            ("net/ipv4/conf/default/send_redirects", "0"),
            ("net/ipv6/conf/all/forwarding", "1"),
            ("net/ipv6/conf/default/accept_dad", "0"),
        ] {
            fs::write(format!("/proc/sys/{name}"), value).with_context(|| format!("cannot set {name}"))?;
        }
        let world = File::open(format!("/run/netns/{WORLD}"))?;
        let Some(outside) = links(&world, "out", 0..1)?.pop() else { bail!("no interface") };
        let (name, _, _, peer) = names("out", 0);
        let mac = text(peer);
        let gateways = [("", "169.254.1.1"), ("-6 ", "fe80::1")];
        let asked = frame::ASKED.map(|octet| octet.to_string()).join(".");
        let (mut plain, mut wide) = (format!("addr add {asked}/32 dev lo\n"), String::new());
        for address in host {
            let out = if address.is_ipv4() { &mut plain } else { &mut wide };
            let whole = if address.is_ipv4() { "32" } else { "128 nodad" };
            out.push_str(&format!("addr add {address}/{whole} dev lo\n"));
        }
        for (family, gateway) in gateways {
            let out = if family.is_empty() { &mut plain } else { &mut wide };
            out.push_str(&format!("neigh replace {gateway} lladdr {mac} dev {name} nud permanent\n"));
            out.push_str(&format!("route replace default via {gateway} dev {name} onlink\n"));
        }
        run("ip", &["-batch", "-"], &plain)?;
        run("ip", &["-6", "-batch", "-"], &wide)?;
        Ok(Self {
            world,
            workloads: Vec::new(),
            outside,
            own: Own::open(host)?,
            addresses: BTreeMap::new(),
            rounds: 0,
            loaded: String::new(),
        })
    }

    /// Loads the program as text.
    pub(crate) fn load(&mut self, program: &Program) -> Result<()> {
        let text = nftables::render(program, &nftables::Options::default());
        if text != self.loaded {
            run("nft", &["-f", "-"], &text)?;
            self.loaded = text;
        }
        Ok(())
    }

    /// Sends the first packet of each flow, and says which arrived; `None` for those that cannot be sent. `homes` says
    /// behind which interface each address is: one of a workload, called `cali` and a number from 0 upwards, else the host
    /// itself, or else the world.
    pub(crate) fn send(
        &mut self,
        homes: &BTreeMap<IpAddr, String>,
        flows: &[Flow],
    ) -> Result<Vec<Option<bool>>> {
        self.place(homes)?;
        let mut arrived: Vec<_> = flows.iter().map(|flow| is_sendable(flow).then_some(false)).collect();
        let mut left: Vec<usize> =
            (0..flows.len()).filter(|at| arrived.get(*at) == Some(&Some(false))).collect();
        while !left.is_empty() {
            let (round, later) = round(flows, left);
            conntrack::flush()?;
            let found = self.round(round.iter().filter_map(|at| flows.get(*at)))?;
            for at in round {
                let identity = flows.get(at).map(Identity::of);
                if let (Some(arrived), Some(identity)) = (arrived.get_mut(at), identity) {
                    *arrived = Some(found.contains(&identity));
                }
            }
            left = later;
        }
        Ok(arrived)
    }

    /// Makes the interfaces that there are not yet, and routes to them.
    fn place(&mut self, homes: &BTreeMap<IpAddr, String>) -> Result<()> {
        let mut wanted = BTreeMap::new();
        for (address, interface) in homes.iter().filter(|(address, _)| is_unicast(**address)) {
            let number = interface.strip_prefix("cali").and_then(|number| number.parse().ok());
            let number: usize = number.with_context(|| format!("{interface}: not an interface here"))?;
            wanted.entry(address.to_canonical()).or_insert(number);
        }
        let have = self.workloads.len();
        let need = wanted.values().max().map_or(0, |number| number + 1);
        if need > have {
            self.workloads.extend(links(&self.world, "cali", have..need)?);
        }
        let (mut plain, mut wide) = (String::new(), String::new());
        for (verb, from, without) in
            [("del", &self.addresses, &wanted), ("replace", &wanted, &self.addresses)]
        {
            for (address, number) in
                from.iter().filter(|(address, number)| without.get(address) != Some(number))
            {
                let (name, _, _, peer) = names("cali", *number);
                let out = if address.is_ipv4() { &mut plain } else { &mut wide };
                let mac = text(peer);
                out.push_str(&format!("route {verb} {address} dev {name}\n"));
                let permanent =
                    if verb == "del" { String::new() } else { format!(" lladdr {mac} nud permanent") };
                out.push_str(&format!("neigh {verb} {address} dev {name}{permanent}\n"));
            }
        }
        for (arguments, batch) in [(&["-batch", "-"][..], plain), (&["-6", "-batch", "-"], wide)] {
            if !batch.is_empty() {
                run("ip", arguments, &batch)?;
            }
        }
        self.addresses = wanted;
        Ok(())
    }

    /// Sends all of these and a question that must be answered, and says what arrived before the answer.
    fn round<'a>(&mut self, flows: impl Iterator<Item = &'a Flow>) -> Result<HashSet<Identity>> {
        for flow in flows {
            if self.own.has(flow.source) {
                self.own.send(flow)?;
                continue;
            }
            let (link, to, from) = match self.addresses.get(&flow.source) {
                Some(number) => {
                    let (_, _, host, peer) = names("cali", *number);
                    (self.workloads.get(*number).context("no such interface")?, host, peer)
                }
                None => {
                    let (_, _, host, peer) = names("out", 0);
                    (&self.outside, host, peer)
                }
            };
            link.send(&frame::first(flow, to, from))?;
        }
        self.rounds = self.rounds.wrapping_add(1);
        self.outside.send(&frame::question(self.rounds))?;

        let mut found = HashSet::new();
        loop {
            while let Some(frame) = self.outside.receive()? {
                if frame::is_answer(&frame, self.rounds) {
                    self.collect(&mut found)?;
                    return Ok(found);
                }
                let Some(identity) = Identity::read(&frame) else { continue };
                // What goes to a workload's address has no business here, nor what goes to the host.
                if !self.addresses.contains_key(&identity.destination) && !self.own.has(identity.destination)
                {
                    found.insert(identity);
                }
            }
            let mut sockets = [PollFd::new(self.outside.socket(), PollFlags::IN)];
            let patience = Timespec { tv_sec: PATIENCE, tv_nsec: 0 };
            ensure!(
                poll(&mut sockets, Some(&patience))? > 0,
                "a question that nothing is against was not answered"
            );
        }
    }

    /// What has arrived at the workloads and the host.
    fn collect(&self, found: &mut HashSet<Identity>) -> Result<()> {
        self.own.collect(found)?;
        for (number, link) in self.workloads.iter().enumerate() {
            while let Some(frame) = link.receive()? {
                let identity = Identity::read(&frame);
                found.extend(
                    identity.filter(|identity| self.addresses.get(&identity.destination) == Some(&number)),
                );
            }
        }
        Ok(())
    }
}

/// Those of the flows that can be under way together, and the others: none must look like an answer to another.
fn round(flows: &[Flow], left: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut now: HashMap<Identity, ()> = HashMap::new();
    let (mut round, mut later) = (Vec::new(), Vec::new());
    for at in left {
        let Some(identity) = flows.get(at).map(Identity::of) else { continue };
        if round.len() < ROUND && !now.contains_key(&identity.answer()) {
            now.insert(identity, ());
            round.push(at);
        } else {
            later.push(at);
        }
    }
    (round, later)
}

fn is_unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    !(address.is_multicast() || address.is_unspecified() || address.is_loopback() || broadcast)
}

/// Whether a host forwards such a packet, and takes it for the first of a connection.
fn is_sendable(flow: &Flow) -> bool {
    let begins = match flow.transport {
        Transport::Icmp { kind, .. } if flow.source.is_ipv4() => kind == 8,
        Transport::Icmp { kind, .. } => kind == 128,
        _ => true,
    };
    let same_family = flow.source.is_ipv4() == flow.destination.is_ipv4();
    begins && same_family && !flow.from_host && is_unicast(flow.source) && is_unicast(flow.destination)
}

/// Makes pairs of interfaces of these numbers, and opens their other ends.
fn links(world: &File, kind: &str, numbers: core::ops::Range<usize>) -> Result<Vec<Link>> {
    let (mut here, mut there) = (String::new(), String::new());
    for number in numbers.clone() {
        let (name, peer, mac, peer_mac) = names(kind, number);
        let (mac, peer_mac) = (text(mac), text(peer_mac));
        here.push_str(&format!(
            "link add {name} address {mac} type veth peer name {peer} address {peer_mac} netns {WORLD}\n\
             link set {name} addrgenmode none\nlink set {name} up\n"
        ));
        there.push_str(&format!("link set {peer} addrgenmode none\nlink set {peer} up\n"));
    }
    run("ip", &["-batch", "-"], &here)?;
    run("ip", &["-n", WORLD, "-batch", "-"], &there)?;
    // A namespace is a thread's, and a socket stays in the one that it was opened in.
    thread::scope(|scope| {
        let open = || {
            move_into_link_name_space(world.as_fd(), Some(LinkNameSpaceType::Network))?;
            numbers.map(|number| Link::open(&names(kind, number).1)).collect()
        };
        scope.spawn(open).join().map_err(|_| anyhow::anyhow!("a thread has panicked"))?
    })
}

/// Runs a command with this input.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let fed = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), error.trim());
    fed.with_context(|| format!("{program} does not read"))
}
