//! Sessions with BIRD 2 over real sockets, in a network namespace of their own.
//!
//! Needs root, `bird`, `birdc`, `unshare` and `ip`; each test says so and skips where one is missing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use ipnet::IpNet;
use tortie_bgp_speaker::{Config, ConnectionId, Event, Output, PeerConfig, SessionState, Source, Speaker};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 254, 0, 1);
const BIRD: Ipv4Addr = Ipv4Addr::new(10, 254, 0, 2);
/// Set in the process inside the namespace.
const INSIDE: &str = "TORTIE_TEST_NETNS";

/// True inside the namespace. Outside, runs the test of this name inside one, or says why not.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let root = fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
    });
    let found = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/sbin")])
            .any(|dir| dir.join(program).is_file())
    };
    let missing = ["bird", "birdc", "unshare", "ip"].into_iter().find(|program| !found(program));
    if let Some(missing) = missing.or_else(|| (!root).then_some("root")) {
        println!(
            "skipped {test}: needs {missing} (Debian: apt-get install bird2 iproute2 util-linux, run as root)"
        );
        return false;
    }
    let output = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        panic!("inside the namespace:\n{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(stdout.contains("1 passed"), "the test ran: {stdout}");
    false
}

fn run(program: &str, args: &str) -> String {
    let output = Command::new(program).args(args.split_whitespace()).output().expect(program);
    assert!(output.status.success(), "{program} {args}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Addresses for both sides on the loopback device; connections to BIRD's come from ours.
fn addresses() {
    run("ip", "link set lo up");
    for side in ["1", "2"] {
        run("ip", &format!("addr add 10.254.0.{side}/32 dev lo"));
        run("ip", &format!("addr add fd00:254::{side}/128 dev lo nodad"));
    }
    run("ip", "route change local 10.254.0.2 dev lo src 10.254.0.1 table local");
}

/// A running BIRD; killed when dropped.
struct Bird {
    dir: PathBuf,
    child: Child,
}

impl Bird {
    fn start(name: &str, session: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("tortie-bird-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let config = format!(
            r#"
log "{0}/bird.log" all;
router id {BIRD};
protocol device {{ }}
protocol direct {{ ipv4; ipv6; interface "lo"; }}
protocol static s4 {{ ipv4; route 192.0.2.0/26 blackhole; route 192.0.2.64/26 blackhole; }}
protocol static s6 {{ ipv6; route 2001:db8:1::/64 blackhole; route 2001:db8:2::/64 blackhole; }}
protocol bgp tortie {{
  {session}
  multihop; strict bind yes;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 {{ import all; export where source = RTS_STATIC; next hop self; }};
  ipv6 {{ import all; export where source = RTS_STATIC; next hop address fd00:254::2; }};
}}
"#,
            dir.display()
        );
        fs::write(dir.join("bird.conf"), config).unwrap();
        let child = Self::spawn(&dir);
        Self { dir, child }
    }

    fn spawn(dir: &Path) -> Child {
        Command::new("bird")
            .args(["-f", "-c"])
            .arg(dir.join("bird.conf"))
            .arg("-s")
            .arg(dir.join("bird.ctl"))
            .arg("-P")
            .arg(dir.join("bird.pid"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::spawn(&self.dir);
    }

    fn birdc(&self, command: &str) -> String {
        let socket = self.dir.join("bird.ctl");
        let output =
            Command::new("birdc").arg("-s").arg(socket).args(command.split_whitespace()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The prefixes that BIRD has from us, with the line that shows each.
    fn learned(&self) -> BTreeMap<IpNet, String> {
        let shown = self.birdc("show route protocol tortie");
        shown
            .lines()
            .filter_map(|line| Some((line.split_whitespace().next()?.parse().ok()?, line.to_owned())))
            .collect()
    }
}

impl Drop for Bird {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            println!("{}", fs::read_to_string(self.dir.join("bird.log")).unwrap_or_default());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A driver with non-blocking sockets, and a short sleep where a real one would wait for them.
struct Driver {
    speaker: Speaker,
    start: Instant,
    listener: TcpListener,
    sockets: BTreeMap<ConnectionId, TcpStream>,
    events: Vec<Event>,
}

impl Driver {
    fn new(config: Config) -> Self {
        let listener = TcpListener::bind(SocketAddr::new(OURS.into(), 179)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (sockets, events) = (BTreeMap::new(), Vec::new());
        Self { speaker: Speaker::new(config), start: Instant::now(), listener, sockets, events }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn add(&mut self, connection: ConnectionId, socket: TcpStream) {
        socket.set_nonblocking(true).unwrap();
        socket.set_nodelay(true).unwrap();
        self.sockets.insert(connection, socket);
    }

    fn turn(&mut self) {
        let now = self.now();
        if let Ok((socket, remote)) = self.listener.accept() {
            match self.speaker.accepted(remote.ip(), now) {
                Ok(connection) => self.add(connection, socket),
                Err(refusal) => println!("{remote}: {refusal}"),
            }
        }
        let mut buf = [0; 65536];
        for connection in self.sockets.keys().copied().collect::<Vec<_>>() {
            match self.sockets.get_mut(&connection).unwrap().read(&mut buf) {
                Ok(0) => self.end(connection),
                Ok(len) => self.speaker.data(connection, buf.get(..len).unwrap(), now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.end(connection),
            }
        }
        self.speaker.handle_timeout(now);
        while let Some(output) = self.speaker.poll_output() {
            self.output(output);
        }
        while let Some(event) = self.speaker.poll_event() {
            println!("{:?} {event:?}", self.now());
            self.events.push(event);
        }
        while self.speaker.poll_change().is_some() {}
        std::thread::sleep(Duration::from_millis(2));
    }

    fn output(&mut self, output: Output) {
        let now = self.now();
        match output {
            Output::Connect { connection, remote, .. } => {
                match TcpStream::connect_timeout(&remote, Duration::from_secs(1)) {
                    Ok(socket) => {
                        assert_eq!(socket.local_addr().unwrap().ip(), IpAddr::V4(OURS));
                        self.add(connection, socket);
                        self.speaker.connected(connection, now);
                    }
                    Err(_) => self.speaker.closed(connection, now),
                }
            }
            Output::Send { connection, bytes } => {
                if let Some(socket) = self.sockets.get_mut(&connection) {
                    socket.set_nonblocking(false).unwrap();
                    let written = socket.write_all(&bytes);
                    socket.set_nonblocking(true).unwrap();
                    if written.is_err() {
                        self.end(connection);
                    }
                }
            }
            Output::Close { connection } => {
                self.sockets.remove(&connection);
            }
            other => panic!("{other:?}"),
        }
    }

    fn end(&mut self, connection: ConnectionId) {
        self.sockets.remove(&connection);
        let now = self.now();
        self.speaker.closed(connection, now);
    }

    /// Turns until the condition holds; fails after 30 seconds.
    fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = self.now() + Duration::from_secs(30);
        let mut checked = self.now();
        loop {
            self.turn();
            if self.now() >= checked + Duration::from_millis(100) {
                checked = self.now();
                if holds(self) {
                    return;
                }
                assert!(checked < end, "{what}; peers: {:?}", self.speaker.peers().collect::<Vec<_>>());
            }
        }
    }

    fn up(&self) -> bool {
        self.speaker.peers().all(|peer| peer.state == SessionState::Established)
    }
}

/// Twenty prefixes of each family.
fn prefixes() -> Vec<IpNet> {
    let v4 = (0..20).map(|i| format!("192.168.{i}.64/26"));
    let v6 = (0..20).map(|i| format!("fd01:{i:x}::/122"));
    v4.chain(v6).map(|text| text.parse().unwrap()).collect()
}

fn peer(remote_as: u32) -> PeerConfig {
    PeerConfig::new(BIRD.into(), remote_as)
        .local_address(OURS.into())
        .next_hop4(OURS)
        .next_hop6("fd00:254::1".parse().unwrap())
}

/// The whole life of a session: routes in both directions and both families, changes, loss.
fn live(mut bird: Bird, mut driver: Driver) {
    let wanted = prefixes();
    for prefix in &wanted {
        driver.speaker.announce(*prefix);
    }
    driver.until("the session comes up", Driver::up);
    driver.until("BIRD has all", |_| bird.learned().len() == wanted.len());
    assert_eq!(bird.learned().into_keys().collect::<Vec<_>>(), wanted);
    for (prefix, line) in bird.learned() {
        let detail = bird.birdc(&format!("show route {prefix} all"));
        let hop =
            if prefix.addr().is_ipv4() { "BGP.next_hop: 10.254.0.1" } else { "BGP.next_hop: fd00:254::1" };
        assert!(detail.contains(hop), "{line}\n{detail}");
    }

    // What BIRD announces.
    driver.until("four routes are learned", |driver| {
        driver.speaker.routes().filter(|route| route.source != Source::Local).count() == 4
    });
    let routes: Vec<_> = driver.speaker.routes().filter(|route| route.source != Source::Local).collect();
    let shown: Vec<_> = routes
        .iter()
        .map(|route| format!("{} via {}", route.prefix, route.attributes.gateway().unwrap()))
        .collect();
    let expected = [
        "192.0.2.0/26 via 10.254.0.2",
        "192.0.2.64/26 via 10.254.0.2",
        "2001:db8:1::/64 via fd00:254::2",
        "2001:db8:2::/64 via fd00:254::2",
    ];
    assert_eq!(shown, expected);
    let ends = driver.events.iter().filter(|event| matches!(event, Event::EndOfRib { .. })).count();
    assert_eq!(ends, 2, "BIRD says End-of-RIB for both families");

    // Half is withdrawn.
    for prefix in wanted.iter().step_by(2) {
        assert!(driver.speaker.withdraw(*prefix));
    }
    driver.until("BIRD has half", |_| bird.learned().len() == wanted.len() / 2);
    let odd: Vec<_> = wanted.iter().skip(1).step_by(2).copied().collect();
    assert_eq!(bird.learned().into_keys().collect::<Vec<_>>(), odd);

    // BIRD asks for everything again (ROUTE-REFRESH), and keeps what it has.
    assert!(bird.birdc("reload in tortie").contains("reloading"));
    driver.until("a refresh changes nothing", |_| bird.learned().len() == odd.len());

    // BIRD withdraws, and announces again.
    bird.birdc("disable s4");
    driver.until("two routes are left", |driver| {
        driver.speaker.routes().filter(|route| route.source != Source::Local).count() == 2
    });
    bird.birdc("enable s4");
    driver.until("they come back", |driver| {
        driver.speaker.routes().filter(|route| route.source != Source::Local).count() == 4
    });

    // BIRD dies without a word: its routes go, and come again with it.
    bird.kill();
    driver.until("the session is lost", |driver| !driver.up());
    assert!(driver.speaker.routes().all(|route| route.source == Source::Local));
    bird.restart();
    driver.until("BIRD comes back", Driver::up);
    driver.until("BIRD has half again", |_| bird.learned().len() == odd.len());

    // We go: BIRD hears a Cease, and drops our routes.
    let now = driver.now();
    driver.speaker.shutdown(now);
    driver.turn();
    assert!(driver.sockets.is_empty());
    driver.until("BIRD has none", |_| bird.learned().is_empty());
    let status = bird.birdc("show protocols all tortie");
    assert!(status.contains("Administrative shutdown"), "{status}");
}

#[test]
fn netns_bird_internal_and_active() {
    if !inside("netns_bird_internal_and_active") {
        return;
    }
    addresses();
    let bird = Bird::start("internal", "local 10.254.0.2 as 64512; neighbor 10.254.0.1 as 64512;");
    let mut driver = Driver::new(Config::new(64512, OURS));
    let now = driver.now();
    driver.speaker.add_peer(peer(64512).passive(true), now).unwrap();
    live(bird, driver);
}

#[test]
fn netns_bird_external_and_passive() {
    if !inside("netns_bird_external_and_passive") {
        return;
    }
    addresses();
    let session = "local 10.254.0.2 as 64513; neighbor 10.254.0.1 as 4200000001; passive yes;";
    let bird = Bird::start("external", session);
    let mut driver = Driver::new(Config::new(4_200_000_001, OURS));
    let now = driver.now();
    driver.speaker.add_peer(peer(64513), now).unwrap();
    live(bird, driver);
}

/// Both sides connect: whatever collides, one session remains.
#[test]
fn netns_bird_collision() {
    if !inside("netns_bird_collision") {
        return;
    }
    addresses();
    let bird = Bird::start("collision", "local 10.254.0.2 as 64512; neighbor 10.254.0.1 as 64512;");
    let mut driver = Driver::new(Config::new(64512, OURS).connect_retry(Duration::from_millis(200)));
    let now = driver.now();
    driver.speaker.add_peer(peer(64512), now).unwrap();
    live(bird, driver);
}
