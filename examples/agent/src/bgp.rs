//! The BGP speaker with sockets and a clock: one task that owns the speaker, one task for each connection.

use crate::health::{BEAT, Reporter};
use crate::state::{FabricWish, Wish};
use anyhow::Context as _;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tortie_bgp_speaker::{Config, ConnectionId, Event, LocalRoute, Output, PeerConfig, PeerId, Speaker};
use tortie_fabric::Peer;

/// Octets that may wait to be written to a peer before the speaker is asked to hold back.
const HIGH_WATER: usize = 256 * 1024;
/// How long a last message may take to leave when the agent ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// LOCAL_PREF of this node's blocks, as other nodes set it: 2^31 - 1 less the normal priority of a route
/// (calico@87c15906f2 confd, `ipv4NormalRoutePriority`).
const LOCAL_PREF: u32 = 2_147_483_647 - 1024;
/// News from connections that may wait to be taken.
const NEWS: usize = 256;

/// What a connection's task tells.
enum News {
    Connected,
    Data(Vec<u8>),
    /// What waited to be written is written.
    Drained,
    Closed(Option<io::Error>),
}

/// Where connections tell their news.
type Telling = mpsc::Sender<(ConnectionId, News)>;

/// How a connection begins.
enum Start {
    Accepted(TcpStream),
    Connect { local: Option<IpAddr>, remote: SocketAddr },
}

/// What the owner of the speaker wakes up for.
enum Next {
    Wish,
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    News(ConnectionId, News),
    Time,
    Stop,
}

/// A connection's task, from here.
struct Connection {
    write: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    blocked: bool,
    task: JoinHandle<()>,
}

/// The task that owns the speaker.
pub(crate) struct Runner {
    wish: Wish<FabricWish>,
    stop: watch::Receiver<bool>,
    health: Reporter,
    epoch: Instant,
    speaker: Option<Speaker>,
    listener: Option<(u16, TcpListener)>,
    connections: HashMap<ConnectionId, Connection>,
    news: mpsc::Receiver<(ConnectionId, News)>,
    tell: Telling,
    names: HashMap<IpAddr, String>,
}

impl Runner {
    pub(crate) fn new(wish: Wish<FabricWish>, stop: watch::Receiver<bool>, health: Reporter) -> Self {
        let (tell, news) = mpsc::channel(NEWS);
        Self {
            wish,
            stop,
            health,
            epoch: Instant::now(),
            speaker: None,
            listener: None,
            connections: HashMap::new(),
            news,
            tell,
            names: HashMap::new(),
        }
    }

    /// Speaks until told to stop, and then says goodbye to every peer.
    pub(crate) async fn run(mut self) {
        loop {
            self.drain();
            self.health.beat();
            match self.next().await {
                Next::Wish => self.configure(),
                Next::Accepted(Ok((stream, remote))) => self.accepted(stream, remote.ip().to_canonical()),
                Next::Accepted(Err(error)) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Next::News(connection, news) => self.take(connection, news),
                Next::Time => {}
                Next::Stop => return self.farewell().await,
            }
            let now = self.now();
            if let Some(speaker) = &mut self.speaker {
                speaker.handle_timeout(now);
            }
        }
    }

