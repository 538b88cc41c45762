//! Following a trial: the machine is switched on whenever it restarts, until its version is no longer on trial.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use vm::process::pause;
use vm::{Ended, NoLogin};

use crate::scenario::{Context, Finding};
pub use crate::update_state::{State, Undone};

/// The timeout from the first start of a new version to the end of the trial, on whichever version.
const DEADLINE: Duration = Duration::from_secs(90 * 60);
/// The timeout of a clean shutdown.
const SHUTDOWN: Duration = Duration::from_secs(180);
/// The timeout of a restart, once a try has failed.
const RESTART: Duration = Duration::from_secs(120);
/// Three tries and the previous version make four; a machine with more starts than this restarts for ever.
const MOST_STARTS: usize = 8;

/// A trial without an end: what the machine does instead, as a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unsettled(String);

/// What `judge` says of the facts. An [`Unsettled`] machine breaks the promise; the check could be made.
///
/// # Errors
/// Those of the facts.
pub fn judged<T>(facts: Result<T>, judge: impl FnOnce(&T) -> Finding) -> Result<Finding> {
    match facts {
        Ok(facts) => Ok(judge(&facts)),
        Err(error) => error
            .downcast::<Unsettled>()
            .map(|unsettled| Finding::Broken(unsettled.0)),
    }
}

/// `error`, with what was done before it if it is an [`Unsettled`] machine.
pub fn after(what: &str, error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Unsettled>() {
        Ok(Unsettled(why)) => Unsettled(format!("{what}: {why}")).into(),
        Err(error) => error,
    }
}

/// Whether the running version is on trial; see [`judged`].
///
/// # Errors
/// It is not.
pub fn require(cx: &mut Context, before: &str) -> Result<()> {
    match state(cx)?.trial {
        true => Ok(()),
        false => Err(Unsettled(format!("the trial ended before {before}")).into()),
    }
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// How often the machine started.
    pub starts: usize,
    pub state: State,
    /// From the first start to the end of the trial.
    pub seconds: u64,
}

/// The machine's state, as it reports it.
///
/// # Errors
/// No shell, or the machine prints something else.
pub fn state(cx: &mut Context) -> Result<State> {
    let text = cx.machine.succeed("ollamalive update --state")?;
    serde_json::from_str(&text).with_context(|| format!("`ollamalive update --state`: {text}"))
}

/// Restarts the machine into what is installed; see [`settle`].
///
/// # Errors
/// As [`settle`], or it does not shut down.
pub fn restart(cx: &mut Context) -> Result<Settled> {
    shut_down(cx)?;
    settle(cx)
}

/// Has the machine restart. It stays off, because QEMU does not start it again.
///
/// # Errors
/// It does not shut down.
pub fn shut_down(cx: &mut Context) -> Result<()> {
    cx.machine.succeed("systemctl reboot --no-block")?;
    if !cx.machine.ends_within(SHUTDOWN)? {
        let what = format!(
            "the machine did not shut down within {} s",
            SHUTDOWN.as_secs()
        );
        return Err(Unsettled(what).into());
    }
    Ok(())
}

/// Switches the machine on, and again whenever it restarts, until the running version is no longer on trial.
///
/// # Errors
/// The version is still on trial at the deadline, or the machine hangs or restarts for ever.
pub fn settle(cx: &mut Context) -> Result<Settled> {
    settle_and(cx, &mut |_| Ok(()))
}

/// As [`settle`]; calls `started` after each start that ended in a login.
///
/// # Errors
/// As [`settle`], and those of `started`.
pub fn settle_and(
    cx: &mut Context,
    started: &mut dyn FnMut(&mut Context) -> Result<()>,
) -> Result<Settled> {
    let begin = Instant::now();
    for starts in 1..=MOST_STARTS {
        if !start(cx)? {
            continue;
        }
        started(cx)?;
        if let Some(state) = after_trial(cx, begin + DEADLINE)? {
            return Ok(Settled {
                starts,
                state,
                seconds: begin.elapsed().as_secs(),
            });
        }
    }
    Err(restarts_for_ever())
}

/// Switches the machine on, and again whenever it restarts, until there is a login. Returns the state then.
///
/// # Errors
/// As [`settle`] and [`state`].
pub fn come_up(cx: &mut Context) -> Result<State> {
    for _ in 1..=MOST_STARTS {
        if start(cx)? {
            return state(cx);
        }
    }
    Err(restarts_for_ever())
}

/// Waits until the running version is no longer on trial; see [`settle`].
///
/// # Errors
/// As [`settle`].
pub fn await_verdict(cx: &mut Context) -> Result<()> {
    if after_trial(cx, Instant::now() + DEADLINE)?.is_none() {
        settle(cx)?;
    }
    Ok(())
}

fn restarts_for_ever() -> anyhow::Error {
    Unsettled(format!(
        "the machine has started {MOST_STARTS} times, and restarts for ever"
    ))
    .into()
}

/// Switches the machine on. `false`: it restarted before there was a login.
fn start(cx: &mut Context) -> Result<bool> {
    match cx.machine.boot() {
        Ok(_) => Ok(true),
        Err(error) if error.is::<Ended>() => Ok(false),
        Err(error) => {
            ensure!(error.is::<NoLogin>(), error);
            if !cx.machine.ends_within(RESTART)? {
                let what = format!("the machine does not start, and does not restart: {error}");
                return Err(Unsettled(what).into());
            }
            Ok(false)
        }
    }
}

/// The state once the trial is over; `None` if the machine restarts before.
fn after_trial(cx: &mut Context, end: Instant) -> Result<Option<State>> {
    loop {
        match state(cx) {
            Ok(state) if !state.trial => return Ok(Some(state)),
            Ok(_) => {}
            // It may be about to restart.
            Err(error) => {
                if cx.machine.ends_within(RESTART)? {
                    return Ok(None);
                }
                let what = format!("the machine does not answer, and does not restart: {error:#}");
                return Err(Unsettled(what).into());
            }
        }
        if cx.machine.ends_within(Duration::from_secs(3))? {
            return Ok(None);
        }
        if Instant::now() > end {
            let minutes = DEADLINE.as_secs() / 60;
            let what = format!("a version is still on trial after {minutes} min");
            return Err(Unsettled(what).into());
        }
        pause(Duration::from_secs(2))?;
    }
}
