//! `firewall.published-ports-contained`

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use vm::lan_probe::PortState;

use super::link_local;
use crate::scenario::{Context, Finding, ollama};

/// The port that a container publishes; no service of the appliance uses it.
const PUBLISHED: u16 = 18_080;
/// The container's own port behind it.
const INSIDE: u16 = 11_434;
const RESOLVE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
enum Facts {
    /// The port does not answer on the machine itself, so silence outside would prove nothing; what was printed there.
    NotPublished(String),
    /// The port's state on each way from outside.
    Published(Vec<(&'static str, PortState)>),
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    // The service loads the image that is run here.
    ollama::wait_until_up(cx)?;
    let v6 = link_local(cx)?;
    let image = &cx.contract.ollama.image;
    cx.machine.succeed(&format!(
        "docker rm -f published >/dev/null 2>&1; docker run -d --pull never --name published -e OLLAMA_HOST=0.0.0.0:{INSIDE} -p {PUBLISHED}:{INSIDE} {image}"
    ))?;
    let facts = probe(cx, v6);
    cx.exec(["docker rm -f published"])?;
    facts
}

fn probe(cx: &mut Context, v6: IpAddr) -> Result<Facts> {
    let [inside, address] = cx.exec([
        &format!(
            "for i in $(seq 50); do timeout 5 bash -c ': < /dev/tcp/127.0.0.1/{PUBLISHED}' && exit 0; sleep 0.2; done; exit 1"
        ),
        "docker inspect --format '{{.NetworkSettings.IPAddress}}' published",
    ])?;
    if !inside.ok() {
        return Ok(Facts::NotPublished(inside.text));
    }
    let guest = IpAddr::from(cx.machine.lan().guest);
    let container: IpAddr = address
        .text
        .trim()
        .parse()
        .context("the container has no address")?;
    let probe = cx.machine.lan_probe()?;
    let mac = probe.resolve(guest, RESOLVE)?;
    let mut states = Vec::new();
    for (way, target, port) in [
        ("the published port over IPv4", guest, PUBLISHED),
        ("the published port over IPv6", v6, PUBLISHED),
        (
            "the container's own address, routed through the machine",
            container,
            INSIDE,
        ),
    ] {
        states.push((way, probe.ask_via(mac, target, port)?));
    }
    Ok(Facts::Published(states))
}

fn judge(facts: &Facts) -> Finding {
    let states = match facts {
        Facts::NotPublished(printed) => {
            return Finding::Broken(format!(
                "the published port does not answer on the machine itself: {printed}"
            ));
        }
        Facts::Published(states) => states,
    };
    let faults: Vec<String> = states
        .iter()
        .filter(|(_, state)| *state != PortState::Filtered)
        .map(|(way, state)| format!("{way} is {state:?}"))
        .collect();
    let kept = format!(
        "port {PUBLISHED} answers on the machine itself, and to no other host, over IPv4 or IPv6"
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn states(states: [PortState; 3]) -> Facts {
        let ways = ["IPv4", "IPv6", "routed"];
        Facts::Published(ways.into_iter().zip(states).collect())
    }

    #[test]
    fn kept_when_no_other_host_gets_an_answer() {
        assert_kept(
            judge(&states([PortState::Filtered; 3])),
            "port 18080 answers on the machine itself, and to no other host, over IPv4 or IPv6",
        );
    }

    #[test]
    fn each_answer_breaks_it() {
        use PortState::{Closed, Filtered, Open};
        assert_each_breaks(
            &states([Filtered; 3]),
            judge,
            &[
                (
                    |facts| *facts = Facts::NotPublished("timeout".to_string()),
                    "the published port does not answer on the machine itself: timeout",
                ),
                (
                    |facts| *facts = states([Open, Filtered, Filtered]),
                    "IPv4 is Open",
                ),
                (
                    |facts| *facts = states([Filtered, Closed, Filtered]),
                    "IPv6 is Closed",
                ),
                (
                    |facts| *facts = states([Filtered, Filtered, Open]),
                    "routed is Open",
                ),
            ],
        );
    }
}