    /// Waits for whatever comes first.
    async fn next(&mut self) -> Next {
        let wait = self.speaker.as_ref().and_then(Speaker::poll_timeout);
        let wait = wait.map_or(BEAT, |at| at.saturating_sub(self.epoch.elapsed()).min(BEAT));
        let listener = self.listener.as_ref().map(|(_, listener)| listener);
        tokio::select! {
            changed = self.wish.changed() => if changed.is_ok() { Next::Wish } else { Next::Stop },
            accepted = accept(listener) => Next::Accepted(accepted),
            Some((connection, news)) = self.news.recv() => Next::News(connection, news),
            () = tokio::time::sleep(wait) => Next::Time,
            _told = self.stop.wait_for(|stop| *stop) => Next::Stop,
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Makes speaker, listener, peers and announcements as the fabric says.
    fn configure(&mut self) {
        let Some(wish) = self.wish.borrow_and_update().clone() else { return };
        let fabric = &wish.fabric;
        let Some(router_id) = fabric.speaker.router_id else {
            self.health.not_ready("this node has no IPv4 address to be its BGP identifier");
            return;
        };
        let now = self.now();
        let as_number = fabric.speaker.as_number;
        if self.speaker.as_ref().is_none_or(|speaker| {
            (speaker.config().local_as, speaker.config().router_id) != (as_number, router_id)
        }) {
            if let Some(mut old) = self.speaker.take() {
                tracing::info!(as_number, %router_id, "who we are has changed: all sessions start afresh");
                old.shutdown(now);
                self.obey(&mut old);
            }
            self.connections.retain(|_, connection| !connection.task.is_finished());
            let config = Config::new(as_number, router_id).local_pref(LOCAL_PREF).report_changes(false);
            self.speaker = Some(Speaker::new(config));
        }
        if let Err(error) = self.listen(fabric.speaker.listen_port) {
            self.health.not_ready(format!("{error:#}"));
            return;
        }
        let next_hops = (fabric.speaker.v4, fabric.speaker.v6);
        self.names = fabric.peers.iter().map(|peer| (peer.address, peer.name.clone())).collect();
        if let Some(speaker) = &mut self.speaker {
            if let Err(error) =
                speaker.set_peers(fabric.peers.iter().map(|peer| peer_config(peer, next_hops)), now)
            {
                self.health.not_ready(format!("cannot set the peers: {error}"));
                return;
            }
            speaker
                .set_announcements(fabric.advertisements.iter().map(|&prefix| (prefix, LocalRoute::new())));
        }
        self.health.ready();
    }

    fn listen(&mut self, port: u16) -> anyhow::Result<()> {
        if self.listener.as_ref().is_some_and(|(listening, _)| *listening == port) {
            return Ok(());
        }
        // One socket for both families, or one for IPv4 where the kernel has no IPv6.
        let listener = listen(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port))
            .or_else(|_| listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)))
            .with_context(|| format!("cannot listen on TCP port {port}"))?;
        tracing::info!(port, "listening for BGP");
        self.listener = Some((port, listener));
        Ok(())
    }

    fn accepted(&mut self, stream: TcpStream, remote: IpAddr) {
        let now = self.now();
        let Some(speaker) = &mut self.speaker else { return };
        match speaker.accepted(remote, now) {
            Ok(connection) => {
                let spawned = Connection::spawn(connection, self.tell.clone(), Start::Accepted(stream));
                self.connections.insert(connection, spawned);
            }
            Err(refusal) => tracing::debug!(%remote, %refusal, "connection refused"),
        }
    }

    fn take(&mut self, connection: ConnectionId, news: News) {
        let now = self.now();
        let Some(speaker) = &mut self.speaker else { return };
        match news {
            News::Connected => speaker.connected(connection, now),
            News::Data(bytes) => speaker.data(connection, &bytes, now),
            News::Drained => {
                if let Some(known) = self.connections.get_mut(&connection).filter(|known| known.blocked) {
                    known.blocked = false;
                    speaker.writable(connection);
                }
            }
            News::Closed(error) => {
                if let Some(error) = error {
                    tracing::debug!(%connection, %error, "connection closed");
                }
                self.connections.remove(&connection);
                speaker.closed(connection, now);
            }
        }
    }

    /// Does all that the speaker asks for, and logs what it tells.
    fn drain(&mut self) {
        if let Some(mut speaker) = self.speaker.take() {
            self.obey(&mut speaker);
            self.speaker = Some(speaker);
        }
    }

    fn obey(&mut self, speaker: &mut Speaker) {
        let now = self.now();
        while let Some(output) = speaker.poll_output() {
            match output {
                Output::Connect { connection, remote, local, .. } => {
                    let start = Start::Connect { local, remote };
                    let spawned = Connection::spawn(connection, self.tell.clone(), start);
                    self.connections.insert(connection, spawned);
                }
                Output::Send { connection, bytes } => {
                    if let Some(known) = self.connections.get_mut(&connection) {
                        let waiting = known.waiting.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
                        // A task that has ended has told so; its `Closed` is on its way.
                        let _ended = known.write.send(bytes);
                        if waiting > HIGH_WATER && !known.blocked {
                            known.blocked = true;
                            speaker.blocked(connection, now);
                        }
                    }
                }
                // Without a sender the task writes what it has, and closes.
                Output::Close { connection } => drop(self.connections.remove(&connection)),
                _ => {}
            }
        }
        while let Some(event) = speaker.poll_event() {
            self.log(speaker, &event);
        }
    }

    fn log(&self, speaker: &Speaker, event: &Event) {
        let name = |peer: PeerId| {
            let address = speaker.peer(peer).map(|status| status.config.address);
            address.map_or_else(
                || peer.to_string(),
                |a| self.names.get(&a).cloned().unwrap_or_else(|| a.to_string()),
            )
        };
        match event {
            Event::SessionUp { peer, session } => {
                tracing::info!(peer = name(*peer), hold = ?session.hold_time, "BGP session up");
            }
            Event::SessionDown { peer, reason } => {
                tracing::warn!(peer = name(*peer), %reason, "BGP session down")
            }
            Event::ConnectionFailed { peer, reason } => {
                tracing::debug!(peer = name(*peer), %reason, "BGP connection failed");
            }
            Event::UpdateError { peer, error } => {
                tracing::warn!(peer = name(*peer), %error, "bad BGP UPDATE")
            }
            _ => {}
        }
    }

    /// Tells every peer that we go, and gives the words time to leave.
    async fn farewell(mut self) {
        let now = self.now();
        let Some(mut speaker) = self.speaker.take() else { return };
        let tasks: Vec<_> = {
            speaker.shutdown(now);
            let mut handles = Vec::new();
            while let Some(output) = speaker.poll_output() {
                match output {
                    Output::Send { connection, bytes } => {
                        if let Some(known) = self.connections.get(&connection) {
                            let _ended = known.write.send(bytes);
                        }
                    }
                    Output::Close { connection } => {
                        handles.extend(self.connections.remove(&connection).map(|known| known.task));
                    }
                    _ => {}
                }
            }
            handles
        };
        // Nobody listens to the news any more; the tasks need not wait for it.
        drop(self);
        for task in tasks {
            let _late = tokio::time::timeout(FAREWELL, task).await;
        }
    }
}

