//! Machines that fail: one that does not boot, a killed QEMU, a port that is taken.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vm::lan::Lan;
use vm::ssh::Key;
use vm::{
    Accelerator, Boot, BootedWhen, Disk, Ended, Forward, Login, Machine, MachineConfig, NoLogin,
    QemuConfig, firmware, process,
};

/// An environment variable for a child of these tests: the folder of the machine that it boots.
const BOOT: &str = "VM_TEST_BOOT";

fn main() {
    if let Some(folder) = std::env::var_os(BOOT) {
        boot_in_child(Path::new(&folder));
    }
    let needs = &["qemu-system-x86_64", "ssh-keygen", "/usr/share/OVMF"];
    let trials = vec![
        trial(
            "a_machine_without_a_system_shows_its_console",
            needs,
            no_login,
        ),
        trial("a_killed_qemu_is_not_the_guests_fault", needs, killed),
        trial("a_taken_port_is_named", needs, taken_port),
        trial("ctrl_c_switches_the_machine_off", needs, || {
            ends_with_its_harness(Signal::SIGINT)
        }),
        trial("a_killed_harness_ends_its_machine", needs, || {
            ends_with_its_harness(Signal::SIGKILL)
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A machine with an empty disk: UEFI finds nothing to boot.
fn empty_machine(
    folder: &Path,
    host_ports: (u16, u16),
    deadline: Duration,
) -> Result<Machine, Failed> {
    let (code, vars) = firmware::find(None).ok_or("no UEFI firmware")?;
    let image = folder.join("stick.img");
    fs::File::create(&image)?.set_len(64 << 20)?;
    let (ssh, other) = (22, 8080);
    let config = MachineConfig {
        qemu: QemuConfig {
            accelerator: Accelerator::Tcg {
                because: "the test needs no KVM".into(),
            },
            memory_mib: 256,
            boot: Boot::Uefi {
                code,
                vars,
                extra_kernel_args: None,
            },
            disks: vec![Disk::new(image, "stick")],
            cable: true,
            clock: "utc".into(),
            lan: Lan::default(),
            time_zone: None,
            watchdog: false,
            forwards: vec![
                Forward {
                    host: host_ports.0,
                    guest: ssh,
                },
                Forward {
                    host: host_ports.1,
                    guest: other,
                },
            ],
        },
        booted: BootedWhen::default(),
        login: Some(Login {
            user: "nobody".into(),
            key: Key::generate(folder, "owner")?,
            ssh_port: ssh,
        }),
        boot_deadline: deadline,
    };
    Ok(Machine::new(config, folder.join("machine"))?)
}

/// A test that is ignored, with the reason in its name, unless the host has all of `needs` (programs, or absolute paths).
fn trial(name: &str, needs: &[&str], run: fn() -> Result<(), Failed>) -> Trial {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = |need: &str| std::env::split_paths(&path).any(|folder| folder.join(need).exists());
    let missing: Vec<&str> = needs.iter().copied().filter(|need| !has(need)).collect();
    if missing.is_empty() {
        return Trial::test(name, run);
    }
    Trial::test(format!("{name} (ignored: no {})", missing.join(", ")), run).with_ignored_flag(true)
}

/// The process ID of the QEMU whose disk is in `folder`.
fn qemu_on(folder: &Path) -> Option<i32> {
    let stick = format!("qemu-system-x86_64.*{}", folder.join("stick.img").display());
    let output = process::command("pgrep")
        .args(["-f", &stick])
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
}

fn no_login() -> Result<(), Failed> {
    // UEFI gives up after a few seconds, on a busy host after minutes. The boot takes the whole deadline, so short ones go first.
    no_login_within(12)
        .or_else(|_| no_login_within(60))
        .or_else(|_| no_login_within(400))
}

fn no_login_within(seconds: u64) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let deadline = Duration::from_secs(seconds);
    let mut machine = empty_machine(folder.path(), (0, 0), deadline)?;
    let start = Instant::now();
    let error = machine.boot().expect_err("an empty disk cannot boot");
    let error = error.downcast::<NoLogin>()?;
    let within = format!("within {seconds} s");
    assert!(error.why.contains(&within), "{}", error.why);
    assert!(start.elapsed() < deadline + Duration::from_secs(300));
    if !(error.tail.contains("UEFI") || error.tail.contains("BdsDxe")) {
        return Err(format!("the console is not shown: {:?}", error.tail).into());
    }
    evidence(&mut machine, folder.path())
}

/// Checks what a machine leaves behind: its screen, logs and command line. One that is off has no journal to read.
fn evidence(machine: &mut Machine, folder: &Path) -> Result<(), Failed> {
    let screen = folder.join("screen.png");
    machine.screenshot(&screen)?;
    assert!(fs::read(&screen)?.starts_with(b"\x89PNG\r\n"));
    machine.leave_logs(folder)?;
    let read = |name: &str| fs::read_to_string(folder.join(name));
    if !read("console.log")?.contains("BdsDxe") {
        return Err("the console was left before UEFI had looked for a system".into());
    }
    assert!(read("qemu.command")?.contains("qemu-system-x86_64"));
    machine.power_cut();
    let error = machine.journal().expect_err("it is off").to_string();
    assert!(error.contains("switched off"), "{error}");
    Ok(())
}

fn killed() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut machine = empty_machine(folder.path(), (0, 0), Duration::from_secs(60))?;
    let path = folder.path().to_path_buf();
    let killer = thread::spawn(move || {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            if let Some(qemu) = qemu_on(&path) {
                thread::sleep(Duration::from_secs(1));
                let _ = kill(Pid::from_raw(qemu), Signal::SIGKILL);
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    let error = machine
        .boot()
        .expect_err("QEMU was killed")
        .downcast::<Ended>()?;
    killer.join().map_err(|_| "the killer has died")?;
    assert!(error.to_string().contains("killed by signal 9"), "{error}");
    Ok(())
}

fn taken_port() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let mut machine = empty_machine(folder.path(), (port, 0), Duration::from_secs(12))?;
    let error = machine.boot().expect_err("the port is taken").to_string();
    assert!(
        error.contains("is taken on 127.0.0.1") && error.contains(&port.to_string()),
        "{error}"
    );
    Ok(())
}

/// The child boots a machine that never shows a login.
fn boot_in_child(folder: &Path) -> ! {
    process::catch_interrupts().expect("signals can be caught");
    let booted = empty_machine(folder, (0, 0), Duration::from_secs(120))
        .map_err(|error| format!("{error:?}"))
        .and_then(|mut machine| machine.boot().map_err(|error| format!("{error:#}")));
    eprintln!("{booted:?}");
    std::process::exit(2)
}

fn ends_with_its_harness(signal: Signal) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let harness = process::command(std::env::current_exe()?)
        .env(BOOT, folder.path())
        .stderr(Stdio::piped())
        .spawn()?;
    let within = |limit: Duration, done: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !done() && start.elapsed() < limit {
            thread::sleep(Duration::from_millis(50));
        }
        done()
    };
    let runs = || qemu_on(folder.path()).is_some();
    assert!(within(Duration::from_secs(30), &runs), "no QEMU started");
    kill(Pid::from_raw(i32::try_from(harness.id())?), signal)?;
    let stderr = String::from_utf8_lossy(&harness.wait_with_output()?.stderr).into_owned();
    if signal == Signal::SIGINT {
        assert!(stderr.contains("interrupted"), "{stderr}");
    }
    assert!(
        within(Duration::from_secs(10), &|| !runs()),
        "QEMU is left running"
    );
    Ok(())
}
