//! A host with workloads in network namespaces of their own, and sockets in each.

mod enter;

use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Instant;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketType, ipproto};
use rustix::thread::{CpuSet, LinkNameSpaceType, move_into_link_name_space, sched_getcpu, sched_setaffinity};

use tortie_policy::testing::World;
use tortie_policy::{Flow, Transport};

pub(crate) use enter::{Place, enter};

/// How long something that must arrive is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// In how many queues a packet stands at most, one behind the other: one for each pair of interfaces that it goes through.
const QUEUES: usize = 4;
/// How long a connection that must fail is tried. The kernel tries again after a second.
const REFUSAL: Duration = Duration::from_millis(120);

/// Runs a command with this input.
fn run(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn must(program: &str, arguments: &[&str], input: &str) {
    let output = run(program, arguments, input);
    let error = String::from_utf8_lossy(&output.stderr);
    let lines = input.lines().enumerate().fold(String::new(), |mut text, (index, line)| {
        let _ = writeln!(text, "{:4} {line}", index + 1);
        text
    });
    assert!(output.status.success(), "{program} {arguments:?}: {error}\n{lines}");
}

/// Whether nft takes this text.
pub(crate) fn nft(text: &str) -> Result<(), String> {
    let output = run("nft", &["-f", "-"], text);
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// What nft lists.
pub(crate) fn ruleset() -> String {
    String::from_utf8(run("nft", &["list", "ruleset"], "").stdout).unwrap()
}

/// A process's place in the network: the host, a workload, or the world outside.
pub(crate) struct Station {
    name: Option<String>,
    udp: Vec<UdpSocket>,
    _tcp: Vec<TcpListener>,
}

impl Station {
    /// Runs this in a thread that is in the namespace.
    pub(crate) fn within<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        within(self.name.as_deref(), job)
    }

    fn new(name: Option<String>, ports: &[u16]) -> Self {
        let any = |port: u16| SocketAddr::from(([0u16; 8], port));
        let (udp, tcp) = within(name.as_deref(), || {
            fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0").unwrap();
            fs::write("/proc/sys/net/ipv4/ip_local_port_range", "50000 59999").unwrap();
            let udp: Vec<_> = ports.iter().map(|port| UdpSocket::bind(any(*port)).unwrap()).collect();
            let tcp: Vec<_> = ports.iter().map(|port| TcpListener::bind(any(*port)).unwrap()).collect();
            (udp, tcp)
        });
        for socket in &udp {
            socket.set_nonblocking(true).unwrap();
        }
        Self { name, udp, _tcp: tcp }
    }
}

fn within<T: Send>(name: Option<&str>, job: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        if let Some(name) = name {
            let file = File::open(format!("/run/netns/{name}")).unwrap();
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        }
        job()
    };
    thread::scope(|scope| scope.spawn(inside).join()).unwrap()
}

/// The host, its workloads and the world.
pub(crate) struct Lab {
    pub(crate) host: Station,
    stations: Vec<Station>,
    world: World,
    sent: u32,
    /// The processor that sends.
    processor: CpuSet,
}

/// Addresses of the host itself.
pub(crate) const HOST: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1)), IpAddr::V6(Ipv6Addr::new(0xfdff, 0, 0, 0, 0, 0, 0, 1))];

impl Lab {
    pub(crate) fn new(world: &World) -> Self {
        must("sh", &["-c", "mount -t tmpfs none /run && mkdir /run/netns"], "");
        for path in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            fs::write(format!("/proc/sys/net/{path}"), "1").unwrap();
        }
        let mut inside: Vec<(String, String, Vec<[IpAddr; 2]>)> = Vec::new();
        for (index, addresses) in world.endpoints.iter().enumerate() {
            inside.push((format!("pod{index}"), world.links[index].clone(), vec![*addresses]));
        }
        inside.push(("world".to_string(), "uplink".to_string(), world.outside.clone()));

