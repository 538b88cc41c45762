//! Which scenarios a run checks, and the list of all.

use anyhow::Result;

use crate::cli::{GuestChoice, Test};
use crate::error::{LISTED, unknown, usage};
use crate::guest::GuestKind;
use crate::project;
use crate::report;
use crate::scenario::{PROMISES, SCENARIOS, Scenario, promises_of, scenario};

/// What `--list` prints. Promises that a plain run leaves out are marked.
pub fn list(scenarios: &[&'static Scenario]) -> String {
    let mut table = report::table(&["scenario", "promise", "needs", "what is promised"]);
    let (mut all, mut with_fault) = (0, 0);
    for promise in promises_of(scenarios) {
        let of = scenario(promise.scenario);
        let fault = of.is_some_and(|scenario| scenario.fault);
        let needs = match of {
            Some(Scenario { fault: true, .. }) => "--fault",
            Some(Scenario {
                real_ollama: true, ..
            }) => "--ollama",
            _ => "",
        };
        table.add_row([promise.scenario, promise.id, needs, promise.sentence]);
        all += 1;
        with_fault += usize::from(fault);
    }
    let note = match with_fault {
        0 => String::new(),
        _ => format!(
            "; {with_fault} of them are checked only with --fault, or if their scenario is named"
        ),
    };
    format!("{table}\n{all} promises{note}")
}

/// The scenarios of the promises that failed last, on the guest that `options` name or on any.
pub fn failed_last(options: &Test) -> Result<Vec<&'static Scenario>> {
    let guest = match options.guest {
        GuestChoice::Auto => None,
        GuestChoice::Standin => Some(GuestKind::Standin.to_string()),
        GuestChoice::Nixos => Some(GuestKind::Nixos.to_string()),
    };
    let known = PROMISES.iter().map(|promise| promise.id);
    let failed = report::failed_last(&project::cache()?, guest.as_deref(), known);
    if failed.is_empty() {
        return Err(usage(
            "no promise failed in the last run: leave out --rerun to check all",
        ));
    }
    outln!("failed last: {}", failed.join(", "));
    let names: Vec<String> = PROMISES
        .iter()
        .filter(|promise| failed.contains(&promise.id))
        .map(|promise| promise.scenario.to_string())
        .collect();
    chosen(&names, false)
}

/// The scenarios called `names`, or all; those that inject faults only by name or with `fault`.
pub fn chosen(names: &[String], fault: bool) -> Result<Vec<&'static Scenario>> {
    let by_default = |scenario: &&Scenario| names.is_empty() && !scenario.fault;
    for name in names {
        if scenario(name).is_none() {
            let known = SCENARIOS.iter().map(|scenario| scenario.name);
            return Err(unknown("scenario", name, known, LISTED));
        }
    }
    Ok(SCENARIOS
        .iter()
        .filter(|scenario| {
            by_default(scenario)
                || fault && scenario.fault
                || names.iter().any(|name| name == scenario.name)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_marks_what_only_fault_runs() {
        let all = list(&chosen(&[], true).unwrap());
        let line = |id: &str| all.lines().find(|line| line.contains(id)).unwrap();
        assert!(line("fault.drive-pulled").contains("--fault"), "{all}");
        assert!(!line("ssh.root-refused").contains("--fault"), "{all}");
        assert!(all.ends_with("if their scenario is named"), "{all}");
        let some = list(&chosen(&["ssh".to_string()], false).unwrap());
        assert!(some.ends_with(" promises"), "{some}");
    }

    #[test]
    fn an_unknown_scenario_names_the_nearest() {
        let error = chosen(&["firewal".to_string()], false)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains(r#"no scenario "firewal"; did you mean "firewall"?"#),
            "{error}"
        );
        let far = chosen(&["zebra".to_string()], false).err().unwrap();
        assert_eq!(
            far.to_string(),
            r#"there is no scenario "zebra": --list shows all"#
        );
        assert_eq!(chosen(&["ssh".to_string()], false).unwrap().len(), 1);
        assert_eq!(chosen(&["faults".to_string()], false).unwrap().len(), 1);
        assert_eq!(chosen(&["ssh".to_string()], true).unwrap().len(), 7);
        assert_eq!(chosen(&[], true).unwrap().len(), SCENARIOS.len());
        assert_eq!(chosen(&[], false).unwrap().len(), SCENARIOS.len() - 6);
    }
}
