//! Whether the machine can still be reached while something is wrong.

use anyhow::Result;

use crate::scenario::{Context, ollama};

/// Answers of SSH and Ollama to new connections.
#[derive(Debug, Clone)]
pub struct Reach {
    /// The owner's key logs in, or why that could not be tried.
    pub ssh: Result<bool, String>,
    /// Ollama's version, or why there is none.
    pub ollama: Result<String, String>,
}

impl Reach {
    /// # Errors
    /// Ctrl-C was pressed, or QEMU is gone.
    pub fn gather(cx: &mut Context) -> Result<Self> {
        let server = cx.machine.server()?;
        let ssh = match cx.owner_key_accepted(&server) {
            Ok(accepted) => Ok(accepted),
            Err(error) => Err(cx.explain(error)?),
        };
        Ok(Reach {
            ssh,
            ollama: ollama::answer(cx)?,
        })
    }

    pub fn faults(&self) -> Vec<String> {
        let ssh = match &self.ssh {
            Ok(true) => None,
            Ok(false) => Some("the owner's key is refused".to_string()),
            Err(why) => Some(format!("the owner does not get in: {why}")),
        };
        let ollama = self
            .ollama
            .as_ref()
            .err()
            .map(|why| format!("Ollama: {why}"));
        ssh.into_iter().chain(ollama).collect()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn reachable() -> Reach {
        Reach {
            ssh: Ok(true),
            ollama: Ok("0.1".to_string()),
        }
    }

    #[test]
    fn each_missing_answer_is_a_fault() {
        let mut reach = reachable();
        assert!(reach.faults().is_empty());
        reach.ssh = Ok(false);
        assert_eq!(reach.faults(), ["the owner's key is refused"]);
        reach.ssh = Err("timeout".to_string());
        reach.ollama = Err("no answer".to_string());
        assert_eq!(
            reach.faults(),
            ["the owner does not get in: timeout", "Ollama: no answer"]
        );
    }
}
