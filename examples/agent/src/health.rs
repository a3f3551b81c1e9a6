//! Liveness and readiness over HTTP, on loopback.
//!
//! Every part of the agent says whether it has done what it is for (*ready*), and beats at least every
//! few seconds (*alive*). `/readiness` and `/liveness` answer 200 or 503 with a line for each part. `/metrics` counts, as Prometheus
//! reads it.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use core::fmt::Write as _;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tortie_policy::nftables::{Counts, Denied};

/// A part that has not beaten for so long is dead.
const DEAD: Duration = Duration::from_secs(30);
/// How often a part has to beat, at the least, to stay well clear of that.
pub(crate) const BEAT: Duration = Duration::from_secs(5);

/// The state of every part.
#[derive(Clone, Default)]
pub(crate) struct Health(Arc<Mutex<BTreeMap<&'static str, Part>>>);

struct Part {
    last: Instant,
    /// Ready, perhaps with something to say; or why not.
    state: State,
}

/// What a part says of itself.
type State = Result<Option<String>, String>;

impl Health {
    /// Adds a part, which is not ready until it says so.
    pub(crate) fn part(&self, name: &'static str) -> Reporter {
        let reporter = Reporter { health: self.clone(), name };
        reporter.not_ready("starting");
        reporter
    }

    fn set(&self, name: &'static str, state: Option<State>) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let part = parts.entry(name).or_insert_with(|| Part { last: Instant::now(), state: Ok(None) });
        part.last = Instant::now();
        if let Some(state) = state {
            if part.state != state {
                match &state {
                    Ok(None) => tracing::info!(part = name, "ready"),
                    Ok(Some(note)) => tracing::warn!(part = name, note, "ready"),
                    Err(reason) => tracing::warn!(part = name, reason, "not ready"),
                }
            }
            part.state = state;
        }
    }

    /// The answer to a probe: whether all is well, and a line for each part.
    fn answer(&self, verdict: impl Fn(&Part) -> State) -> (StatusCode, String) {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let mut status = StatusCode::OK;
        for (name, part) in parts.iter() {
            let line = match verdict(part) {
                Ok(None) => writeln!(text, "{name}: ok"),
                Ok(Some(note)) => writeln!(text, "{name}: ok; {note}"),
                Err(reason) => {
                    status = StatusCode::SERVICE_UNAVAILABLE;
                    writeln!(text, "{name}: {reason}")
                }
            };
            debug_assert!(line.is_ok(), "writing to a string cannot fail");
        }
        (status, text)
    }

    fn readiness(&self) -> (StatusCode, String) {
        self.answer(|part| part.state.clone())
    }

    fn liveness(&self) -> (StatusCode, String) {
        self.answer(|part| match part.last.elapsed() {
            silent if silent > DEAD => Err(format!("silent for {} s", silent.as_secs())),
            _ => Ok(None),
        })
    }
}

/// One part's voice.
#[derive(Clone)]
pub(crate) struct Reporter {
    health: Health,
    name: &'static str,
}

impl Reporter {
    /// The part has done what it is for.
    pub(crate) fn ready(&self) {
        self.health.set(self.name, Some(Ok(None)));
    }

    /// The part has done what it is for, but people should look at this.
    pub(crate) fn ready_but(&self, note: impl Into<String>) {
        self.health.set(self.name, Some(Ok(Some(note.into()))));
    }

    /// The part has not, for this reason.
    pub(crate) fn not_ready(&self, reason: impl Into<String>) {
        self.health.set(self.name, Some(Err(reason.into())));
    }

    /// The part is alive.
    pub(crate) fn beat(&self) {
        self.health.set(self.name, None);
    }
}

/// What is counted, for Prometheus.
#[derive(Clone, Default)]
pub(crate) struct Metrics(Arc<Mutex<Counted>>);

#[derive(Default)]
struct Counted {
    counts: Counts,
    denied: usize,
    transactions: u64,
    seconds: f64,
    drifts: u64,
    /// Labels of who denies, and how many packets.
    denials: Vec<(String, u64)>,
}

/// The text of a label's value, between quotes.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Metrics {
    fn counted(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much the kernel has, and how many endpoints are denied because it refuses their rules.
    pub(crate) fn set_counts(&self, counts: &Counts, denied: usize) {
        let mut counted = self.counted();
        (counted.counts, counted.denied) = (*counts, denied);
    }

    /// A transaction was taken.
    pub(crate) fn applied(&self, took: Duration) {
        let mut counted = self.counted();
        counted.transactions += 1;
        counted.seconds += took.as_secs_f64();
    }

    /// How many packets each policy has denied.
    pub(crate) fn set_denied<'d>(&self, denied: impl Iterator<Item = Denied<'d>>) {
        let row = |denied: Denied<'_>| {
            let denier = denied.denier;
            let policy = match (&denier.owner, &denier.tier) {
                (Some(owner), _) => owner.to_string(),
                (None, Some(_)) => "end of tier".to_owned(),
                (None, None) => "no profile matched".to_owned(),
            };
            let (tier, policy) = (label(denier.tier.as_deref().unwrap_or_default()), label(&policy));
            let labels = format!("tier=\"{tier}\",policy=\"{policy}\",direction=\"{}\"", denier.direction);
            (labels, denied.packets)
        };
        self.counted().denials = denied.map(row).collect();
    }

    /// Somebody else had changed the table.
    pub(crate) fn drifted(&self) {
        self.counted().drifts += 1;
    }

    /// As text of Prometheus.
    fn text(&self) -> String {
        let counted = self.counted();
        let rows: [(&str, &str, &str, &dyn core::fmt::Display); 8] = [
            ("policy_chains", "gauge", "Chains of policy in the kernel.", &counted.counts.chains),
            ("policy_rules", "gauge", "Rules of policy that the kernel was given.", &counted.counts.rules),
            ("policy_sets", "gauge", "Sets of addresses in the kernel.", &counted.counts.sets),
            ("policy_set_members", "gauge", "Members of all sets.", &counted.counts.members),
            (
                "policy_denied_endpoints",
                "gauge",
                "Endpoints that are closed because their rules are refused.",
                &counted.denied,
            ),
            ("policy_apply_seconds_sum", "counter", "Seconds that transactions took.", &counted.seconds),
            (
                "policy_apply_seconds_count",
                "counter",
                "Transactions that the kernel took.",
                &counted.transactions,
            ),
            ("policy_drifts", "counter", "How often somebody else had changed the table.", &counted.drifts),
        ];
        let mut text = String::new();
        for (name, kind, about, value) in rows {
            let line = writeln!(
                text,
                "# HELP tortie_{name} {about}\n# TYPE tortie_{name} {kind}\ntortie_{name} {value}"
            );
            debug_assert!(line.is_ok(), "writing to a string cannot fail");
        }
        let name = "tortie_policy_denied_packets_total";
        text.push_str(&format!("# HELP {name} Packets that a policy denied.\n# TYPE {name} counter\n"));
        for (labels, packets) in &counted.denials {
            text.push_str(&format!("{name}{{{labels}}} {packets}\n"));
        }
        text
    }
}

