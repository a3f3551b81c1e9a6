//! Packets that are sent all the time, and connections that are spoken on.
//!
//! A socket stays in the namespace in which it was opened, whatever thread uses it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tortie_routes::netlink::NetNs;

/// Between two packets of a sender.
const PERIOD: Duration = Duration::from_micros(100);
/// Between two questions on a connection.
const PACE: Duration = Duration::from_millis(1);
/// How long a socket is listened to before it is looked whether to end.
const LOOK: Duration = Duration::from_millis(50);
/// How long an answer on a connection may take: longer than the kernel takes to send again, many times over.
const ANSWER: Duration = Duration::from_secs(20);
/// How many times a question says its number: more than fits one segment.
const TIMES: usize = 256;
/// How long a connection that must not be made is tried.
const KNOCK: Duration = Duration::from_millis(5);
/// From how many ports datagrams are sent.
const SOURCES: usize = 16;

/// Something that goes on until it is told to end.
struct Running<T> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Running<T> {
    fn start(work: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Self { stop, thread: thread::spawn(move || work(&stopped)) }
    }

    fn end(self) -> T {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn any(of: IpAddr) -> IpAddr {
    if of.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// Datagrams, each the first of its connection as far as the kernel knows: nobody answers.
pub(crate) struct Traffic(Running<()>);

impl Traffic {
    /// Sends one each 100 us to each of these ports, at one address after the other. What a busy machine is late for is left out.
    pub(crate) fn start(from: &NetNs, to: &[IpAddr], ports: &[u16]) -> Self {
        let (to, ports) = (to.to_vec(), ports.to_vec());
        let open = |address: &IpAddr| {
            let bind = |_| UdpSocket::bind((any(*address), 0)).unwrap();
            from.run(|| (0..SOURCES).map(bind).collect::<Vec<_>>()).unwrap()
        };
        let sockets: Vec<_> = to.iter().map(open).collect();
        Self(Running::start(move |stop| {
            let (begun, mut tick) = (Instant::now(), 0_usize);
            while !stop.load(Ordering::Relaxed) {
                let of = tick % to.len();
                let socket = &sockets[of][tick / to.len() % SOURCES];
                for port in &ports {
                    // The host refuses to send what its own rules drop.
                    let _ = socket.send_to(b"datagram", SocketAddr::new(to[of], *port));
                }
                let due = usize::try_from(begun.elapsed().as_micros() / PERIOD.as_micros()).unwrap();
                tick = (tick + 1).max(due);
                let next = PERIOD * u32::try_from(tick).unwrap();
                thread::sleep(next.saturating_sub(begun.elapsed()));
            }
        }))
    }

    pub(crate) fn end(self) {
        self.0.end();
    }
}

/// What was said on a connection.
#[derive(Debug)]
pub(crate) struct Spoken {
    /// Questions that were answered.
    pub(crate) answers: u64,
    /// The longest that one waited for its answer.
    pub(crate) slowest: Duration,
    /// It is not closed yet: what closes it is no part of what was said.
    open: TcpStream,
}

impl Spoken {
    /// How many segments were sent again, by who asked and who answered, as their kernels say (`TCP_INFO`).
    pub(crate) fn retransmitted(&self, ends: [&NetNs; 2]) -> u64 {
        let filter = format!("( sport = :{0} or dport = :{0} )", self.open.local_addr().unwrap().port());
        let of = |end: &NetNs| -> u64 {
            let shown = end.run(|| Command::new("ss").args(["-tinH", &filter]).output().unwrap()).unwrap();
            let shown = String::from_utf8(shown.stdout).unwrap();
            assert_eq!(shown.matches(" rto:").count(), 1, "one connection: {shown}");
            // Those that are under way, and all; left out where there are none.
            let all = shown.split_once(" retrans:").and_then(|(_, counts)| counts.split(['/', ' ']).nth(1));
            all.map_or(0, |all| all.trim().parse().unwrap())
        };
        ends.map(of).iter().sum()
    }
}

/// A connection of TCP on which one asks and the other answers, each octet looked at.
pub(crate) struct Stream {
    answers: Arc<AtomicU64>,
    client: Running<io::Result<Spoken>>,
}

impl Stream {
    /// Connects; the other end listens on the port first.
    pub(crate) fn start(from: &NetNs, to: (&NetNs, IpAddr), port: u16) -> io::Result<Self> {
        let (receiver, address) = to;
        let listener = receiver.run(|| TcpListener::bind((address, port)).unwrap()).unwrap();
        let at = SocketAddr::new(address, port);
        let client = from.run(|| TcpStream::connect_timeout(&at, ANSWER)).unwrap()?;
        let (server, _) = listener.accept()?;
        for end in [&client, &server] {
            end.set_nodelay(true)?;
            end.set_read_timeout(Some(ANSWER))?;
        }
        thread::spawn(move || echo(server));
        let answers = Arc::new(AtomicU64::new(0));
        let answered = Arc::clone(&answers);
        Ok(Self { answers, client: Running::start(move |stop| ask(client, &answered, stop)) })
    }

    /// How many questions were answered so far.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Ends it; what was said, or how it broke.
    pub(crate) fn end(self) -> io::Result<Spoken> {
        self.client.end()
    }
}

fn ask(mut stream: TcpStream, answers: &AtomicU64, stop: &AtomicBool) -> io::Result<Spoken> {
    let mut spoken = Spoken { answers: 0, slowest: Duration::ZERO, open: stream.try_clone()? };
    while !stop.load(Ordering::Relaxed) {
        let (asked, question) = (Instant::now(), spoken.answers.to_be_bytes().repeat(TIMES));
        let mut answer = vec![0; question.len()];
        stream.write_all(&question)?;
        stream.read_exact(&mut answer)?;
        if answer != question {
            return Err(io::Error::other(format!("a wrong answer to {}: {answer:?}", spoken.answers)));
        }
        spoken.answers += 1;
        answers.store(spoken.answers, Ordering::Relaxed);
        spoken.slowest = spoken.slowest.max(asked.elapsed());
        thread::sleep(PACE);
    }
    Ok(spoken)
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 8 * TIMES];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            len => stream.write_all(&buffer[..len])?,
        }
    }
}

