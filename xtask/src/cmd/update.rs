//! `update`: send a new version of the system to a running machine.

mod host;
mod payload;
mod remote;
mod reply;
mod wait;

use std::io::{self, IsTerminal, stdin};

use anyhow::Result;
use stick::units::decimal_size;
use vm::process;

use self::host::Host;
use self::payload::{Payload, Source};
use self::remote::Remote;
use self::reply::{Examined, Pushed};
use self::wait::{Attempt, Outcome};
use super::pass_progress::PassProgress;
use crate::answer;
use crate::cli::Update;
use crate::error::{InterruptedWith, usage};
use crate::exit::Exit;

pub fn run(options: &Update) -> Result<Exit> {
    let remote = Remote::new(Host::new(&options.host, options.port)?)?;
    // An image at hand is looked at first. Nix takes longer than the machine.
    let image = options.image.as_deref().map(Source::at).transpose()?;
    let state = remote.state()?;
    let source = image.map_or_else(Source::build, Ok)?;
    outln!("machine    {}: version {}", remote.host, state.version);
    let progress = PassProgress::default();
    let payload = source.payload(&progress)?;
    let new = &payload.update.version;
    outln!(
        "update     version {new}, {} in {}",
        decimal_size(payload.bytes()),
        payload.from()
    );
    let consent = match remote.examine(&payload.update)? {
        Examined::Fits(_) if state.version == *new => {
            outln!("{} already runs version {new}", remote.host);
            return Ok(Exit::Ok);
        }
        Examined::Fits(_) => false,
        Examined::Differs(lines) => agree(&lines, options.yes)?,
        Examined::Refused(why) => return Err(unchanged(&remote, &why)),
    };
    let attempt = Attempt {
        host: remote.host.clone(),
        known_undone: state.undone_why(new).is_some(),
        old: state.version,
        new: new.clone(),
        installed: true,
    };
    push(&remote, &payload, options, consent, &progress, attempt)
}

/// Whether an update that was built for another configuration may be installed: prints the differences, and asks unless `yes`.
///
/// # Errors
/// The answer is no, there is no terminal to ask on, or Ctrl-C.
fn agree(differences: &[String], yes: bool) -> Result<bool> {
    for line in differences {
        outln!("{line}");
    }
    if yes {
        return Ok(true);
    }
    if !stdin().is_terminal() {
        return Err(usage(
            "the update was built for another configuration, and there is no terminal to ask on: add --yes to install it",
        ));
    }
    match answer::ask("Install it? [y/N] ") {
        Ok(answer) if matches!(&answer[..], "y" | "Y" | "yes") => Ok(true),
        Ok(_) => Err(usage("nothing was changed: the answer was not `y`")),
        Err(_) if process::check_interrupt().is_err() => {
            Err(InterruptedWith("nothing was changed".into()).into())
        }
        Err(error) => Err(error),
    }
}

/// The error for an update that the machine refused, `why` being its reason.
fn unchanged(remote: &Remote, why: &str) -> anyhow::Error {
    let (host, why) = (&remote.host, reply::from_here(why, &remote.host));
    usage(format!("{host} refuses the update: {why}"))
}

/// Sends the update, and waits until the machine runs it.
fn push(
    remote: &Remote,
    payload: &Payload,
    options: &Update,
    consent: bool,
    progress: &PassProgress,
    mut attempt: Attempt,
) -> Result<Exit> {
    let flags = [
        ("--yes", consent),
        ("--force", options.force),
        ("--restart", !options.no_restart),
    ];
    let flags = flags.into_iter().filter(|(_, wanted)| *wanted);
    let flags: Vec<&str> = flags.map(|(flag, _)| flag).collect();
    let (host, new) = (&remote.host, &attempt.new);
    match remote.push(payload, &flags, progress) {
        Err(_) if process::check_interrupt().is_err() => Err(InterruptedWith(format!(
            "{host} has not installed version {new}, unless all of it had arrived: `{} ollamalive update --state` shows which version runs",
            host.ssh()
        ))
        .into()),
        Err(error) => Err(error),
        Ok(Pushed::Refused(why)) => Err(unchanged(remote, &why)),
        Ok(Pushed::Cut(why)) => Err(usage(format!(
            "the connection to {host} was lost while the update was sent ({why}): nothing has changed there, run this again"
        ))),
        Ok(Pushed::Waits(why)) => Err(usage(format!(
            "version {new} is installed on {host} and has not been started: {}",
            reply::from_here(&why, host)
        ))),
        Ok(Pushed::Installed) if options.no_restart => {
            outln!("version {new} is installed on {host}, and starts at its next restart");
            Ok(Exit::Ok)
        }
        Ok(Pushed::Installed) => remote_wait(remote, &attempt),
        Ok(Pushed::Unknown(_)) => {
            attempt.installed = false;
            remote_wait(remote, &attempt)
        }
    }
}

/// Waits until the machine has kept or undone the new version, and prints which.
fn remote_wait(remote: &Remote, attempt: &Attempt) -> Result<Exit> {
    let Attempt { host, new, .. } = attempt;
    match wait::until_settled(remote, attempt) {
        Err(_) if process::check_interrupt().is_err() => Err(InterruptedWith(format!(
            "version {new} was sent to {host}, which may be starting it: `{} ollamalive update --state` shows which version runs",
            host.ssh()
        ))
        .into()),
        Err(error) => Err(error),
        Ok(Outcome::Well) => {
            outln!("version {new} runs on {host} and is healthy");
            Ok(Exit::Ok)
        }
        Ok(Outcome::Undone { why, runs }) => {
            let why = why.trim_end_matches('.');
            errln!("error: version {new} was undone on {host}: {why}; version {runs} runs");
            Ok(Exit::PromiseBroken)
        }
        Ok(Outcome::Unsettled(what)) => Err(usage(what)),
    }
}

/// Whether a write failed because the reader has exited.
fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
