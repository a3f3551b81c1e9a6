//! Flows that go on for a while and count what is lost.

use crate::probe::{self, Protocol, Tally, Target};
use anyhow::{Context as _, bail};
use core::time::Duration;
use std::collections::BTreeMap;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How long an answer may take at most, before its message counts as lost.
const STRAGGLERS: Duration = Duration::from_millis(1500);

/// How many unanswered messages are told of.
const LISTED: usize = 8;

/// A running flow.
pub(crate) struct Flow {
    stop: watch::Sender<bool>,
    task: JoinHandle<Tally>,
}

impl Flow {
    /// Begins to send a numbered message every `every`.
    pub(crate) fn start(target: Target, every: Duration) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::task::spawn_local(async move {
            let mut tally = Tally {
                target,
                sent: 0,
                answered: 0,
                slowest_ms: 0,
                unanswered_ms: Vec::new(),
                broken: None,
            };
            let ran = match tally.target.protocol {
                Protocol::Tcp => tcp(&mut tally, every, stopped).await,
                Protocol::Udp => udp(&mut tally, every, stopped).await,
            };
            tally.broken = ran.err().map(|error| format!("{error:#}"));
            tally
        });
        Self { stop, task }
    }

    /// Tells it to send no more.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the last answers.
    pub(crate) async fn end(self) -> anyhow::Result<Tally> {
        self.stop();
        self.task.await.context("a flow ended badly")
    }
}

fn ticker(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn between(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

fn millis(since: Instant) -> u64 {
    between(since, Instant::now())
}

/// One connection; each message waits for the answer to the one before.
async fn tcp(tally: &mut Tally, every: Duration, mut stopped: watch::Receiver<bool>) -> anyhow::Result<()> {
    let stream =
        timeout(STRAGGLERS, TcpStream::connect(tally.target.socket())).await.context("connect")??;
    stream.set_nodelay(true)?;
    let own = stream.local_addr()?;
    let mut stream = BufReader::new(stream);
    let mut ticks = ticker(every);
    let mut line = String::new();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            _ = ticks.tick() => {}
        }
        let word = tally.sent.to_string();
        let sent = Instant::now();
        tally.sent += 1;
        line.clear();
        timeout(STRAGGLERS, async {
            stream.write_all(format!("{word}\n").as_bytes()).await?;
            stream.read_line(&mut line).await
        })
        .await
        .context("no answer on an open connection")??;
        if line.trim_end() != probe::reply(&word, &tally.target.name, own) {
            bail!("a wrong answer: `{}`", line.trim_end());
        }
        tally.answered += 1;
        tally.slowest_ms = tally.slowest_ms.max(millis(sent));
    }
}

/// Datagrams, whether answered or not; each answer counts once.
async fn udp(tally: &mut Tally, every: Duration, mut stopped: watch::Receiver<bool>) -> anyhow::Result<()> {
    let socket = probe::udp_to(&tally.target).await?;
    let own = socket.local_addr()?;
    let mut ticks = ticker(every);
    let mut waiting = BTreeMap::new();
    let mut buffer = [0; 512];
    let mut end = None;
    let begun = Instant::now();
    loop {
        let sending = end.is_none();
        if !sending && waiting.is_empty() {
            return Ok(());
        }
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped), if sending => end = Some(Instant::now() + STRAGGLERS),
            _ = ticks.tick(), if sending => {
                // A refusal reported here belongs to an earlier message, which stays unanswered.
                let _refused = socket.send(tally.sent.to_string().as_bytes()).await;
                waiting.insert(tally.sent, Instant::now());
                tally.sent += 1;
            }
            () = tokio::time::sleep_until(end.unwrap_or_else(Instant::now)), if !sending => {
                let moments = waiting.values().take(LISTED);
                tally.unanswered_ms.extend(moments.map(|sent| between(begun, *sent)));
                return Ok(());
            }
            received = socket.recv(&mut buffer) => {
                let Ok(length) = received else { continue };
                let answer = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
                let number = answer.split(' ').next().and_then(|word| word.parse::<u64>().ok());
                let Some((number, sent)) = number.and_then(|number| waiting.remove_entry(&number)) else { continue };
                if answer != probe::reply(&number.to_string(), &tally.target.name, own) {
                    bail!("a wrong answer: `{answer}`");
                }
                tally.answered += 1;
                tally.slowest_ms = tally.slowest_ms.max(millis(sent));
            }
        }
    }
}
