//! The connections to the members, and what is repeated when they fail.

use core::fmt;
use core::time::Duration;
use std::path::Path;

use etcd_client::{Certificate, Client, ConnectOptions, Identity, KvClient, TlsOptions, WatchClient};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::fault::{Fault, Reason};
use crate::{Error, EtcdOptions, random};

/// The largest answer that is accepted, in octets.
const MESSAGE_MAX: usize = 64 << 20;
/// How long one member may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Members answer pings with an error that come more often than every 5 s (etcd's `--grpc-keepalive-min-time`).
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(6), Duration::from_secs(3));
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Whether a call may be made twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Yes.
    Read,
    /// Only if the first was certainly not received.
    Write,
}

/// What calls are made through.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) client: Client,
    pub(super) kv: KvClient,
    pub(super) watch: WatchClient,
}

/// The members of a cluster.
pub(super) struct Connection {
    endpoints: Vec<String>,
    options: ConnectOptions,
    timeout: Duration,
    clients: OnceCell<Clients>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options hold a password.
        f.debug_struct("Connection").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// Pauses between attempts: each twice as long as the one before, up to a bound, and none as long as another host's.
#[derive(Debug)]
pub(super) struct Backoff {
    pause: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { pause: PAUSE_MIN }
    }

    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(PAUSE_MAX);
        pause / 2 + (pause / 2).mul_f64(random::fraction())
    }
}

impl Connection {
    pub(super) fn new(options: &EtcdOptions) -> Result<Self, Error> {
        options.check().map_err(Error::refused)?;
        let mut connect = ConnectOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_keep_alive(KEEPALIVE.0, KEEPALIVE.1)
            .with_keep_alive_while_idle(false)
            .with_auto_token_refresh(true);
        if let Some(credentials) = &options.credentials {
            connect = connect.with_user(&credentials.user, &credentials.password);
        }
        if let Some(file) = &options.ca_cert {
            let mut tls = TlsOptions::new().ca_certificate(Certificate::from_pem(read(file)?));
            if let Some((cert, key)) = &options.identity {
                tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
            }
            connect = connect.with_tls(tls);
        }
        Ok(Self {
            endpoints: options.endpoints.clone(),
            options: connect,
            timeout: options.timeout,
            clients: OnceCell::new(),
        })
    }

    /// When something that begins now has to end.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// What calls are made through; where credentials are needed, after showing them.
    async fn clients(&self) -> Result<Clients, Fault> {
        let connect = || async {
            let client = Client::connect(&self.endpoints, Some(self.options.clone())).await?;
            let kv = client.kv_client().max_decoding_message_size(MESSAGE_MAX);
            let watch = client.watch_client().max_decoding_message_size(MESSAGE_MAX);
            Ok(Clients { client, kv, watch })
        };
        match self.clients.get_or_try_init(connect).await {
            Ok(clients) => Ok(clients.clone()),
            Err(error) => Err(match Fault::of(&error) {
                // What we were to do has not been sent at all.
                Fault::Lost(reason) => Fault::NotDone(reason),
                fault => fault,
            }),
        }
    }

    /// A new token, for the credentials that we have.
    pub(super) async fn refresh(&self) -> Result<(), Fault> {
        let clients = self.clients().await?;
        clients.client.refresh_token().await.map_err(|error| Fault::of(&error))
    }

    /// Makes a call, again and again where that is right, until it is answered or the time is up.
    pub(super) async fn call<T, F>(&self, kind: Kind, call: impl Fn(Clients) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let deadline = self.deadline();
        let mut backoff = Backoff::new();
        let mut refreshed = false;
        loop {
            let attempt = async { call(self.clients().await?).await.map_err(|error| Fault::of(&error)) };
            let fault = match timeout_at(deadline, attempt).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(fault)) => fault,
                Err(_elapsed) => return Err(Fault::Lost(Reason::new("no answer in time"))),
            };
            match &fault {
                Fault::NotDone(_) => {}
                Fault::Lost(_) if kind == Kind::Read => {}
                Fault::Stale(_) if !refreshed => {
                    refreshed = true;
                    // If it fails, so will the next attempt, and say why.
                    let _ = timeout_at(deadline, self.refresh()).await;
                }
                Fault::Stale(reason) => return Err(Fault::Refused(reason.clone())),
                _ => return Err(fault),
            }
            let next = Instant::now() + backoff.next();
            if next >= deadline {
                return Err(fault);
            }
            tracing::debug!(?fault, "asking etcd again");
            sleep_until(next).await;
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(file)
        .map_err(|error| Error::refused(Reason::new(format!("{} cannot be read: {error}", file.display()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..12).map(|_| backoff.next()).collect();
        for (index, pause) in pauses.iter().enumerate() {
            let whole = PAUSE_MAX.min(PAUSE_MIN * 2_u32.pow(u32::try_from(index).unwrap()));
            assert!(*pause >= whole / 2 && *pause <= whole, "{pauses:?}");
        }
    }
}
