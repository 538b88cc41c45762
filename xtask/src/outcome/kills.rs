//! The results of `mutants`: which mutant was killed, and by which promise.

use serde::Serialize;

use super::PromiseOutcome;

/// A whole run; its JSON is the `--json` file.
#[derive(Debug, Clone, Serialize)]
pub struct KillTable {
    /// `nixos` or `standin`
    pub guest: String,
    /// `kvm` or `tcg`
    pub accelerator: String,
    /// The flake reference of nixpkgs, or the place of the record.
    pub nixpkgs: String,
    /// Only the promises that are expected to catch a mutant were checked, so little is known about the others.
    pub quick: bool,
    /// Number of machines, some of them booted several times.
    pub machines: usize,
    pub seconds: f64,
    pub mutants: Vec<MutantOutcome>,
}

/// The result of one mutant.
#[derive(Debug, Clone, Serialize)]
pub struct MutantOutcome {
    pub id: String,
    /// The defect, in one sentence.
    pub breaks: String,
    /// The promise that is expected to catch it.
    pub expected: String,
    /// The words in that promise's evidence that only this defect causes.
    pub symptom: String,
    /// The mutants on the same machine.
    pub beside: Vec<String>,
    pub verdict: KillVerdict,
    /// The reason, if it was not killed.
    pub why: Option<String>,
    /// Every promise that it broke.
    pub caught_by: Vec<BrokenPromise>,
    /// Seconds of the machine, which all mutants on it share.
    pub seconds: f64,
}

/// The verdict on a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KillVerdict {
    /// The promise that names it is broken, and no unrelated one.
    Killed,
    /// Every promise was kept.
    Survived,
    /// An unrelated promise is broken, or only others than the one that names it, or that one by another defect.
    WrongReason,
    /// Nothing is known about it.
    NotRun,
}

impl KillVerdict {
    /// The word that reports print: in capitals if it needs attention.
    pub fn word(self) -> &'static str {
        match self {
            KillVerdict::Killed => "killed",
            KillVerdict::Survived => "SURVIVED",
            KillVerdict::WrongReason => "KILLED FOR THE WRONG REASON",
            KillVerdict::NotRun => "not run",
        }
    }
}

/// A broken promise and its evidence.
#[derive(Debug, Clone, Serialize)]
pub struct BrokenPromise {
    pub id: String,
    pub evidence: String,
}

impl From<&PromiseOutcome> for BrokenPromise {
    fn from(promise: &PromiseOutcome) -> Self {
        BrokenPromise {
            id: promise.id.clone(),
            evidence: promise.evidence.clone(),
        }
    }
}

impl KillTable {
    /// The number of mutants with `verdict`.
    pub fn count(&self, verdict: KillVerdict) -> usize {
        let verdicts = self.mutants.iter().map(|outcome| outcome.verdict);
        verdicts.filter(|other| *other == verdict).count()
    }

    /// The counts of all verdicts, and the guest, on one line.
    pub fn tally_line(&self) -> String {
        let scope = if self.quick {
            "; quick: unrelated promises were not checked"
        } else {
            ""
        };
        format!(
            "{} mutants: {} killed, {} survived, {} killed for the wrong reason, {} not run; {} machines, {:.1} s; guest {}, {}{scope}",
            self.mutants.len(),
            self.count(KillVerdict::Killed),
            self.count(KillVerdict::Survived),
            self.count(KillVerdict::WrongReason),
            self.count(KillVerdict::NotRun),
            self.machines,
            self.seconds,
            self.guest,
            self.accelerator,
        )
    }
}

impl MutantOutcome {
    /// The ids of the promises that it broke.
    pub fn killers(&self) -> Vec<&str> {
        let broken = self.caught_by.iter();
        broken.map(|promise| promise.id.as_str()).collect()
    }

    /// One line for the console.
    pub fn line(&self) -> String {
        let company = match self.beside.len() {
            0 => String::new(),
            others => format!(", beside {others}"),
        };
        let mut line = format!(
            "{} {} ({:.1} s{company})",
            self.verdict.word(),
            self.id,
            self.seconds
        );
        for broken in &self.caught_by {
            let seen = broken.evidence.lines().next().unwrap_or_default();
            line += &format!("; {}: {seen}", broken.id);
        }
        if let Some(why) = &self.why {
            line += &format!("; {}", why.lines().next().unwrap_or_default());
        }
        line
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A table of one killed mutant and one that survived.
    pub(crate) fn sample() -> KillTable {
        let outcome = |verdict, why: Option<&str>| MutantOutcome {
            id: "ssh.password-login".into(),
            breaks: "passwords are accepted".into(),
            expected: "ssh.password-refused".into(),
            symptom: "logged in by password".into(),
            beside: vec!["ssh.root-login".into()],
            verdict,
            why: why.map(str::to_string),
            caught_by: vec![BrokenPromise {
                id: "ssh.password-refused".into(),
                evidence: "logged in by password\nand more".into(),
            }],
            seconds: 41.23,
        };
        KillTable {
            guest: "standin".into(),
            accelerator: "tcg".into(),
            nixpkgs: "flake.lock".into(),
            quick: true,
            machines: 2,
            seconds: 80.0,
            mutants: vec![
                outcome(KillVerdict::Killed, None),
                outcome(KillVerdict::Survived, Some("kept: refused")),
            ],
        }
    }

    #[test]
    fn the_line_names_verdict_machine_and_evidence() {
        assert_eq!(
            sample().mutants[0].line(),
            "killed ssh.password-login (41.2 s, beside 1); ssh.password-refused: logged in by password"
        );
    }

    #[test]
    fn json_has_the_fixed_fields() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["mutants"][1]["verdict"], "survived");
        let expected = serde_json::json!({
            "id": "ssh.password-login",
            "breaks": "passwords are accepted",
            "expected": "ssh.password-refused",
            "symptom": "logged in by password",
            "beside": ["ssh.root-login"],
            "verdict": "killed",
            "why": null,
            "caught_by": [{ "id": "ssh.password-refused", "evidence": "logged in by password\nand more" }],
            "seconds": 41.23,
        });
        assert_eq!(json["mutants"][0], expected);
    }
}
