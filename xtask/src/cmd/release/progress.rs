//! The progress of packing an image.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::Result;
use stick::monitor::{Monitor, Pass};

use crate::report::ConsoleReporter;

/// Prints how much of an image is packed every ten seconds, and ends on Ctrl-C.
pub struct PackProgress<'a> {
    name: &'a str,
    console: &'a ConsoleReporter,
    total: Cell<u64>,
    done: Cell<u64>,
    shown: Cell<Instant>,
}

impl<'a> PackProgress<'a> {
    const EVERY: Duration = Duration::from_secs(10);

    pub fn new(name: &'a str, console: &'a ConsoleReporter) -> Self {
        PackProgress {
            name,
            console,
            total: Cell::new(0),
            done: Cell::new(0),
            shown: Cell::new(Instant::now()),
        }
    }
}

impl Monitor for PackProgress<'_> {
    fn check(&self) -> Result<()> {
        vm::process::check_interrupt()
    }

    fn begin(&self, _: Pass, total: u64) {
        self.total.set(total);
    }

    fn advance(&self, bytes: u64) {
        self.done.set(self.done.get() + bytes);
        if self.shown.get().elapsed() > Self::EVERY {
            self.shown.set(Instant::now());
            let percent = self.done.get() * 100 / self.total.get().max(1);
            self.console.say(&format!("{}: {percent} %", self.name));
        }
    }
}