/// Connections of TCP that are tried all the time, one after the other at each address; somebody listens.
pub(crate) struct Knocks {
    made: Arc<AtomicU64>,
    threads: Vec<Running<()>>,
}

impl Knocks {
    pub(crate) fn start(from: &NetNs, to: &NetNs, addresses: &[IpAddr], port: u16) -> Self {
        let made = Arc::new(AtomicU64::new(0));
        let knock = |address: &IpAddr| {
            let at = SocketAddr::new(*address, port);
            let listener = to.run(|| TcpListener::bind(at).unwrap()).unwrap();
            let (from, made) = (NetNs::from(from.as_fd().try_clone_to_owned().unwrap()), Arc::clone(&made));
            Running::start(move |stop| {
                let knock = || {
                    while !stop.load(Ordering::Relaxed) {
                        let connected = TcpStream::connect_timeout(&at, KNOCK);
                        made.fetch_add(u64::from(connected.is_ok()), Ordering::Relaxed);
                    }
                };
                from.run(knock).unwrap();
                drop(listener);
            })
        };
        let threads = addresses.iter().map(knock).collect();
        Self { made, threads }
    }

    /// How many were made.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    pub(crate) fn end(self) {
        self.threads.into_iter().for_each(Running::end);
    }
}

/// A flow of datagrams there and back.
pub(crate) struct Talk {
    client: Running<()>,
    server: Running<()>,
}

impl Talk {
    /// Begins it. Who wants to know what is lost counts at both ends.
    pub(crate) fn start(from: &NetNs, to: (&NetNs, IpAddr), port: u16) -> Self {
        let (receiver, address) = to;
        let server = receiver.run(|| UdpSocket::bind((address, port)).unwrap()).unwrap();
        let client = from.run(|| UdpSocket::bind((any(address), 0)).unwrap()).unwrap();
        client.connect((address, port)).unwrap();
        client.set_nonblocking(true).unwrap();
        server.set_read_timeout(Some(LOOK)).unwrap();
        let server = Running::start(move |stop| {
            let mut buffer = [0; 64];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((len, from)) = server.recv_from(&mut buffer) {
                    let _ = server.send_to(&buffer[..len], from);
                }
            }
        });
        let client = Running::start(move |stop| {
            while !stop.load(Ordering::Relaxed) {
                let _ = client.send(b"question");
                while client.recv(&mut [0; 64]).is_ok() {}
                thread::sleep(PACE);
            }
        });
        Self { client, server }
    }

    pub(crate) fn end(self) {
        self.client.end();
        self.server.end();
    }
}
