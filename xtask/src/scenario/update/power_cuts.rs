//! `update.survives-power-cut`

use std::time::{Duration, Instant};

use anyhow::Result;
use vm::process::pause;

use super::attempt::{Attempt, DEADLINE};
use super::belongings::{self, Belongings};
use super::published::{NEWER, Published};
use super::trial;
use crate::scenario::moment::up_to;
use crate::scenario::{Context, Finding};

/// After each round the stick is flashed again, so that the same update can be made once more.
const ROUNDS: usize = 4;
/// The cuts of one round.
const CUTS: [Phase; 5] = [
    Phase::Fetching,
    Phase::Fetching,
    Phase::Finishing,
    Phase::Starting,
    Phase::OnTrial,
];
/// How long an update takes, until one was measured.
const UPDATE: Duration = Duration::from_secs(90);
/// A trial takes about as long, from the login on.
const TRIAL: Duration = Duration::from_secs(60);
/// Is there while the update runs.
const RUNS: &str = "/run/updating";
/// The update, in the background.
const UPDATE_IN_BACKGROUND: &str =
    "touch RUNS; setsid sh -c 'ollamalive update; rm RUNS' < /dev/null > /run/update.log 2>&1 &";
/// Waits until the partition of the hashes, the first to get its label, has that of the update, or the update has ended.
const ALL_WRITTEN: &str = "until lsblk -no PARTLABEL /dev/ollamalive/stick | grep -q verity_VERSION || [ ! -e RUNS ]; do sleep 0.1; done";
/// Of the cuts of each of these phases, so many at least have to hit what they are aimed at.
const HITS: usize = ROUNDS / 2;
/// How long the rest takes: the other label, and a file on the ESP and its renaming.
const FINISH: Duration = Duration::from_secs(3);

/// When the power is cut, each at a random moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// While the update is fetched and written.
    Fetching,
    /// After all is written, while it is made bootable.
    Finishing,
    /// While the new version starts.
    Starting,
    /// While it is on trial or declared good.
    OnTrial,
}

impl Phase {
    fn words(self) -> &'static str {
        match self {
            Phase::Fetching => "into the update",
            Phase::Finishing => "after the last byte was written",
            Phase::Starting => "into the new version's start",
            Phase::OnTrial => "into its trial",
        }
    }
}

#[derive(Debug, Clone)]
struct Cut {
    phase: Phase,
    moment: Duration,
    /// Whether the update, or the trial, still went on.
    hit: bool,
    /// The running version afterwards.
    runs: String,
    before: Belongings,
    after: Belongings,
}

#[derive(Debug, Clone)]
struct Facts {
    first: String,
    cuts: Vec<Cut>,
    /// The update that was made after each round's cuts.
    installed: Vec<Attempt>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    trial::judged(gather(cx), judge)
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let published = Published::shared(cx)?;
    let mut facts = Facts {
        first: published.first.clone(),
        cuts: Vec::new(),
        installed: Vec::new(),
    };
    let mut update = UPDATE;
    for round in 0..ROUNDS {
        if round > 0 {
            cx.machine.power_cut();
            cx.disks.reflash()?;
            cx.machine.boot()?;
        }
        for phase in CUTS {
            if phase == Phase::Starting && trial::state(cx)?.version == facts.first {
                let begin = Instant::now();
                let good = published.newer.signed(&published.signer)?;
                facts.installed.push(published.offer(cx, good)?);
                update = begin.elapsed();
            }
            let cut = cut(cx, &published, phase, update)?;
            if phase == Phase::Fetching && !cut.hit {
                update /= 2;
            }
            facts.cuts.push(cut);
            if !faults(&facts).is_empty() {
                return Ok(facts);
            }
        }
        trial::await_verdict(cx)?;
    }
    Ok(facts)
}

/// Cuts the power in `phase`, and switches the machine on again. `update` is how long an update takes.
fn cut(cx: &mut Context, published: &Published, phase: Phase, update: Duration) -> Result<Cut> {
    belongings::write(cx)?;
    let before = belongings::look(cx)?;
    let moment = match phase {
        Phase::Fetching => {
            let moment = up_to(update);
            begin(cx, published)?;
            pause(moment)?;
            moment
        }
        Phase::Finishing => {
            let moment = up_to(FINISH);
            begin(cx, published)?;
            let wait = ALL_WRITTEN.replace("VERSION", NEWER).replace("RUNS", RUNS);
            cx.exec_within([wait.as_str()], DEADLINE)?;
            pause(moment)?;
            moment
        }
        Phase::Starting => {
            let boot = cx.machine.boots.last().copied().unwrap_or_default();
            let moment = up_to(boot);
            trial::shut_down(cx)?;
            cx.machine.boot_interrupted(moment)?;
            moment
        }
        Phase::OnTrial => {
            let moment = up_to(TRIAL);
            pause(moment)?;
            moment
        }
    };
    let hit = match phase {
        Phase::Fetching => cx.exec([&format!("[ -e {RUNS} ]")])?[0].ok(),
        Phase::OnTrial => trial::state(cx)?.trial,
        Phase::Finishing | Phase::Starting => true,
    };
    cx.machine.power_cut();
    let runs = trial::come_up(cx)
        .map_err(|error| trial::after(&when(phase, moment), error))?
        .version;
    Ok(Cut {
        phase,
        moment,
        hit,
        runs,
        before,
        after: belongings::look(cx)?,
    })
}

