//! A BGP peer that sends garbage.

use crate::hosts::{Host, Router};
use crate::inside;
use anyhow::{Context as _, bail};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// BGP's port.
pub(crate) const BGP: u16 = 179;
/// Header of a BGP message: marker, length, type (RFC 4271 §4.1).
const MARKER: [u8; 16] = [0xff; 16];
const OPEN: u8 = 1;
const NOTIFICATION: u8 = 3;

/// The manifest that makes the stranger's address a peer of every host.
pub(crate) fn peer(router: &Router) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: stranger\nspec:\n  peerIP: {}\n  asNumber: 64666\n",
        router.stranger
    )
}

/// Speaks to the host's agent: one message without the marker; returns code and subcode of the NOTIFICATION.
pub(crate) async fn send(router: &Router, host: &Host) -> anyhow::Result<(u8, u8)> {
    let socket = inside::tcp(&router.netns)?;
    socket.bind(SocketAddr::new(IpAddr::V4(router.stranger), 0)).context("the stranger's address")?;
    let conversation = async {
        let mut stream = socket.connect((host.v4, BGP).into()).await.context("connect")?;
        // Length and type would be those of a KEEPALIVE, but the marker is not all ones.
        let mut message = [0x5a_u8; 19];
        if let Some(end) = message.get_mut(16..) {
            end.copy_from_slice(&[0, 19, 4]);
        }
        stream.write_all(&message).await.context("send")?;
        loop {
            let mut header = [0; 19];
            stream.read_exact(&mut header).await.context("the connection ended without a NOTIFICATION")?;
            let [marker @ .., high, low, kind] = header;
            if marker != MARKER {
                bail!("the agent's own marker is wrong");
            }
            let Some(length) = usize::from(u16::from_be_bytes([high, low])).checked_sub(header.len()) else {
                bail!("the agent's message is too short");
            };
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            match (kind, body.as_slice()) {
                (OPEN, _) => {}
                (NOTIFICATION, [code, subcode, ..]) => return Ok((*code, *subcode)),
                _ => bail!("a message of type {kind} in answer to garbage"),
            }
        }
    };
    timeout(Duration::from_secs(5), conversation).await.context("no NOTIFICATION within 5 s")?
}

/// Tries until the agent accepts the stranger, whom the datastore has just made a peer.
pub(crate) async fn until_answered(router: &Router, host: &Host) -> anyhow::Result<(u8, u8)> {
    let mut last = None;
    for _ in 0..25 {
        match send(router, host).await {
            Ok(codes) => return Ok(codes),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    match last {
        Some(error) => Err(error.context(format!("garbage to {}", host.name))),
        None => bail!("never tried"),
    }
}
