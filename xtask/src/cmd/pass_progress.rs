//! The progress of a pass over the image: a bar on a terminal, a line every ten seconds elsewhere.

use std::cell::RefCell;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use stick::monitor::{Monitor, Pass};
use stick::units::decimal_size;
use vm::process;

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

/// Shows the passes of flashing or of an update, and ends them on Ctrl-C.
#[derive(Default)]
pub struct PassProgress(RefCell<Option<RunningPass>>);

/// The pass that is running.
struct RunningPass {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    shown: Instant,
}

/// The name of a pass, while it runs and afterwards.
fn words(pass: Pass) -> (&'static str, &'static str) {
    match pass {
        Pass::CheckImage => ("checking the image", "checked"),
        Pass::Write => ("writing", "written"),
        Pass::ReadBack => ("reading back", "read back and compared"),
        Pass::Pack => ("packing", "packed"),
        Pass::Update => ("reading the update", "read"),
        Pass::Send => ("sending", "sent"),
    }
}

impl Monitor for PassProgress {
    fn check(&self) -> Result<()> {
        process::check_interrupt()
    }

    fn begin(&self, pass: Pass, total: u64) {
        let (what, _) = words(pass);
        let bar = stderr().is_terminal().then(|| {
            let style = "{msg} {bar:32} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
            let style = ProgressStyle::with_template(style).expect("the template is valid");
            ProgressBar::new(total).with_style(style).with_message(what)
        });
        let now = Instant::now();
        *self.0.borrow_mut() = Some(RunningPass {
            bar,
            what,
            total,
            done: 0,
            started: now,
            shown: now,
        });
    }

    fn advance(&self, bytes: u64) {
        if let Some(running) = &mut *self.0.borrow_mut() {
            running.advance(bytes);
        }
    }

    fn end(&self, pass: Pass) {
        if let Some(running) = self.0.take() {
            let seconds = running.started.elapsed().as_secs_f64();
            let (done, past) = (running.done, words(pass).1);
            // The bar goes first.
            drop(running);
            let speed = speed(done, seconds) / 1e6;
            outln!(
                "{past}: {} in {seconds:.1} s ({speed:.0} MB/s)",
                decimal_size(done)
            );
        }
    }
}

impl RunningPass {
    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if self.shown.elapsed() > EVERY {
            self.shown = Instant::now();
            let elapsed = self.started.elapsed();
            outln!("{}", line(self.what, self.done, self.total, elapsed));
        }
    }
}

impl Drop for RunningPass {
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
        "{what}: {} of {}, {:.0} MB/s, {left:.0} s left",
        decimal_size(done),
        decimal_size(total),
        speed / 1e6
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_speed_and_time_left() {
        assert_eq!(
            line("writing", 100 << 20, 300 << 20, Duration::from_secs(2)),
            "writing: 104 MB of 314 MB, 52 MB/s, 4 s left"
        );
    }
}
