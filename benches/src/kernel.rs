//! What benchmarks of the kernel's nf_tables share: a namespace, a socket for the floor, clocks.

#![expect(unsafe_code, reason = "rustix calls unshare unsafe because of FILES, which is not asked for here")]

use core::time::Duration;
use std::io;
use std::os::fd::AsFd as _;
use std::time::Instant;

use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::net::sockopt;
use rustix::thread::UnshareFlags;
use rustix::time::ClockId;
use tortie_nft_wire::Messages;

/// How long an answer of the kernel is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room for what is sent at once, in octets.
const ROOM: usize = 1 << 27;
/// Type of an answer to a message, which holds the number of an error first.
const ERROR: u16 = 2;

/// Moves this thread, and those that it starts, to a network namespace that nobody else is in.
///
/// # Errors
///
/// The kernel refuses, as it does everybody but root.
pub fn unshare() -> io::Result<()> {
    // SAFETY: the tables of files stay shared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
    Ok(())
}

/// A socket without anything around it, for the floor.
#[expect(missing_debug_implementations, reason = "a socket has nothing to show")]
pub struct Bare(Netlink);

impl Bare {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// The kernel refuses.
    pub fn open() -> io::Result<Self> {
        let mut netlink = Netlink::new(NETLINK_NETFILTER)?;
        netlink.bind_auto()?;
        sockopt::set_socket_send_buffer_size_force(netlink.as_fd(), ROOM)?;
        sockopt::set_socket_timeout(netlink.as_fd(), sockopt::Timeout::Recv, Some(PATIENCE))?;
        Ok(Self(netlink))
    }

    /// Sends it, and waits for the answer.
    ///
    /// # Errors
    ///
    /// It is not sent, not answered, or refused.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.0.send_to(bytes, &SocketAddr::new(0, 0), 0)?;
        let mut answer = Vec::with_capacity(1 << 16);
        self.0.recv_from(&mut answer, 0)?;
        let is_taken = Messages::new(&answer)
            .next()
            .is_some_and(|message| message.kind() == ERROR && message.payload().starts_with(&[0; 4]));
        if sent == bytes.len() && is_taken { Ok(()) } else { Err(io::Error::other("refused")) }
    }
}

/// Seconds that this takes on the wall.
pub fn timed(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

/// Seconds of this thread's processor time that this takes, the kernel's work on its behalf included.
pub fn thread_cpu(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = rustix::time::clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
    };
    let begun = now();
    work();
    now().saturating_sub(begun).as_secs_f64()
}

/// The value that so many parts of a thousand do not exceed; 0 of none.
#[must_use]
pub fn quantile(mut values: Vec<f64>, thousandths: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((values.len() * thousandths / 1000).min(last)).copied().unwrap_or_default()
}

/// The value in the middle; 0 of none.
#[must_use]
pub fn median(values: Vec<f64>) -> f64 {
    quantile(values, 500)
}
