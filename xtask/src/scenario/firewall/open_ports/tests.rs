//! The verdict on the facts: kept, and each way to fail.

use super::own_count::WAYS;
use super::*;
use crate::scenario::testing::{assert_each_breaks, assert_kept};

const UDP4: Way = (Family::V4, Transport::Udp);
const TCP6: Way = (Family::V6, Transport::Tcp);

fn good() -> Facts {
    let tcp = vec![
        (22, PortState::Open),
        (80, PortState::Filtered),
        (11434, PortState::Open),
    ];
    let udp = vec![(22, PortState::Filtered), (546, PortState::Filtered)];
    let mut count = OwnCount::default();
    let mut scans = Vec::new();
    for way in WAYS {
        let ports = match way.1 {
            Transport::Tcp => tcp.clone(),
            Transport::Udp => udp.clone(),
        };
        let open = ports.iter().filter(|(_, state)| *state == PortState::Open);
        count.let_in.extend(open.map(|(port, _)| (way, *port)));
        count.arrived.insert(way, ports.len());
        let sent = ports.len();
        let found = Scanned { ports, sent };
        scans.push(Scan { way, found });
    }
    Facts {
        scans,
        count,
        took: Duration::from_secs(2),
    }
}

fn judge_promised(facts: &Facts) -> Finding {
    let promised = Promised {
        v4: vec![22, 11434],
        v6: vec![22, 11434],
    };
    judge(facts, &promised)
}

/// Gives the port at `place` of a scan another state.
fn set(facts: &mut Facts, scan: usize, place: usize, state: PortState) {
    let Scan { way, found } = &mut facts.scans[scan];
    found.ports[place].1 = state;
    if state == PortState::Open {
        facts.count.let_in.insert((*way, found.ports[place].0));
    }
}

#[test]
fn kept_when_only_promised_ports_answer() {
    assert_kept(
        judge_promised(&good()),
        "3 TCP and 2 UDP ports over IPv4 and IPv6 in 2.0 s: [22, 11434] are open, nothing else is let through",
    );
}

#[test]
fn an_answer_of_any_kind_breaks_it() {
    assert_each_breaks(
        &good(),
        judge_promised,
        &[
            (
                |facts| set(facts, 0, 1, PortState::Closed),
                "IPv4 Tcp 80 let through",
            ),
            (
                |facts| set(facts, 2, 1, PortState::Open),
                "IPv6 Tcp 80 let through",
            ),
            // A promised TCP port is not promised over UDP.
            (
                |facts| set(facts, 1, 0, PortState::Open),
                "IPv4 Udp 22 let through",
            ),
            (
                |facts| {
                    let closed = (100..110).map(|port| (port, PortState::Closed));
                    facts.scans[0].found.ports.extend(closed);
                },
                "IPv4 Tcp 100, 101, 102, 103, 104, 105, 106, 107 and 2 more let through",
            ),
        ],
    );
}

#[test]
fn a_port_that_is_let_through_in_silence_breaks_it() {
    assert_each_breaks(
        &good(),
        judge_promised,
        &[
            (
                |facts| facts.count.let_in.extend([(UDP4, 22), (UDP4, 40_001)]),
                "IPv4 Udp 22, 40001 let through",
            ),
            // A port that answers is named once.
            (
                |facts| {
                    set(facts, 2, 1, PortState::Closed);
                    facts.count.let_in.insert((TCP6, 80));
                },
                "IPv6 Tcp 80 let through",
            ),
            // Not even a promised port is a container's.
            (
                |facts| facts.count.passed_on.extend([(TCP6, 22)]),
                "IPv6 Tcp 22 passed on to a container",
            ),
            (
                |facts| {
                    facts
                        .count
                        .let_in
                        .extend((1..=1024).map(|port| (UDP4, port)))
                },
                "IPv4 Udp 1, 2, 3, 4, 5, 6, 7, 8 and 1016 more let through; \
                 the machine noted 1024 ports, and there may be more",
            ),
        ],
    );
}

#[test]
fn a_count_without_an_open_port_proves_nothing() {
    assert_each_breaks(
        &good(),
        judge_promised,
        &[(
            |facts| assert!(facts.count.let_in.remove(&(TCP6, 22))),
            "IPv6 Tcp 22 is open, but the machine did not count it",
        )],
    );
}

#[test]
fn a_probe_that_did_not_arrive_is_noticed() {
    let mut facts = good();
    assert_eq!(loss(&facts.scans, &facts.count), None);
    facts.count.arrived.insert(TCP6, 2);
    assert_eq!(
        loss(&facts.scans, &facts.count).as_deref(),
        Some("of 3 probes over IPv6 Tcp only 2 reached the machine")
    );
}

#[test]
fn a_promised_port_that_is_shut_breaks_it() {
    assert_each_breaks(
        &good(),
        judge_promised,
        &[
            (
                |facts| set(facts, 0, 0, PortState::Filtered),
                "IPv4 Tcp 22 is Filtered, not open",
            ),
            (
                |facts| set(facts, 2, 2, PortState::Closed),
                "IPv6 Tcp 11434 is Closed, not open",
            ),
        ],
    );
}

#[test]
fn the_dhcpv6_client_may_be_closed_but_not_open() {
    let mut facts = good();
    set(&mut facts, 3, 1, PortState::Closed);
    facts.count.let_in.insert(DHCPV6_CLIENT);
    assert!(matches!(judge_promised(&facts), Finding::Kept(_)));
    assert_each_breaks(
        &good(),
        judge_promised,
        &[
            (
                |facts| set(facts, 3, 1, PortState::Open),
                "IPv6 Udp 546 let through",
            ),
            (
                |facts| set(facts, 1, 1, PortState::Closed),
                "IPv4 Udp 546 let through",
            ),
            (
                |facts| facts.count.let_in.extend([(TCP6, 546)]),
                "IPv6 Tcp 546 let through",
            ),
        ],
    );
}

#[test]
fn a_port_that_is_shut_to_this_network_must_not_let_the_probe_through() {
    let promised = Promised {
        v4: vec![22, 11434],
        v6: vec![22],
    };
    assert_eq!(
        judge(&good(), &promised),
        Finding::Broken("IPv6 Tcp 11434 let through".to_string())
    );
    assert_eq!(
        promised.to_string(),
        "[22, 11434] are open over IPv4 and [22] over IPv6"
    );
}