/// Starts the update in the background.
fn begin(cx: &mut Context, published: &Published) -> Result<()> {
    let good = published.newer.signed(&published.signer)?;
    published.publish(cx, good)?;
    cx.machine
        .succeed(&UPDATE_IN_BACKGROUND.replace("RUNS", RUNS))?;
    Ok(())
}

/// When the power was cut, in words.
fn when(phase: Phase, moment: Duration) -> String {
    let seconds = moment.as_secs_f64();
    format!("power cut {seconds:.1} s {}", phase.words())
}

fn faults(facts: &Facts) -> Vec<String> {
    let mut faults: Vec<String> = facts
        .installed
        .iter()
        .filter_map(|attempt| attempt.fault("the update after power cuts"))
        .collect();
    for cut in &facts.cuts {
        let when = when(cut.phase, cut.moment);
        if cut.runs != facts.first && cut.runs != NEWER {
            faults.push(format!("{when}: {} runs", cut.runs));
        }
        let changes = cut.before.changes(&cut.after).into_iter();
        faults.extend(changes.map(|change| format!("{when}: {change}")));
    }
    faults
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = faults(facts);
    let made = facts.cuts.len();
    if faults.is_empty() && made != ROUNDS * CUTS.len() {
        faults.push(format!("the power was cut {made} times"));
    }
    let newer = facts.cuts.iter().filter(|cut| cut.runs == NEWER).count();
    if faults.is_empty() && (newer == 0 || newer == made || facts.installed.is_empty()) {
        faults.push("the same version ran after all power cuts: no update was interrupted".into());
    }
    for phase in [Phase::Fetching, Phase::OnTrial] {
        let hits = |cut: &&Cut| cut.phase == phase && cut.hit;
        let hits = facts.cuts.iter().filter(hits).count();
        if faults.is_empty() && hits < HITS {
            faults.push(format!(
                "only {hits} power cuts {} came in time",
                phase.words()
            ));
        }
    }
    Finding::from_faults(
        &faults,
        format!(
            "{made} power cuts: the old version ran {} times and the new one {newer} times, each time with PERSIST as it was",
            made - newer
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};
    use crate::scenario::update::belongings::testing::belongings;

    fn good() -> Facts {
        let cut = |phase, runs: &str| Cut {
            phase,
            moment: Duration::from_millis(1250),
            hit: true,
            runs: runs.into(),
            before: belongings(),
            after: belongings(),
        };
        let round = [
            cut(Phase::Fetching, "1"),
            cut(Phase::Fetching, "1"),
            cut(Phase::Finishing, "1"),
            cut(Phase::Starting, NEWER),
            cut(Phase::OnTrial, NEWER),
        ];
        Facts {
            first: "1".into(),
            cuts: vec![round; ROUNDS].concat(),
            installed: vec![Attempt {
                status: 0,
                said: "installed".into(),
            }],
        }
    }

    #[test]
    fn kept_when_one_of_both_versions_runs_each_time() {
        assert_kept(
            judge(&good()),
            "20 power cuts: the old version ran 12 times and the new one 8 times, each time with PERSIST as it was",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.installed[0].status = 1,
                    "the update after power cuts was not installed: exit 1: installed",
                ),
                (
                    |facts| facts.cuts[3].runs = "2".into(),
                    "power cut 1.2 s into the new version's start: 2 runs",
                ),
                (|facts| facts.cuts.truncate(3), "the power was cut 3 times"),
                (
                    |facts| facts.installed.clear(),
                    "the same version ran after all power cuts: no update was interrupted",
                ),
                (
                    |facts| facts.cuts.iter_mut().for_each(|cut| cut.runs = "1".into()),
                    "the same version ran after all power cuts: no update was interrupted",
                ),
                (
                    |facts| facts.cuts.iter_mut().for_each(|cut| cut.hit = false),
                    "only 0 power cuts into the update came in time",
                ),
            ],
        );
        let mut facts = good();
        facts.cuts[2].after.data.clear();
        let [fault] = &faults(&facts)[..] else {
            panic!("one fault")
        };
        let start = "power cut 1.2 s after the last byte was written: the owner's file changed: ";
        assert!(fault.starts_with(start), "{fault}");
    }
}
