//! `docker.resolves-late`

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, ensure};
use vm::lan_probe::dns::{self, NameServer};
use vm::process::pause;

use crate::scenario::{Context, Finding, network, of_container, one_line};

/// A name that only the network's own name server knows, and an address that no machine has (RFC 2606, RFC 5737).
const NAME: &str = "registry.lan.test";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// Until the container runs, under emulation.
const STARTED: Duration = Duration::from_secs(240);
/// How long the first answer may take once SSH answers: that far the network is there.
const RESOLVED: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct Facts {
    /// The container's /etc/resolv.conf.
    resolv_conf: String,
    /// The answer to a query from the container's network, sent to the first name server there; or why there was none.
    answer: Result<Ipv4Addr, String>,
    /// From SSH's answer to that one.
    took: Duration,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    cx.require_no_cable()?;
    let before = running_without_network(cx)?;
    let server = NameServer {
        addresses: cx.machine.lan().name_servers(),
        names: BTreeMap::from([(NAME.to_string(), ADDRESS)]),
    };
    let probe = cx.machine.lan_probe()?;
    probe.serve_names(server, Duration::ZERO);
    network::connect(cx)?.map_err(Error::msg)?;
    let start = Instant::now();
    let container = &cx.contract.ollama.container;
    let [container, resolv_conf] = cx
        .exec([
            &format!("docker inspect --format '{{{{.Id}}}} {{{{.State.Pid}}}}' {container}"),
            &format!("cat {}", of_container(container, "root/etc/resolv.conf")),
        ])?
        .map(|output| output.text);
    let (now, process) = container
        .trim()
        .split_once(' ')
        .with_context(|| format!("no container: {container}"))?;
    ensure!(
        now == before,
        "the container was started again when the network came: that says nothing about one that was not"
    );
    let answer = match first_server(&resolv_conf) {
        Some(server) => ask_until(cx, process, server, start)?,
        None => Err("it has no name server".to_string()),
    };
    Ok(Facts {
        resolv_conf,
        answer,
        took: start.elapsed(),
    })
}

/// The id of the container, once it runs, on a machine without an address.
fn running_without_network(cx: &mut Context) -> Result<String> {
    let container = &cx.contract.ollama.container;
    let wait = format!(
        "for turn in $(seq 100); do \
         id=$(sudo docker inspect --format '{{{{if .State.Running}}}}{{{{.Id}}}}{{{{end}}}}' {container} 2>/dev/null); \
         [ -n \"$id\" ] && break; sleep 2; done; echo \"container=$id=\"; \
         ip -4 -o address show scope global | grep -v docker"
    );
    let printed = cx.machine.console()?.run(&wait, STARTED)?;
    let id = printed.split('=').nth(1).unwrap_or_default().to_string();
    ensure!(!id.is_empty(), "the container does not run: {printed}");
    ensure!(
        !printed.contains("inet "),
        "the machine has an address without a cable: {printed}"
    );
    Ok(id)
}

/// Asks `server` in the network namespace of `process`, with the machine's own programs: the container may hold a single one.
fn ask_until(
    cx: &mut Context,
    process: &str,
    server: IpAddr,
    start: Instant,
) -> Result<Result<Ipv4Addr, String>> {
    let query: String = dns::query(NAME)
        .iter()
        .map(|byte| format!("\\x{byte:02x}"))
        .collect();
    // dd sends the query, and reads the answer, as one datagram.
    let command = format!(
        "nsenter -t {process} -n bash -c 'exec 3<>/dev/udp/{server}/53; printf \"{query}\" | \
         dd bs=1500 iflag=fullblock status=none >&3; timeout 5 dd bs=1500 count=1 status=none <&3' | od -An -v -tx1"
    );
    loop {
        let [printed] = cx.exec([&command])?;
        let answer = match bytes(&printed.text) {
            Some(bytes) if bytes.is_empty() => Err("no answer".to_string()),
            Some(bytes) => dns::address(&bytes),
            None => Err(printed.text),
        };
        if answer.is_ok() || start.elapsed() > RESOLVED {
            return Ok(answer);
        }
        pause(POLL)?;
    }
}

/// The bytes that od(1) printed.
fn bytes(printed: &str) -> Option<Vec<u8>> {
    let words = printed.split_whitespace();
    words
        .map(|word| u8::from_str_radix(word, 16).ok())
        .collect()
}

/// The first name server of a resolv.conf(5).
fn first_server(resolv_conf: &str) -> Option<IpAddr> {
    resolv_conf.lines().find_map(|line| {
        let (word, address) = line.split_once(char::is_whitespace)?;
        (word == "nameserver").then(|| address.trim().parse().ok())?
    })
}

fn judge(facts: &Facts) -> Finding {
    let Some(server) = first_server(&facts.resolv_conf) else {
        return Finding::Broken(format!(
            "its /etc/resolv.conf names no name server: {:?}",
            one_line(&facts.resolv_conf)
        ));
    };
    match &facts.answer {
        Ok(address) if *address == ADDRESS => Finding::Kept(format!(
            "{NAME} is resolved through {server} {:.1} s after SSH answers",
            facts.took.as_secs_f64()
        )),
        Ok(address) => Finding::Broken(format!(
            "{server} says that {NAME} is {address}, not {ADDRESS}"
        )),
        Err(why) => Finding::Broken(format!(
            "{server} does not resolve {NAME} within {} s: {}",
            RESOLVED.as_secs(),
            one_line(why)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            resolv_conf: "# a stub\nnameserver 127.0.0.53\noptions edns0\n".to_string(),
            answer: Ok(ADDRESS),
            took: Duration::from_millis(1500),
        }
    }

    #[test]
    fn kept_when_the_container_gets_the_address() {
        assert_kept(
            judge(&good()),
            "registry.lan.test is resolved through 127.0.0.53 1.5 s after SSH answers",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.resolv_conf = "# none\n#nameserver 127.0.0.53".to_string(),
                    "its /etc/resolv.conf names no name server: \"# none | #nameserver 127.0.0.53\"",
                ),
                (
                    |facts| facts.answer = Ok(Ipv4Addr::new(192, 0, 2, 8)),
                    "127.0.0.53 says that registry.lan.test is 192.0.2.8, not 192.0.2.7",
                ),
                (
                    |facts| facts.answer = Err("no address: ServerFailure".to_string()),
                    "127.0.0.53 does not resolve registry.lan.test within 20 s: no address: ServerFailure",
                ),
            ],
        );
    }

    #[test]
    fn printed_bytes_are_read_and_messages_are_not() {
        assert_eq!(bytes(" 6f 6c\n 00"), Some(vec![0x6f, 0x6c, 0]));
        assert_eq!(bytes(""), Some(Vec::new()));
        assert_eq!(bytes("bash: connect: refused"), None);
    }
}
