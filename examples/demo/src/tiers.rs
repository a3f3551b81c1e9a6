//! A tier, a draft and a policy of Kubernetes beside the policies that are there.

use crate::cluster::{self, Cluster};
use crate::facts::Judge;
use crate::matrix::{Expected, Way};
use crate::pods::Pod;
use crate::screen::Screen;
use crate::story;
use anyhow::ensure;
use tortie_policy::Verdict;

/// What the manifests name.
const GUARD: &str = "guard.no-monitor";
const DRAFT: &str = "close-fronts";
const BATCH: &str = "red/batch-3";

/// Applies them, and claims that each does what it should; what is to be expected from then on.
pub(crate) async fn claim(
    screen: &mut Screen,
    cluster: &mut Cluster,
    ways: &[Way],
    before: &Expected,
) -> anyhow::Result<Expected> {
    let applied = cluster.apply(&cluster::folder().join("manifests/tiers")).await;
    screen.claim(
        "tortie-ctl applies a tier, a staged policy and a policy of Kubernetes",
        applied.map(|lines| format!("{lines} objects")),
    );
    let after = story::connected(screen, cluster, ways, "with a tier", |open, denied| open > 0 && denied > 0);
    let after = after.await?;
    let judge = Judge::read(&cluster.store).await?;
    screen.claim(
        "the tier and the policy of Kubernetes close what was open, and nothing is open that was closed",
        closed(cluster, &judge, before, &after),
    );
    let drafted = drafted(screen, cluster, &judge, &after);
    screen.claim("the staged policy closes nothing, and the trace says what it would close", drafted);
    Ok(after)
}

/// What is closed now and was open, by which of both.
fn closed(cluster: &Cluster, judge: &Judge, before: &Expected, after: &Expected) -> anyhow::Result<String> {
    let was_open = |way: &Way| before.get(way) == Some(&true);
    let opened = after.iter().filter(|(way, open)| **open && !was_open(way)).count();
    ensure!(opened == 0, "{opened} flows are open that were not");
    let (mut by_tier, mut by_kubernetes) = (0, 0);
    for (way, _) in after.iter().filter(|(way, open)| !**open && was_open(way)) {
        let evaluation = judge.evaluate(&cluster.pods, way)?;
        let denied = evaluation.trace.ends.iter().find(|end| end.verdict == Verdict::Deny);
        let by = denied.map(|end| end.decided_by.to_string()).unwrap_or_default();
        if by.contains(GUARD) {
            by_tier += 1;
        } else {
            let from = cluster.pods.get(way.from).map(Pod::name);
            ensure!(from.as_deref() == Some(BATCH), "{} is closed by {by}", way.text(&cluster.pods));
            by_kubernetes += 1;
        }
    }
    ensure!(
        by_tier > 0 && by_kubernetes > 0,
        "{by_tier} by the tier, {by_kubernetes} by the policy of Kubernetes"
    );
    Ok(format!("{by_tier} flows by the tier, {by_kubernetes} by the policy of Kubernetes"))
}

/// What is open and would be closed if the draft were enforced.
fn drafted(screen: &Screen, cluster: &Cluster, judge: &Judge, after: &Expected) -> anyhow::Result<String> {
    let mut would_close = 0;
    for (way, _) in after.iter().filter(|(_, open)| **open) {
        let evaluation = judge.evaluate(&cluster.pods, way)?;
        let drafts = evaluation.trace.ends.iter().filter_map(|end| end.staged.as_ref());
        let mut denials = drafts.filter(|staged| staged.verdict == Verdict::Deny);
        let Some(denial) = denials.next() else { continue };
        let consults = denial.consulted.iter().any(|consulted| consulted.to_string().contains(DRAFT));
        ensure!(consults, "{} would be denied, but not by the draft", way.text(&cluster.pods));
        if would_close == 0 {
            screen.title(&format!("what would deny {}", way.text(&cluster.pods)));
            screen.show(evaluation.to_string());
        }
        would_close += 1;
    }
    ensure!(would_close > 0, "no flow would be closed");
    Ok(format!("{would_close} flows are open that it would close"))
}