fn peer_config(peer: &Peer, (v4, v6): (Option<IpAddr>, Option<IpAddr>)) -> PeerConfig {
    let mut config = PeerConfig::new(peer.address, peer.remote_as).port(peer.port).passive(peer.passive);
    if let Some(source) = peer.source {
        config = config.local_address(source);
    }
    if let Some(IpAddr::V4(v4)) = v4 {
        config = config.next_hop4(v4);
    }
    if let Some(IpAddr::V6(v6)) = v6 {
        config = config.next_hop6(v6);
    }
    config
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(128)
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => core::future::pending().await,
    }
}

async fn connect(local: Option<IpAddr>, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(local) = local {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(remote).await
}

impl Connection {
    /// A task that opens a connection, tells what comes, and writes what it is given until no more can be.
    fn spawn(id: ConnectionId, news: Telling, start: Start) -> Self {
        let (write, queue) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&waiting);
        let task = tokio::spawn(async move {
            let error = converse(id, &news, start, queue, &counter).await.err();
            let _nobody = news.send((id, News::Closed(error))).await;
        });
        Self { write, waiting, blocked: false, task }
    }
}

async fn converse(
    id: ConnectionId,
    news: &Telling,
    start: Start,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    waiting: &AtomicUsize,
) -> io::Result<()> {
    let stream = match start {
        Start::Accepted(stream) => stream,
        Start::Connect { local, remote } => {
            let stream = tokio::select! {
                stream = connect(local, remote) => stream?,
                // Nothing is sent before we tell that we are connected, so this can only be that the speaker gave up.
                _given_up = queue.recv() => return Ok(()),
            };
            let _nobody = news.send((id, News::Connected)).await;
            stream
        }
    };
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let read = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = reader.read(&mut buffer).await?;
            let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            if news.send((id, News::Data(bytes.to_vec()))).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async {
        while let Some(bytes) = queue.recv().await {
            writer.write_all(&bytes).await?;
            if waiting.fetch_sub(bytes.len(), Ordering::Relaxed) == bytes.len() {
                // If there is no room for the news, more of them will come with the next messages.
                let _full = news.try_send((id, News::Drained));
            }
        }
        writer.shutdown().await
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
    }
}