/// Answers probes until the agent ends.
pub(crate) async fn serve(health: Health, metrics: Metrics, address: SocketAddr) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    tracing::info!(%address, "serving /liveness, /readiness and /metrics");
    let ready = health.clone();
    let router = Router::new()
        .route("/readiness", get(move || async move { ready.readiness() }))
        .route("/metrics", get(move || async move { metrics.text() }))
        .route("/liveness", get(move || async move { health.liveness() }));
    axum::serve(listener, router).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_between_their_quotes() {
        assert_eq!(label("a\"} 1\n\\x"), "a\\\"} 1\\n\\\\x");
    }

    #[test]
    fn one_part_that_is_not_ready_is_enough() {
        let health = Health::default();
        let (policy, routes) = (health.part("policy"), health.part("routes"));
        policy.ready();
        assert_eq!(health.readiness().0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(health.liveness().0, StatusCode::OK);
        routes.ready();
        assert_eq!(health.readiness(), (StatusCode::OK, "policy: ok\nroutes: ok\n".to_owned()));
        policy.ready_but("look here");
        assert_eq!(health.readiness(), (StatusCode::OK, "policy: ok; look here\nroutes: ok\n".to_owned()));
        policy.ready();
        routes.not_ready("no link");
        assert_eq!(health.readiness().1, "policy: ok\nroutes: no link\n");
    }
}
