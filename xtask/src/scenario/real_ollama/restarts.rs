//! The server before and after it was killed, the machine switched off in the middle of an answer, and the stick reflashed.

mod facts;
mod identity;

use anyhow::Result;

use self::facts::{Asked, Restarts, gather};
use super::models::right_answer;
use crate::scenario::{Context, Finding};

/// `ollama.generates`
pub fn generates(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(judge_answers(&facts, &right_answer()))
}

/// `ollama.stops-clean`
pub fn stops_clean(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(judge_shutdown(&facts))
}

/// `ollama.identity-on-persist`
pub fn identity_on_persist(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(identity::judge(&facts.identities))
}

fn judge_answers(facts: &Restarts, right: &str) -> Finding {
    let mut faults = Vec::new();
    for (when, asked) in &facts.answers {
        faults.extend(fault(asked, right).map(|fault| format!("{when}: {fault}")));
    }
    let pieces = facts.answers.iter().filter_map(|(_, asked)| {
        let streamed = asked.streamed.as_ref().ok()?;
        Some(streamed.len())
    });
    let seconds: Vec<String> = facts
        .answers
        .iter()
        .map(|(when, asked)| format!("{when} after {:.1} s", asked.first))
        .collect();
    let kept = format!(
        "ABC is answered with {right}, whole and in {} pieces; first answer {}",
        pieces.max().unwrap_or_default(),
        seconds.join(", ")
    );
    Finding::from_faults(&faults, kept)
}

/// What is wrong with an answer; `None` if it is right, whole and in pieces.
fn fault(asked: &Asked, right: &str) -> Option<String> {
    match &asked.whole {
        Ok(answer) if answer == right => {}
        Ok(answer) => return Some(format!("the answer is {answer:?}")),
        Err(error) => return Some(error.clone()),
    }
    match &asked.streamed {
        Ok(pieces) if pieces.concat() != right => Some(format!("the pieces are {pieces:?}")),
        Ok(pieces) if pieces.len() < 3 => Some(format!(
            "a streamed answer comes in {} pieces",
            pieces.len()
        )),
        Ok(_) => None,
        Err(error) => Some(format!("streamed: {error}")),
    }
}

fn judge_shutdown(facts: &Restarts) -> Finding {
    let shutdown = &facts.shutdown;
    let mut faults = Vec::new();
    if !shutdown.answering {
        faults.push("no answer was under way when the machine was switched off".to_string());
    }
    faults.extend(shutdown.killed.lines().map(str::to_string));
    if !shutdown.has_journal {
        faults.push("there is no journal of the shutdown".to_string());
    }
    let kept = format!(
        "in the middle of an answer, the machine was off after {:.1} s, and nothing had to be killed",
        shutdown.seconds
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests;
