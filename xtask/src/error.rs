//! Errors that the user can act on, and how they are printed.

use thiserror::Error;

use vm::Interrupted;

/// A promise is broken; the subcommand has printed which.
#[derive(Debug, Error)]
#[error("a promise is broken")]
pub struct Broken;

/// Ctrl-C ended the run, and left something that the user has to know.
#[derive(Debug, Error)]
#[error("interrupted: {0}")]
pub struct InterruptedWith(pub String);

/// A problem that the user can solve: what was wrong, where, and what to do, on one line.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Usage(String);

/// Makes a [`Usage`] error.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(message.into()))
}

/// What shows every scenario and every mutant.
pub const LISTED: &str = "--list shows all";

/// From here on (1 is the same word) a name is close enough to a known one to be a slip of the keyboard.
const CLOSE: f64 = 0.8;

/// The error for a `name` that is none of the `known` ones; it suggests the nearest if that is close. `all` says what shows
/// every name.
pub fn unknown<'a>(
    kind: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
    all: &str,
) -> anyhow::Error {
    let nearest = known
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(closeness, _)| *closeness >= CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    usage(match nearest {
        Some((_, nearest)) => {
            format!("there is no {kind} {name:?}; did you mean {nearest:?}? ({all})")
        }
        None => format!("there is no {kind} {name:?}: {all}"),
    })
}

/// `error` and its causes on one line. An interrupt is printed without the step that it ended.
pub fn one_line(error: &anyhow::Error) -> String {
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return interrupted.to_string();
    }
    let mut line = format!("{error:#}").replace(['\n', '\r'], " ");
    if let Some(stripped) = line.strip_suffix('.') {
        line = stripped.to_string();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_name_is_suggested() {
        let known = ["firewall", "durability", "ssh"];
        let said = |name: &str| unknown("scenario", name, known.into_iter(), LISTED).to_string();
        assert!(said("firewal").contains(r#"did you mean "firewall"?"#));
        assert!(said("durab").contains(r#"did you mean "durability"?"#));
        for far in ["zebra", "", "gpu", "network"] {
            let said = said(far);
            assert!(!said.contains("did you mean"), "{said}");
            assert!(said.contains("--list"), "{said}");
        }
    }

    #[test]
    fn causes_share_the_line() {
        let error = anyhow::anyhow!("no space\nleft").context("cannot write the image");
        assert_eq!(one_line(&error), "cannot write the image: no space left");
    }
}
