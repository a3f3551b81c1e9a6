//! Waiting until the agent has the endpoint's policy in place, which it says with a file for each endpoint.

use core::net::IpAddr;
use core::time::Duration;
use std::io;
use std::path::Path;
use std::time::Instant;

use tortie_datastore::status::EndpointStatus;

/// How often the file is looked for at first; the pause doubles up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Waits for the agent's file; false when it did not come in time.
///
/// A file of an earlier endpoint of the same name is no answer: it must name this interface and these addresses.
pub(crate) async fn wait(file: &Path, interface: &str, addresses: &[IpAddr], patience: Duration) -> bool {
    let start = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        if std::fs::read(file).is_ok_and(|text| acknowledges(&text, interface, addresses)) {
            return true;
        }
        let Some(left) = patience.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else {
            return false;
        };
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Removes an earlier endpoint's file.
///
/// # Errors
/// The file is there and cannot be removed.
pub(crate) fn forget(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error)
            if error.kind() != io::ErrorKind::NotFound && error.kind() != io::ErrorKind::NotADirectory =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

fn acknowledges(text: &[u8], interface: &str, addresses: &[IpAddr]) -> bool {
    serde_json::from_slice::<EndpointStatus>(text).is_ok_and(|status| status.is_of(interface, addresses))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"{"ifaceName":"cali1","mac":"02:00:00:00:00:01","ipv4Nets":["10.0.0.2/32"],
        "ipv6Nets":["fd00::2/128"],"bgpPeerName":"","later":1}"#;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_this_endpoint_counts() {
        let both = addresses(&["10.0.0.2", "fd00::2"]);
        assert!(acknowledges(STATUS.as_bytes(), "cali1", &both));
        assert!(!acknowledges(STATUS.as_bytes(), "cali2", &both));
        assert!(!acknowledges(STATUS.as_bytes(), "cali1", &addresses(&["10.0.0.3"])));
        for text in ["", "{", "{}", r#"{"ifaceName":"cali1","ipv4Nets":null}"#] {
            assert!(!acknowledges(text.as_bytes(), "cali1", &both), "{text}");
        }
    }

    #[test]
    fn the_wait_ends_with_the_file_or_with_patience() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("k8s a%2Fb eth0");
        let both = addresses(&["10.0.0.2", "fd00::2"]);
        assert!(!runtime.block_on(wait(&file, "cali1", &both, Duration::from_millis(30))));
        std::fs::write(&file, STATUS).unwrap();
        assert!(runtime.block_on(wait(&file, "cali1", &both, Duration::ZERO)));
        forget(&file).unwrap();
        forget(&file).unwrap();
        assert!(!runtime.block_on(wait(&file, "cali1", &both, Duration::ZERO)));
    }
}
