//! What the answers of the machine's `ollamalive update` (modules/update.sh) mean.

use super::host::Host;
use crate::update_state::State;

/// ssh's own exit code, for every failure of the connection (ssh(1), "EXIT STATUS").
const SSH_FAILED: i32 = 255;

/// How a command on the machine ended.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The exit code; None if ssh was killed.
    pub code: Option<i32>,
    pub stdout: &'a str,
    pub stderr: &'a str,
}

impl Answer<'_> {
    fn is_lost(&self) -> bool {
        matches!(self.code, None | Some(SSH_FAILED))
    }

    /// The last line of standard error or, if there is none, of standard output.
    fn reason(&self) -> String {
        last(self.stderr)
            .or_else(|| last(self.stdout))
            .unwrap_or("no reason given")
            .to_string()
    }
}

fn last(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// The state of `host` (`--state`).
///
/// # Errors
/// Why it cannot be read, and what to do.
pub fn state(answer: &Answer, host: &Host) -> Result<State, String> {
    if answer.is_lost() {
        return Err(unreachable(answer, host));
    }
    let missing = ["command not found", "No such file or directory"];
    if answer.code == Some(127) || missing.iter().any(|sign| answer.stderr.contains(sign)) {
        return Err(format!(
            "{host} is not an OllamaLive machine, or a very old one ({}): check the name; before you flash an old stick, save its \
             PERSIST (docs/owner.md, \"Sticks of layout 1\")",
            answer.reason()
        ));
    }
    if answer.stderr.contains("usage: ollamalive") {
        return Err(format!(
            "the OllamaLive on {host} is too old to be updated this way: flash its stick once. PERSIST is kept, but not on a stick of \
             layout 1: save it first (docs/owner.md, \"Sticks of layout 1\")"
        ));
    }
    if answer.code != Some(0) {
        return Err(format!(
            "{host} does not say which version it runs ({}): log in with `{}`, and try `sudo -n ollamalive update --state`",
            answer.reason(),
            host.ssh()
        ));
    }
    serde_json::from_str(answer.stdout.trim()).map_err(|_| {
        format!(
            "{host} does not answer as an OllamaLive machine does ({:?}): check the name",
            last(answer.stdout).unwrap_or_default()
        )
    })
}

fn unreachable(answer: &Answer, host: &Host) -> String {
    format!(
        "cannot log in to {host} over SSH ({}): make `{}` work with a key and without a prompt, and run this again",
        answer.reason(),
        host.ssh()
    )
}

/// What the machine says, with its commands made into ones that are run from here.
pub fn from_here(said: &str, host: &Host) -> String {
    let ssh = host.ssh();
    said.replace(": sudo ", &format!(": {ssh} sudo "))
        .replace(": docker ", &format!(": {ssh} docker "))
}

/// What the machine says about an update (`--examine`).
#[derive(Debug, PartialEq, Eq)]
pub enum Examined {
    /// It would install the update, or has it already; what it says.
    Fits(String),
    /// It would install the update with the owner's consent; the differences in configuration, line by line.
    Differs(Vec<String>),
    /// It would not install the update; why.
    Refused(String),
}

/// What the machine says about an update.
///
/// # Errors
/// It cannot be reached.
pub fn examined(answer: &Answer, host: &Host) -> Result<Examined, String> {
    if answer.is_lost() {
        return Err(unreachable(answer, host));
    }
    Ok(match answer.code {
        Some(0) => Examined::Fits(answer.stdout.trim().to_string()),
        Some(4) => Examined::Differs(answer.stdout.lines().map(str::to_string).collect()),
        _ => Examined::Refused(answer.reason()),
    })
}

/// How much of an update was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    All,
    Part,
}

/// How sending an update ended (`--pushed`).
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is installed and, if that was asked for, the machine restarts.
    Installed,
    /// It is installed, and the machine does not restart; why.
    Waits(String),
    /// Nothing has changed there; why.
    Refused(String),
    /// The connection was lost before all was sent: nothing has changed there.
    Cut(String),
    /// The connection was lost after all was sent, as happens when the machine restarts.
    Unknown(String),
}

