//! Kernel arguments for a guest on an emulated processor: they switch off what costs time and proves nothing there, and
//! provide what the kernel cannot measure on a busy host.

use std::sync::OnceLock;

/// Switches off hardening, watchdogs, serial ports that do not exist and self-tests of ciphers; expedites RCU grace periods.
/// Address randomization costs the most, a third of a boot: QEMU translates code by virtual address, so it would translate
/// the libraries again for every process.
///
/// `tsc=reliable`: do not check the time stamp counter against other clocks, which are emulated.
///
/// `systemd.default_device_timeout_sec`: 90 s are too short for udev on a slow host; a serial console that is late gets no login.
///
/// `no_timer_check`: the check counts ticks in a loop, finds too few when the host is busy, and panics (`check_timer` in
/// arch/x86/kernel/apic/io_apic.c).
const LEAN: &str = "norandmaps nokaslr mitigations=off nopti init_on_alloc=0 hardened_usercopy=off \
    randomize_kstack_offset=off nowatchdog tsc=reliable rcupdate.rcu_expedited=1 8250.nr_uarts=1 cryptomgr.notests \
    no_timer_check systemd.default_device_timeout_sec=300";

/// The kernel arguments, separated by spaces.
///
/// They include the frequency of the time stamp counter, which is the host's (`cpu_get_ticks` in QEMU's cpu-timers.c): a
/// kernel that measures it on a busy host can be wrong by a factor of twenty, and its clock with it.
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

    /// The time between two readings.
    const APART: Duration = Duration::from_millis(50);
    /// A reading of clock and counter that takes longer was interrupted.
    const MAX_READING: Duration = Duration::from_micros(10);
    const TRIES: usize = 1000;

    /// The frequency of this processor's time stamp counter; `None` if the counter cannot be read together with the clock.
    pub fn kilohertz() -> Option<u64> {
        let (start, first) = reading()?;
        thread::sleep(APART);
        let (end, last) = reading()?;
        let milliseconds = end.duration_since(start).as_secs_f64() * 1000.0;
        let ticks = last.checked_sub(first)?;
        Some((ticks as f64 / milliseconds).round() as u64)
    }

    #[expect(unsafe_code, reason = "no safe function reads the time stamp counter")]
    fn reading() -> Option<(Instant, u64)> {
        (0..TRIES).find_map(|_| {
            let before = Instant::now();
            // SAFETY: every x86-64 processor has the instruction, and it accesses no memory.
            let ticks = unsafe { _rdtsc() };
            (before.elapsed() < MAX_READING).then_some((before, ticks))
        })
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod counter {
    /// On other architectures the guest has to measure its counter.
    pub fn kilohertz() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_contain_no_comma() {
        // In an option of QEMU, a comma would start the next value.
        assert!(!emulated().contains(','));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn two_measurements_of_the_counter_agree() {
        let measured = || counter::kilohertz().unwrap() as f64;
        let (one, two) = (measured(), measured());
        assert!((one / two - 1.0).abs() < 0.005, "{one} and {two} kHz");
        // Outside this range it is not the frequency of a processor in kHz.
        assert!((100_000.0..10_000_000.0).contains(&one), "{one} kHz");
    }
}
