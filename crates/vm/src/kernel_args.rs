//! What a guest's kernel is told on an emulated processor: to leave out what costs time and proves nothing there, and to
//! believe what it cannot measure while a busy host lets it wait.

use std::sync::OnceLock;

/// Left out: its protections against its own users, its watchdogs, its patience, serial ports that are not there, the trial
/// of every cipher. Random addresses cost the most, a third of a boot: QEMU translates code by its virtual address, so
/// every process would have its libraries translated for itself.
///
/// Believed: that the timer works. Its trial counts ticks in a loop, finds too few where the host had other things to do,
/// and panics (`check_timer` in arch/x86/kernel/apic/io_apic.c).
const LEAN: &str = "norandmaps nokaslr mitigations=off nopti init_on_alloc=0 hardened_usercopy=off \
    randomize_kstack_offset=off nowatchdog tsc=reliable rcupdate.rcu_expedited=1 8250.nr_uarts=1 cryptomgr.notests \
    no_timer_check";

/// The kernel's arguments, separated by blanks.
///
/// Among them how fast the time stamp counter ticks, which is the host's own (`cpu_get_ticks` in QEMU's cpu-timers.c): a
/// kernel that measures it on a busy host can be wrong by a factor of twenty, and so is its clock.
pub fn emulated() -> &'static str {
    static ARGUMENTS: OnceLock<String> = OnceLock::new();
    ARGUMENTS.get_or_init(|| match counter::kilohertz() {
        Some(khz) => format!("{LEAN} tsc_early_khz={khz}"),
        None => LEAN.to_string(),
    })
}

#[cfg(target_arch = "x86_64")]
mod counter {
    use std::arch::x86_64::_rdtsc;
    use std::thread;
    use std::time::{Duration, Instant};

    /// Between two readings.
    const APART: Duration = Duration::from_millis(50);
    /// A reading of clock and counter that took longer was interrupted.
    const AT_ONCE: Duration = Duration::from_micros(10);
    const TRIES: usize = 1000;

    /// How fast this processor's time stamp counter ticks; nothing where it cannot be read at one time with the clock.
    pub fn kilohertz() -> Option<u64> {
        let (start, first) = reading()?;
        thread::sleep(APART);
        let (end, last) = reading()?;
        let milliseconds = end.duration_since(start).as_secs_f64() * 1000.0;
        let ticks = last.checked_sub(first)?;
        Some((ticks as f64 / milliseconds).round() as u64)
    }

    fn reading() -> Option<(Instant, u64)> {
        (0..TRIES).find_map(|_| {
            let before = Instant::now();
            // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
            let ticks = unsafe { _rdtsc() };
            (before.elapsed() < AT_ONCE).then_some((before, ticks))
        })
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod counter {
    /// Which counter QEMU hands through depends on the host's architecture: the guest has to measure it.
    pub fn kilohertz() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_into_an_option_of_qemu() {
        // A comma would begin the next value.
        assert!(!emulated().contains(','));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_counter_is_measured_the_same_twice() {
        let measured = || counter::kilohertz().unwrap() as f64;
        let (one, two) = (measured(), measured());
        assert!((one / two - 1.0).abs() < 0.005, "{one} and {two} kHz");
        // Slower than any processor of its kind, or faster: not a frequency in kHz.
        assert!((100_000.0..10_000_000.0).contains(&one), "{one} kHz");
    }
}
