//! Which scenarios share a machine.

use std::cmp::Reverse;

use super::{Scenario, promises_of};
use crate::disk_fixtures::DiskSetup;

/// One machine, and the scenarios that run on it one after the other.
#[derive(Clone)]
pub struct VmJob {
    /// The machine's name in logs.
    pub name: String,
    pub disks: DiskSetup,
    pub scenarios: Vec<&'static Scenario>,
    /// Takes no other scenario: the machine boots several times.
    exclusive: bool,
}

impl VmJob {
    /// The job that runs only `scenario` of this one, on a machine called `name`.
    pub fn only(&self, scenario: &'static Scenario, name: String) -> VmJob {
        VmJob {
            name,
            scenarios: vec![scenario],
            ..self.clone()
        }
    }

    /// How long the job takes, in rough units: a boot counts two, a promise one.
    fn length(&self) -> usize {
        let boots = self.scenarios.iter().map(|scenario| scenario.boots);
        2 * boots.max().unwrap_or_default() + promises_of(&self.scenarios).len()
    }
}

/// The jobs of a run, the longest first.
pub struct Plan {
    pub vm_jobs: Vec<VmJob>,
}

impl Plan {
    /// Puts `scenarios` on as few machines as possible: those that boot once and have the same disks share one.
    pub fn new(scenarios: &[&'static Scenario]) -> Self {
        let mut vm_jobs: Vec<VmJob> = Vec::new();
        for &scenario in scenarios {
            let shared = vm_jobs
                .iter_mut()
                .find(|job| job.disks == scenario.disks && !job.exclusive && scenario.boots == 1);
            match shared {
                Some(job) => job.scenarios.push(scenario),
                None => vm_jobs.push(VmJob {
                    name: match scenario.disks {
                        DiskSetup::Complete if scenario.boots == 1 => "main".to_string(),
                        _ => scenario.name.to_string(),
                    },
                    disks: scenario.disks,
                    scenarios: vec![scenario],
                    exclusive: scenario.boots > 1,
                }),
            }
        }
        // The longest first: a long job that starts last would run alone at the end, with the other cores idle.
        vm_jobs.sort_by_key(|job| Reverse(job.length()));
        Plan { vm_jobs }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SCENARIOS, scenario};
    use super::*;

    fn plan_all() -> Plan {
        Plan::new(&SCENARIOS.iter().collect::<Vec<_>>())
    }

    fn names(job: &VmJob) -> Vec<&str> {
        job.scenarios.iter().map(|scenario| scenario.name).collect()
    }

    #[test]
    fn scenarios_with_the_same_disks_share_a_machine() {
        let plan = plan_all();
        assert_eq!(plan.vm_jobs.len(), 14);
        assert_eq!(
            plan.vm_jobs
                .iter()
                .map(|job| job.scenarios.len())
                .sum::<usize>(),
            SCENARIOS.len()
        );
        let main = plan.vm_jobs.iter().find(|job| job.name == "main");
        assert_eq!(
            names(main.unwrap()),
            [
                "boot", "system", "ssh", "persist", "docker", "ollama", "gpu", "firewall", "health"
            ]
        );
    }

    #[test]
    fn the_longest_job_starts_first() {
        let lengths: Vec<usize> = plan_all().vm_jobs.iter().map(VmJob::length).collect();
        assert!(lengths.is_sorted_by(|one, next| one >= next), "{lengths:?}");
        // A boot counts more than a promise: one promise with five boots is longer than four with one.
        let plan = Plan::new(&["faults", "broken-persist"].map(|name| scenario(name).unwrap()));
        assert_eq!(plan.vm_jobs[0].name, "broken-persist");
    }

    #[test]
    fn a_scenario_that_boots_several_times_has_its_own_machine() {
        for job in plan_all().vm_jobs {
            let boots = job.scenarios.iter().map(|scenario| scenario.boots);
            assert!(
                boots.max() == Some(1) || job.scenarios.len() == 1,
                "{:?}",
                names(&job)
            );
        }
        static TWICE: Scenario = Scenario {
            name: "twice",
            about: "boots twice with the disks of the main machine",
            disks: DiskSetup::Complete,
            boots: 2,
            fault: false,
            real_ollama: false,
        };
        let (boot, ssh) = (scenario("boot").unwrap(), scenario("ssh").unwrap());
        for order in [
            [&TWICE, boot, ssh],
            [boot, &TWICE, ssh],
            [boot, ssh, &TWICE],
        ] {
            let plan = Plan::new(&order);
            let mut jobs: Vec<Vec<&str>> = plan.vm_jobs.iter().map(names).collect();
            jobs.sort();
            assert_eq!(jobs, [vec!["boot", "ssh"], vec!["twice"]]);
        }
    }

    #[test]
    fn part_of_a_job_keeps_the_disks() {
        let plan = plan_all();
        let part = plan.vm_jobs[0].only(scenario("ssh").unwrap(), "main-ssh".to_string());
        assert_eq!(
            (part.name.as_str(), names(&part)),
            ("main-ssh", vec!["ssh"])
        );
        assert_eq!(part.disks, plan.vm_jobs[0].disks);
    }
}