        let mut host =
            String::from("link set lo up\naddr add 10.255.0.1/32 dev lo\naddr add fdff::1/128 dev lo\n");
        for (index, (name, link, addresses)) in inside.iter().enumerate() {
            let [near, far] = hardware(index);
            let _ = writeln!(host, "netns add {name}");
            let _ = writeln!(
                host,
                "link add {link} address {near} type veth peer name eth0 address {far} netns {name}"
            );
            let _ = writeln!(host, "link set {link} up");
            let _ = writeln!(host, "addr add 169.254.1.1/32 dev {link}");
            let _ = writeln!(host, "addr add fe80::1/64 dev {link} nodad");
            for address in addresses.iter().flatten() {
                let _ = writeln!(host, "route add {address} dev {link}");
                let _ = writeln!(host, "neigh add {address} lladdr {far} dev {link} nud permanent");
            }
        }
        must("ip", &["-batch", "-"], &host);
        for (index, (name, _, addresses)) in inside.iter().enumerate() {
            let [near, _] = hardware(index);
            let mut batch = String::from("link set lo up\nlink set eth0 up\n");
            for [v4, v6] in addresses {
                let _ = writeln!(batch, "addr add {v4}/32 dev eth0\naddr add {v6}/128 dev eth0 nodad");
            }
            batch.push_str("route add 169.254.1.1 dev eth0 scope link\nroute add default via 169.254.1.1\n");
            batch.push_str("route add ::/0 via fe80::1 dev eth0\n");
            for gateway in ["169.254.1.1", "fe80::1"] {
                let _ = writeln!(batch, "neigh add {gateway} lladdr {near} dev eth0 nud permanent");
            }
            must("ip", &["-n", name, "-batch", "-"], &batch);
        }
        let ports = &world.ports;
        let stations = inside.into_iter().map(|(name, ..)| Station::new(Some(name), ports)).collect();
        let mut processor = CpuSet::new();
        processor.set(sched_getcpu());
        let host = Station::new(None, ports);
        let mut lab = Self { host, stations, world: world.clone(), sent: 0, processor };
        lab.wake();
        lab
    }

    /// Returns when every link carries packets both ways. The kernel says that a link is up before it is: until then it drops
    /// what is sent.
    fn wake(&mut self) {
        let start = Instant::now();
        let own: Vec<_> = self.world.endpoints.iter().chain(self.world.outside.first()).copied().collect();
        let port = self.world.ports[0];
        let pairs = own.into_iter().flat_map(|own| [0, 1].map(|family| (own[family], HOST[family])));
        let flows: Vec<_> = pairs
            .flat_map(|(own, host)| [(own, host), (host, own)])
            .map(|(from, to)| (Flow::udp((from, 40000).into(), (to, port).into()), true))
            .collect();
        while self.attempt(&flows, Duration::ZERO).contains(&false) {
            assert!(start.elapsed() < PATIENCE, "a link is not up");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whose address this is.
    pub(crate) fn station(&self, address: IpAddr) -> &Station {
        let pod = self.world.endpoints.iter().position(|pair| pair.contains(&address));
        let outside =
            self.world.outside.iter().any(|pair| pair.contains(&address)).then_some(self.stations.len() - 1);
        pod.or(outside).map_or(&self.host, |index| &self.stations[index])
    }

    /// What arrives next at this address and port of the world's, if anything does in a while.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn received(&self, address: IpAddr, port: u16) -> Option<Vec<u8>> {
        let is_it = |socket: &&UdpSocket| socket.local_addr().is_ok_and(|local| local.port() == port);
        let socket = self.station(address).udp.iter().find(is_it)?;
        let start = Instant::now();
        let mut buffer = vec![0; 64];
        while start.elapsed() < PATIENCE {
            if let Ok(len) = socket.recv(&mut buffer) {
                buffer.truncate(len);
                return Some(buffer);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Returns when whatever was sent has arrived, or never will.
    ///
    /// Between two namespaces packets stand in a queue of the processor that sends them, one for all interfaces: what is sent
    /// from there to oneself has all behind it that was sent before, with each time that it arrives for one queue more. Nothing
    /// else waits, since every neighbour is known.
    fn flush(&self) {
        self.stations.last().unwrap().within(|| {
            sched_setaffinity(None, &self.processor).unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            for _ in 0..QUEUES {
                socket.send_to(&[], socket.local_addr().unwrap()).unwrap();
                socket.recv(&mut []).unwrap();
            }
        });
    }

    /// Sends the first packet of each flow; for each, whether it arrives. What is expected only says how long to wait.
    /// UDP, TCP without a port of its own (the kernel's choice, from 50000), and echo requests.
    pub(crate) fn send(&mut self, flows: &[(Flow, bool)]) -> Vec<bool> {
        self.attempt(flows, PATIENCE)
    }

    /// Sends them, and waits as long as this if something that is expected does not arrive.
    fn attempt(&mut self, flows: &[(Flow, bool)], patience: Duration) -> Vec<bool> {
        let first = self.sent;
        self.sent += u32::try_from(flows.len()).unwrap();
        let number = |index: usize| first + u32::try_from(index).unwrap();
        let mut arrived: BTreeSet<usize> = BTreeSet::new();

        for (index, (flow, _)) in flows.iter().enumerate() {
            if let Transport::Udp { source_port, destination_port } = flow.transport {
                self.station(flow.source).within(|| {
                    sched_setaffinity(None, &self.processor).unwrap();
                    let socket = UdpSocket::bind(SocketAddr::new(flow.source, source_port)).unwrap();
                    let destination = SocketAddr::new(flow.destination, destination_port);
                    // The host refuses what its own rules drop; that is one way not to arrive.
                    let _ = socket.send_to(&number(index).to_be_bytes(), destination);
                });
            }
        }

        let calls: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (flows.iter().enumerate())
                .filter(|(_, (flow, _))| !matches!(flow.transport, Transport::Udp { .. }))
                .map(|(index, (flow, expected))| {
                    let station = self.station(flow.source);
                    let timeout = if *expected { PATIENCE } else { REFUSAL };
                    (index, scope.spawn(move || station.within(|| call(flow, timeout))))
                })
                .collect();
            threads.into_iter().map(|(index, thread)| (index, thread.join().unwrap())).collect()
        });
        arrived.extend(calls.into_iter().filter(|(_, answered)| *answered).map(|(index, _)| index));

        let is_udp = |flow: &Flow| matches!(flow.transport, Transport::Udp { .. });
        let wanted = flows.iter().enumerate().filter(|(_, (flow, expected))| is_udp(flow) && *expected);
        let wanted: BTreeSet<usize> = wanted.map(|(index, _)| index).collect();
        let start = Instant::now();
        loop {
            self.flush();
            for socket in self.stations.iter().chain([&self.host]).flat_map(|station| &station.udp) {
                let mut buffer = [0; 4];
                while let Ok(4) = socket.recv(&mut buffer) {
                    let index = u32::from_be_bytes(buffer).checked_sub(first).map(usize::try_from);
                    match index {
                        Some(Ok(index)) if index < flows.len() => arrived.insert(index),
                        _ => panic!("a packet has arrived that was spoofed, or given up before: {buffer:?}"),
                    };
                }
            }
            if wanted.is_subset(&arrived) || start.elapsed() >= patience {
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        (0..flows.len()).map(|index| arrived.contains(&index)).collect()
    }
}

/// The addresses of the two ends of a link: of the host's, and of the other.
fn hardware(link: usize) -> [String; 2] {
    ["02:00:00:00:01", "02:00:00:00:02"].map(|prefix| format!("{prefix}:{link:02x}"))
}

/// Whether a connection, or an echo request, is answered.
fn call(flow: &Flow, timeout: Duration) -> bool {
    // The kernel would choose one of all addresses that a place has.
    let socket = |kind, protocol| {
        let family = if flow.source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket(family, kind, protocol).unwrap();
        rustix::net::bind(&socket, &SocketAddr::new(flow.source, 0)).unwrap();
        socket
    };
    match flow.transport {
        Transport::Tcp { destination_port, .. } => {
            let socket = socket(SocketType::STREAM, None);
            // How long a connection may take to be made.
            set_socket_timeout(&socket, Timeout::Send, Some(timeout)).unwrap();
            rustix::net::connect(&socket, &SocketAddr::new(flow.destination, destination_port)).is_ok()
        }
        Transport::Icmp { kind, .. } => {
            let protocol = if flow.source.is_ipv4() { ipproto::ICMP } else { ipproto::ICMPV6 };
            let socket = UdpSocket::from(socket(SocketType::DGRAM, Some(protocol)));
            socket.set_read_timeout(Some(timeout)).unwrap();
            let mut request = [0; 16];
            request[0] = kind;
            let _ = socket.send_to(&request, SocketAddr::new(flow.destination, 0));
            socket.recv(&mut [0; 64]).is_ok()
        }
        _ => panic!("cannot send {flow}"),
    }
}
