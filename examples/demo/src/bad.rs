//! Bad input: manifests, a plugin's configuration, and a BGP peer.

use crate::cluster::Cluster;
use crate::pods::{NETWORK, Pod};
use crate::screen::Screen;
use crate::{facts, garbage, peers};
use anyhow::{Context as _, bail};
use serde_json::json;
use tortie_ipam::keys;

/// A manifest that must be refused: what is wrong with it, its text, and words that the refusal must hold.
const MANIFESTS: [(&str, &str, &[&str]); 3] = [
    (
        "an unknown field",
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: bad}\nspec: {cidr: 10.99.0.0/16, blocksize: 26}\n",
        &["blocksize"],
    ),
    (
        "a wrong CIDR",
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: bad}\nspec: {cidr: 10.99.0.0/33}\n",
        &["cidr", "10.99.0.0/33"],
    ),
    (
        "a selector with a typo",
        "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: bad}\nspec:\n  selector: role = 'db'\n",
        &["selector", "column"],
    ),
];

/// `tortie-ctl` refuses bad manifests, names file and field, and applies nothing.
pub(crate) async fn manifests(cluster: &Cluster, screen: &mut Screen) -> anyhow::Result<()> {
    let file = cluster.datastore.with_file_name("bad.yaml");
    let arguments = ["apply".as_ref(), "-f".as_ref(), file.as_os_str()];
    for (what, text, words) in MANIFESTS {
        std::fs::write(&file, text)?;
        let before = cluster.store.revision().await?;
        let ended = cluster.ctl(&arguments, "").await?;
        let said = ended.err.trim().to_owned();
        let refused = async {
            if ended.ok {
                bail!("accepted");
            }
            if cluster.store.revision().await? != before {
                bail!("something was written");
            }
            let file = file.display().to_string();
            for word in [&[file.as_str()], words].concat() {
                if !said.contains(word) {
                    bail!("`{word}` is not in `{said}`");
                }
            }
            Ok(String::new())
        };
        let refused = refused.await;
        screen.claim(&format!("tortie-ctl refuses {what}, says where, and applies nothing"), refused);
        screen.show(indented(&said));
    }
    Ok(())
}

/// `tortie-cni` refuses bad configurations with CNI's codes, and leaves nothing allocated.
pub(crate) async fn configurations(cluster: &Cluster, screen: &mut Screen) -> anyhow::Result<()> {
    let host = cluster.hosts.first().context("no hosts")?;
    let pod =
        Pod::new(serde_json::from_value(json!({"name": "bad", "namespace": "bad", "node": host.name}))?);
    let mut wrong_family = json!({"cniVersion": "0.3.1", "name": NETWORK, "type": "tortie-cni", "nodename": host.name,
        "datastore": cluster.datastore, "ipam": {"type": "tortie-ipam", "ipv4_pools": ["no-such-pool"]}});
    let unknown_pool = wrong_family.to_string();
    if let Some(version) = wrong_family.get_mut("cniVersion") {
        *version = json!("9.9.9");
    }
    // CNI SPEC 1.1.0, "Error": 1 is an incompatible version, 6 is what cannot be decoded.
    let cases = [("{", Some(6)), (&wrong_family.to_string(), Some(1)), (&unknown_pool, None)];
    let result = async {
        let before = facts::left_under(&cluster.store, keys::HANDLES).await?;
        let mut codes = Vec::new();
        for (input, want) in cases {
            let code = pod.refused(&cluster.programs, host, input).await?;
            if want.is_some_and(|want| want != code) {
                bail!("code {code} for `{input}`");
            }
            codes.push(code.to_string());
        }
        if facts::left_under(&cluster.store, keys::HANDLES).await? != before {
            bail!("an address is allocated");
        }
        Ok(format!("codes {}", codes.join(", ")))
    };
    let result = result.await;
    screen.claim("tortie-cni answers bad configurations with an error object, and allocates nothing", result);
    Ok(())
}

/// A peer that sends garbage gets its NOTIFICATION from every agent, and the other sessions stay.
pub(crate) async fn peer(cluster: &Cluster, screen: &mut Screen) -> anyhow::Result<()> {
    let manifest = cluster.datastore.with_file_name("stranger.yaml");
    std::fs::write(&manifest, garbage::peer(&cluster.router))?;
    cluster.apply(&manifest).await?;
    let before = sessions(cluster).await?;
    let answers = async {
        for host in &cluster.hosts {
            let codes = garbage::until_answered(&cluster.router, host).await?;
            // RFC 4271 §6.1: a wrong marker is a message header error, connection not synchronised.
            if codes != (1, 1) {
                bail!("{} answered with NOTIFICATION {}/{}", host.name, codes.0, codes.1);
            }
        }
        for host in &cluster.hosts {
            if let Err(lacking) = host.ready().await? {
                bail!("{} is not ready any more: {lacking}", host.name);
            }
        }
        let after = sessions(cluster).await?;
        let gone: Vec<_> = before.iter().filter(|session| !after.contains(session)).cloned().collect();
        if !gone.is_empty() {
            bail!("connections of others are gone: {}", gone.join(", "));
        }
        Ok("NOTIFICATION 1/1 from each".to_owned())
    };
    let answers = answers.await;
    screen.claim(
        "a BGP peer that sends garbage gets the right NOTIFICATION, and the others notice nothing",
        answers,
    );
    let gone = cluster.ctl(&["delete", "bgppeer", "stranger"], "").await?;
    gone.out("tortie-ctl delete").map(drop)
}

/// The TCP connections of the others, by both ends' addresses and ports, and that BIRD's sessions are established. (Not
/// since when they are: BIRD's answer to that varies by a millisecond from one time to the next.)
async fn sessions(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for host in &cluster.hosts {
        let connections =
            peers::of(host)?.into_iter().filter(|connection| connection.peer.ip() != cluster.router.stranger);
        found.extend(connections.map(|connection| format!("{} {connection}", host.name)));
        if let Some(bird) = &cluster.bird {
            bird.established(&cluster.programs, &host.name).await?;
        }
    }
    Ok(found)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("     {line}")).collect::<Vec<_>>().join("\n")
}
