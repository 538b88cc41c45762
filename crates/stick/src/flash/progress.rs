//! How far a pass over the image is: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::MIB;

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

pub struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    told: Instant,
}

impl Progress {
    /// A pass over `total` bytes, called `what`.
    pub fn new(what: &'static str, total: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = "{msg} {bar:32} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
            let style = ProgressStyle::with_template(style).expect("the template is sound");
            ProgressBar::new(total).with_style(style).with_message(what)
        });
        let now = Instant::now();
        Progress {
            bar,
            what,
            total,
            done: 0,
            started: now,
            told: now,
        }
    }

    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if self.told.elapsed() > EVERY {
            self.told = Instant::now();
            outln!(
                "{}",
                line(self.what, self.done, self.total, self.started.elapsed())
            );
        }
    }

    /// Says that it is over, in the word `past`.
    pub fn done(self, past: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        outln!(
            "{past}: {} MiB in {seconds:.1} s ({:.0} MB/s)",
            self.done / MIB,
            speed(self.done, seconds) / 1e6
        );
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Bytes a second; never infinite.
fn speed(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / seconds.max(1e-3)
}

fn line(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let speed = speed(done, elapsed.as_secs_f64());
    let left = total.saturating_sub(done) as f64 / speed.max(1.0);
    format!(
        "{what}: {} of {} MiB, {:.0} MB/s, {left:.0} s left",
        done / MIB,
        total / MIB,
        speed / 1e6
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_speed_and_time_left() {
        assert_eq!(
            line("writing", 100 << 20, 300 << 20, Duration::from_secs(2)),
            "writing: 100 of 300 MiB, 52 MB/s, 4 s left"
        );
    }
}
