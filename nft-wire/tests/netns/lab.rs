//! Three hosts in a row, each in a network namespace of its own: a client, a router and a server.
//!
//! The client has 10.1.0.2 and fd01::2 on `eth0`, the router 10.1.0.1 and fd01::1 on `near`, 10.2.0.1 and fd02::1 on `far`, the
//! server 10.2.0.2 and fd02::2 on `eth0`.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};
use std::thread;

use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use tortie_nft_wire::{Batch, Entry, Expr, Family, Listing, Rule, Socket};

/// How long something that must arrive is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where a packet goes that ends what was sent.
const END: u16 = 9_999;

/// A network namespace.
pub(crate) struct Host(File);

impl Host {
    fn new() -> Self {
        let made = thread::spawn(|| {
            // SAFETY: the tables of files stay shared.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
            // Addresses of IPv6 are used at once, not after a second.
            fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").unwrap();
            Self(File::open("/proc/thread-self/ns/net").unwrap())
        });
        made.join().unwrap()
    }

    /// Runs this in a thread that is in the namespace. Sockets stay there.
    pub(crate) fn within<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let ran = scope.spawn(|| {
                move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                job()
            });
            ran.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Commands of `ip`, a line each.
    fn ip(&self, commands: &str) {
        self.within(|| {
            let mut child = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success(), "{commands}");
        });
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// A socket that waits for what must come.
    pub(crate) fn udp(&self, at: &str) -> UdpSocket {
        let socket = self.within(|| UdpSocket::bind(at).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    pub(crate) fn listen(&self, at: &str) -> TcpListener {
        self.within(|| TcpListener::bind(at).unwrap())
    }

    /// Connects; an error comes in an answer, or after the time that packets may take.
    pub(crate) fn connect(&self, to: &str) -> std::io::Result<TcpStream> {
        let to: SocketAddr = to.parse().unwrap();
        self.within(|| TcpStream::connect_timeout(&to, PATIENCE))
    }

    /// Connects from one of several addresses; gives up after this time, as where packets are dropped.
    pub(crate) fn connect_from(
        &self,
        from: IpAddr,
        to: &str,
        patience: Duration,
    ) -> std::io::Result<TcpStream> {
        let to: SocketAddr = to.parse().unwrap();
        self.within(|| {
            let family = if from.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
            rustix::net::bind(&socket, &SocketAddr::new(from, 0))?;
            sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(patience))?;
            rustix::net::connect(&socket, &to)?;
            Ok(TcpStream::from(socket))
        })
    }

    pub(crate) fn socket(&self) -> Socket {
        self.within(|| Socket::open().unwrap())
    }

    pub(crate) fn commit(&self, batch: &mut Batch) {
        self.socket().commit(batch).unwrap();
    }

    /// The rules, as they are read back.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let entries = self.socket().list(Family::new(0), Listing::Rules).unwrap();
        let rules = entries.into_iter().map(|(_, entry)| match entry {
            Entry::Rule(rule) => rule,
            other => panic!("{other:?}"),
        });
        rules.collect()
    }

    /// How many packets the rule with this comment counted.
    pub(crate) fn counted(&self, comment: &str) -> u64 {
        let rules = self.rules();
        let userdata = Rule::new(crate::name("t"), crate::name("c")).comment(comment).userdata;
        let has = |rule: &&Rule| rule.userdata == userdata;
        let rule = rules.iter().find(has).unwrap_or_else(|| panic!("no rule {comment}"));
        let counter = rule.exprs.iter().find_map(|expr| match expr {
            Expr::Counter(counter) => counter.packets,
            _ => None,
        });
        counter.unwrap()
    }
}

pub(crate) struct Lab {
    pub(crate) client: Host,
    pub(crate) router: Host,
    pub(crate) server: Host,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self { client: Host::new(), router: Host::new(), server: Host::new() };
        lab.router.ip(&format!(
            "link set lo up\n\
             link add near type veth peer name eth0 netns {}\n\
             link add far type veth peer name eth0 netns {}\n\
             addr add 10.1.0.1/24 dev near\naddr add fd01::1/64 dev near nodad\nlink set near up\n\
             addr add 10.2.0.1/24 dev far\naddr add fd02::1/64 dev far nodad\nlink set far up\n",
            lab.client.path(),
            lab.server.path(),
        ));
        for (host, net) in [(&lab.client, 1), (&lab.server, 2)] {
            host.ip(&format!(
                "link set lo up\naddr add 10.{net}.0.2/24 dev eth0\naddr add fd0{net}::2/64 dev eth0 nodad\n\
                 link set eth0 up\nroute add default via 10.{net}.0.1\nroute add default via fd0{net}::1\n"
            ));
        }
        lab.router.within(|| {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
            fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
            // Each rejected packet is answered at once.
            fs::write("/proc/sys/net/ipv4/icmp_ratelimit", "0").unwrap();
            fs::write("/proc/sys/net/ipv6/icmp/ratelimit", "0").unwrap();
        });
        lab
    }

    /// Sends a packet to each of these ports of the server, one after the other: which it got, in their order.
    pub(crate) fn get_through(&self, ports: &[u16]) -> Vec<u16> {
        self.get_through_from("10.1.0.2:0", ports)
    }

    pub(crate) fn get_through_from(&self, from: &str, ports: &[u16]) -> Vec<u16> {
        let client = self.client.udp(from);
        let mut distinct = ports.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let listening: Vec<(u16, UdpSocket)> =
            distinct.into_iter().map(|port| (port, self.server.udp(&format!("0.0.0.0:{port}")))).collect();
        let end = self.server.udp(&format!("0.0.0.0:{END}"));
        for (number, port) in (0_u8..).zip(ports) {
            client.send_to(&[number], ("10.2.0.2", *port)).unwrap();
        }
        // What was sent before it has come when it comes, or never will. It has an address that nothing is said about.
        self.client.udp("10.1.0.2:0").send_to(b"end", ("10.2.0.2", END)).unwrap();
        end.recv_from(&mut [0; 8]).unwrap();
        let mut got = Vec::new();
        for (port, socket) in &listening {
            socket.set_nonblocking(true).unwrap();
            let mut number = [0];
            loop {
                match socket.recv_from(&mut number) {
                    Ok(_) => got.push((number[0], *port)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        got.sort_unstable();
        got.into_iter().map(|(_, port)| port).collect()
    }
}
