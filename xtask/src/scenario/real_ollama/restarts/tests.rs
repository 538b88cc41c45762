//! Tests of the verdicts.

use super::facts::Shutdown;
use super::identity::Identity;
use super::*;
use crate::scenario::testing::{assert_each_breaks, assert_kept};

fn good() -> Restarts {
    let asked = Asked {
        whole: Ok("DE".to_string()),
        streamed: Ok(vec!["D".to_string(), "E".to_string(), String::new()]),
        first: 1.0,
    };
    let identity = Identity {
        used: "ssh-ed25519 AAAA".to_string(),
        kept: "ssh-ed25519 AAAA".to_string(),
        rights: "600 root".to_string(),
        beside_models: String::new(),
    };
    Restarts {
        answers: vec![("at first", asked.clone()), ("after a reboot", asked)],
        shutdown: Shutdown {
            answering: true,
            seconds: 9.0,
            killed: String::new(),
            has_journal: true,
        },
        identities: vec![("at first", identity.clone()), ("after a reboot", identity)],
    }
}

#[test]
fn each_fault_of_an_answer_is_told_with_its_occasion() {
    let judge = |facts: &Restarts| judge_answers(facts, "DE");
    assert_kept(
        judge(&good()),
        "ABC is answered with DE, whole and in 3 pieces; first answer at first after 1.0 s, after a reboot after 1.0 s",
    );
    assert_each_breaks(
        &good(),
        judge,
        &[
            (
                |facts| facts.answers[1].1.whole = Ok("x".to_string()),
                "after a reboot: the answer is \"x\"",
            ),
            (
                |facts| facts.answers[0].1.whole = Err("404: no".to_string()),
                "at first: 404: no",
            ),
            (
                |facts| facts.answers[0].1.streamed = Ok(vec!["D".to_string()]),
                "at first: the pieces are [\"D\"]",
            ),
            (
                |facts| facts.answers[0].1.streamed = Ok(vec!["DE".to_string()]),
                "at first: a streamed answer comes in 1 pieces",
            ),
            (
                |facts| facts.answers[0].1.streamed = Err("cut".to_string()),
                "at first: streamed: cut",
            ),
        ],
    );
}

#[test]
fn a_shutdown_kills_nothing() {
    assert_kept(
        judge_shutdown(&good()),
        "in the middle of an answer, the machine was off after 9.0 s, and nothing had to be killed",
    );
    assert_each_breaks(
        &good(),
        judge_shutdown,
        &[
            (
                |facts| facts.shutdown.answering = false,
                "no answer was under way when the machine was switched off",
            ),
            (
                |facts| facts.shutdown.killed = "docker-ollama.service: Killing".to_string(),
                "docker-ollama.service: Killing",
            ),
            (
                |facts| facts.shutdown.has_journal = false,
                "there is no journal of the shutdown",
            ),
        ],
    );
}

#[test]
fn the_key_is_one_and_on_persist() {
    let judge = |facts: &Restarts| identity::judge(&facts.identities);
    assert_kept(
        judge(&good()),
        "the same key on PERSIST, readable by root only: at first, after a reboot",
    );
    assert_each_breaks(
        &good(),
        judge,
        &[
            (
                |facts| {
                    for (_, identity) in &mut facts.identities {
                        identity.used = "cat: none".to_string();
                        identity.kept = "cat: none".to_string();
                    }
                },
                "the server has no key: cat: none",
            ),
            (
                |facts| {
                    facts.identities[1].1.used = "ssh-ed25519 BBBB".to_string();
                    facts.identities[1].1.kept = "ssh-ed25519 BBBB".to_string();
                },
                "after a reboot: the server uses another key",
            ),
            (
                |facts| facts.identities[1].1.kept = "no such file".to_string(),
                "after a reboot: PERSIST does not have the key: no such file",
            ),
            (
                |facts| facts.identities[0].1.rights = "644 root".to_string(),
                "at first: the private key's rights are 644 root",
            ),
            (
                |facts| facts.identities[0].1.beside_models = "id_ed25519".to_string(),
                "at first: there are keys beside the models: id_ed25519",
            ),
        ],
    );
}
