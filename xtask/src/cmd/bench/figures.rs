//! Measurements, as a table and as JSON.

use std::fmt;
use std::time::Instant;

use anyhow::{Result, bail};
use serde::Serialize;

use vm::process;

use crate::report;
use crate::scenario::comparison::Comparison;

/// One row of the table.
#[derive(Debug, Serialize)]
pub struct Figure {
    pub what: String,
    /// Seconds of each run.
    pub seconds: Vec<f64>,
    /// Number of runs without a fault.
    pub good: usize,
    /// The faults of the other runs.
    pub faults: Vec<String>,
}

/// All measurements, and where they were taken.
#[derive(Debug, Serialize)]
pub struct Figures {
    pub guest: String,
    pub accelerator: String,
    pub processor: String,
    pub cores: usize,
    pub figures: Vec<Figure>,
    /// What was measured in turns, one way and another.
    pub comparisons: Vec<Comparison>,
}

/// Runs `work` `runs` times and measures each; `work` returns a fault, if any.
pub fn repeat(
    what: &str,
    runs: usize,
    mut work: impl FnMut(usize) -> Result<Option<String>>,
) -> Result<Figure> {
    let mut figure = once(what, 0.0);
    figure.seconds.clear();
    figure.good = 0;
    for turn in 0..runs {
        process::check_interrupt()?;
        let start = Instant::now();
        let fault = work(turn)?;
        figure.seconds.push(start.elapsed().as_secs_f64());
        match fault {
            None => figure.good += 1,
            Some(fault) => figure.faults.push(fault),
        }
    }
    if figure.seconds.is_empty() {
        bail!("{what}: not measured even once");
    }
    Ok(figure)
}

pub fn once(what: &str, seconds: f64) -> Figure {
    Figure {
        what: what.to_string(),
        seconds: vec![seconds],
        good: 1,
        faults: Vec::new(),
    }
}

/// The `seconds` of runs that were measured elsewhere; one that took longer than `most` is a fault.
pub fn within(what: &str, seconds: Vec<f64>, most: f64) -> Figure {
    let late = seconds.iter().filter(|&&seconds| seconds > most);
    let faults: Vec<String> = late
        .map(|seconds| format!("{what}: {}, more than {}", time(*seconds), time(most)))
        .collect();
    Figure {
        what: what.to_string(),
        good: seconds.len() - faults.len(),
        seconds,
        faults,
    }
}

impl Figure {
    /// Seconds of the run at `share` of all runs by speed: 0 the fastest, 1 the slowest.
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted
            .get((last as f64 * share).round() as usize)
            .copied()
            .unwrap_or_default()
    }
}

/// Seconds, or milliseconds where that reads better.
fn time(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.compared(f)?;
        let mut table = report::table(&["what", "good", "median", "fastest", "slowest"]);
        for figure in &self.figures {
            table.add_row([
                figure.what.clone(),
                format!("{} of {}", figure.good, figure.seconds.len()),
                time(figure.quantile(0.5)),
                time(figure.quantile(0.0)),
                time(figure.quantile(1.0)),
            ]);
        }
        writeln!(f, "{table}")?;
        for fault in self.figures.iter().flat_map(|figure| &figure.faults) {
            writeln!(f, "{fault}")?;
        }
        write!(
            f,
            "guest {}, {}; {} cores of {}",
            self.guest, self.accelerator, self.cores, self.processor
        )
    }
}

impl Figures {
    fn compared(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(turns) = self.comparisons.iter().map(|row| row.one.len()).max() else {
            return Ok(());
        };
        let mut table = report::table(&["median of", "one", "other", "ratio", "wanted"]);
        for row in &self.comparisons {
            let [one, other] = row.medians();
            let [first, second] = row.names;
            let met = if row.met() { "met" } else { "not met" };
            table.add_row([
                row.what.clone(),
                format!("{one:.2} {first}"),
                format!("{other:.2} {second}"),
                format!("{:.3}", row.ratio()),
                format!("{} or more: {met}", row.at_least),
            ]);
        }
        writeln!(
            f,
            "{table}\n{turns} turns; the ratio (above 1, the first is better) is the median of those of the turns; the memory's \
             caches are dropped before each load, read and write"
        )
    }
}

/// The processor's name, from /proc/cpuinfo.
pub fn processor() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(
            || "an unknown processor".to_string(),
            |(_, name)| name.to_string(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_and_kept() {
        let figure = repeat("x", 3, |turn| Ok((turn == 1).then(|| "bad".to_string()))).unwrap();
        assert_eq!((figure.good, figure.seconds.len()), (2, 3));
        assert_eq!(figure.faults, ["bad"]);
        assert!(repeat("x", 0, |_| Ok(None)).is_err());
    }

    #[test]
    fn what_is_late_is_a_fault() {
        let figure = within("x", vec![1.0, 12.0], 10.0);
        assert_eq!(figure.good, 1);
        assert_eq!(figure.faults, ["x: 12.0 s, more than 10.0 s"]);
    }

    #[test]
    fn the_median_is_the_middle() {
        let figure = Figure {
            seconds: vec![3.0, 1.0, 2.0],
            ..once("x", 0.0)
        };
        assert_eq!(figure.quantile(0.5), 2.0);
        assert_eq!((figure.quantile(0.0), figure.quantile(1.0)), (1.0, 3.0));
        assert_eq!(
            (time(0.0123), time(12.34)),
            ("12.3 ms".into(), "12.3 s".into())
        );
    }
}
