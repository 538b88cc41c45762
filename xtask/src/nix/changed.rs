//! Evaluates the configuration with changes: the NixOS half of mutants.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::parse::reason;
use super::{APPLIANCE, EVALUATE, Nix};
use vm::process;

/// Configurations per process. Nix keeps what it has evaluated until it ends, about 1.1 GB for each configuration (3.4 GB
/// for three, measured), so this bounds its memory to about 9 GB.
const CHUNK: usize = 8;
/// Deadline for one process.
const EVALUATE_CHUNK: Duration = Duration::from_secs(1800);

/// A changed configuration, evaluated.
#[derive(Debug, Deserialize)]
pub struct Changed {
    /// As [`Nix::contract`].
    pub contract: Value,
    /// The derivation of its image.
    pub image: String,
}

impl Nix {
    /// The configuration with more modules. Each of `modules` is the body of `{ lib, pkgs, ... }: { … }`.
    ///
    /// # Errors
    /// As [`Nix::contract`].
    pub fn changed(&self, modules: &[&str]) -> Result<Changed> {
        self.answer(
            &format!("appliance: {}", self.evaluated(modules)),
            "evaluating the changed configuration",
            EVALUATE,
        )
    }

    /// The contract of the configuration with more modules; see [`Nix::changed`].
    ///
    /// # Errors
    /// As [`Nix::contract`].
    pub fn changed_contract(&self, modules: &[&str]) -> Result<Value> {
        self.answer(
            &format!("appliance: {}.contract", self.evaluated(modules)),
            "evaluating the changed configuration",
            EVALUATE,
        )
    }

    /// The value of `function`, a Nix function of the appliance.
    ///
    /// # Errors
    /// As [`Nix::contract`].
    pub fn ask(&self, function: &str) -> Result<Value> {
        self.answer(function, "asking the configuration", EVALUATE_CHUNK)
    }

    fn answer<T: DeserializeOwned>(
        &self,
        function: &str,
        what: &str,
        deadline: Duration,
    ) -> Result<T> {
        let text = self.finish(self.apply(function), what, deadline)?;
        serde_json::from_str(&text).with_context(|| format!("{what}: Nix printed something else"))
    }

    /// Nix: contract and image of `appliance` with `modules` added.
    fn evaluated(&self, modules: &[&str]) -> String {
        evaluated(&changing(modules, "appliance"), &self.maker())
    }

    /// Evaluates one configuration for each of `modules`, contract and image, a chunk of them in one process. Calls `each`
    /// with the index of the module and, if it does not evaluate, Nix's reason.
    ///
    /// # Errors
    /// Nix cannot be run, or Ctrl-C.
    pub fn evaluate_each(
        &self,
        modules: &[&str],
        each: &mut dyn FnMut(usize, Option<String>),
    ) -> Result<()> {
        for (number, chunk) in modules.chunks(CHUNK).enumerate() {
            let sound = self.sound(chunk)?;
            for (index, module) in chunk.iter().enumerate() {
                // One that failed is evaluated again alone, for Nix's message.
                let problem = match sound.get(index) {
                    Some(true) => None,
                    _ => self.changed(&[module]).err(),
                };
                process::check_interrupt()?;
                each(
                    number * CHUNK + index,
                    problem.map(|error| format!("{error:#}")),
                );
            }
        }
        Ok(())
    }

    /// Whether each of `modules` evaluates. Empty if one of them ends the whole evaluation, as errors do that Nix's
    /// `tryEval` does not catch.
    fn sound(&self, modules: &[&str]) -> Result<Vec<bool>> {
        let apply = all_sound(modules, &self.maker());
        let finished =
            process::finish(self.apply(&apply), "evaluating the mutants", EVALUATE_CHUNK)?;
        if finished.status.success() {
            return serde_json::from_str(&finished.stdout).context("Nix printed no list");
        }
        errln!("evaluating one by one: {}", reason(&finished.stderr));
        Ok(Vec::new())
    }

    /// The file that makes the contract.
    fn maker(&self) -> PathBuf {
        self.root.join("tests/contract.nix")
    }

    /// `nix eval` of a function of the appliance.
    fn apply(&self, function: &str) -> std::process::Command {
        // tests/contract.nix is read from the sources, which a pure evaluation would not allow.
        let mut eval = self.on_flake(&["eval", "--impure", "--json"]);
        eval.arg(format!(".#{APPLIANCE}"))
            .args(["--apply", function]);
        eval
    }
}

/// Nix: `appliance` with `modules` added.
fn changing(modules: &[&str], appliance: &str) -> String {
    let modules: String = modules
        .iter()
        .map(|module| format!("({{ lib, pkgs, ... }}: {{ {module} }}) "))
        .collect();
    format!("({appliance}.extendModules {{ modules = [ {modules}]; }})")
}

/// Nix: contract and image of the configuration `changed`.
fn evaluated(changed: &str, maker: &Path) -> String {
    let maker = maker
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "\\${");
    format!(
        "(let changed = {changed}; in {{ contract = import (/. + \"{maker}\") changed; \
         image = changed.config.system.build.images.raw.drvPath; }})"
    )
}

/// A Nix function: the appliance -> a list of booleans, whether it evaluates with each of `modules`.
fn all_sound(modules: &[&str], maker: &Path) -> String {
    let each: String = modules
        .iter()
        .map(|module| {
            let one = evaluated(&changing(&[module], "appliance"), maker);
            format!("(sound {one}) ")
        })
        .collect();
    format!(
        "appliance: let sound = one: (builtins.tryEval (builtins.deepSeq one true)).success; in [ {each}]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_module_and_paths_are_quoted() {
        let changed = changing(&["a = 1;"], "appliance");
        assert!(
            changed.contains("({ lib, pkgs, ... }: { a = 1; })"),
            "{changed}"
        );
        let text = evaluated(&changed, Path::new("/my \"${project}\"/tests/contract.nix"));
        assert!(
            text.contains(r#"(/. + "/my \"\${project}\"/tests/contract.nix")"#),
            "{text}"
        );
    }

    #[test]
    fn each_module_is_evaluated_alone() {
        let text = all_sound(&["a = 1;", "b = 2;"], Path::new("/x"));
        assert_eq!(text.matches("(sound (let changed").count(), 2, "{text}");
        assert_eq!(text.matches("extendModules").count(), 2, "{text}");
    }
}