/// How sending an update ended.
pub fn pushed(sent: Sent, answer: &Answer) -> Pushed {
    match answer.code {
        Some(0) => Pushed::Installed,
        // The machine prints this reason on standard output, because it is not an error.
        Some(3) => {
            Pushed::Waits(last(answer.stdout).map_or_else(|| answer.reason(), str::to_string))
        }
        None | Some(SSH_FAILED) if sent == Sent::All => Pushed::Unknown(answer.reason()),
        None | Some(SSH_FAILED) => Pushed::Cut(answer.reason()),
        Some(_) => Pushed::Refused(answer.reason()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer<'a>(code: i32, stdout: &'a str, stderr: &'a str) -> Answer<'a> {
        Answer {
            code: Some(code),
            stdout,
            stderr,
        }
    }

    fn pc() -> Host {
        Host::new("pc", None).unwrap()
    }

    #[test]
    fn a_state_is_read() {
        let text = r#"{"version":"2","trial":true,"undone":[{"version":"1","why":"Docker did not start."}]}"#;
        let state = state(&answer(0, text, "Warning: added pc\n"), &pc()).unwrap();
        assert_eq!((&state.version[..], state.trial), ("2", true));
        assert_eq!(state.undone_why("1"), Some("Docker did not start."));
        assert_eq!(state.undone_why("2"), None);
    }

    #[test]
    fn each_machine_that_cannot_be_updated_is_told_apart() {
        let refusal =
            |code, stdout, stderr| state(&answer(code, stdout, stderr), &pc()).unwrap_err();
        let denied = refusal(255, "", "Banner\npc: Permission denied (publickey).\n");
        assert!(
            denied.starts_with("cannot log in to pc over SSH (pc: Permission"),
            "{denied}"
        );
        for why in [
            refusal(127, "", "bash: line 1: sudo: command not found\n"),
            refusal(1, "", "sudo: ollamalive: command not found\n"),
        ] {
            assert!(why.contains("is not an OllamaLive machine"), "{why}");
        }
        let old = refusal(2, "", "usage: ollamalive status [--json]\n");
        assert!(
            old.contains("too old") && old.contains("save it first"),
            "{old}"
        );
        let password = refusal(1, "", "sudo: a password is required\n");
        assert!(password.contains("a password is required"), "{password}");
        let other = refusal(0, "Welcome to nginx\n", "");
        assert!(other.contains("Welcome to nginx"), "{other}");
        let killed = Answer {
            code: None,
            ..answer(0, "", "")
        };
        assert!(state(&killed, &pc()).unwrap_err().contains("cannot log in"));
    }

    #[test]
    fn commands_of_the_machine_are_run_from_here() {
        assert_eq!(
            from_here("Restart it later: sudo systemctl reboot", &pc()),
            "Restart it later: ssh pc sudo systemctl reboot"
        );
        assert_eq!(
            from_here("No room (docker's: docker image prune --all).", &pc()),
            "No room (docker's: ssh pc docker image prune --all)."
        );
    }

    #[test]
    fn an_examination_fits_differs_or_refuses() {
        let of = |code, stdout, stderr| examined(&answer(code, stdout, stderr), &pc());
        assert_eq!(of(0, "Newer.\n", ""), Ok(Examined::Fits("Newer.".into())));
        let lines = vec!["Other:".into(), "- the user changes".into()];
        let found = of(4, "Other:\n- the user changes\n", "");
        assert_eq!(found, Ok(Examined::Differs(lines)));
        let refused = of(1, "", "It is older.\n");
        assert_eq!(refused, Ok(Examined::Refused("It is older.".into())));
        assert!(of(255, "", "Connection refused").is_err());
    }

    #[test]
    fn a_lost_connection_changes_nothing_unless_all_was_sent() {
        let lost = answer(255, "", "Connection closed\n");
        let why = || "Connection closed".to_string();
        assert_eq!(pushed(Sent::Part, &lost), Pushed::Cut(why()));
        assert_eq!(pushed(Sent::All, &lost), Pushed::Unknown(why()));
        assert_eq!(pushed(Sent::All, &answer(0, "", "")), Pushed::Installed);
        let loaded = answer(3, "Version 2 is installed.\nA model is loaded.\n", "hint\n");
        assert_eq!(
            pushed(Sent::All, &loaded),
            Pushed::Waits("A model is loaded.".into())
        );
        for sent in [Sent::All, Sent::Part] {
            let refused = pushed(sent, &answer(1, "", "log\nThe stick is full.\n"));
            assert_eq!(refused, Pushed::Refused("The stick is full.".into()));
        }
    }
}
