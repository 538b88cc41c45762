//! Snapshots of whole command lines, one option a line.

use super::*;
use crate::accel::Accelerator;
use crate::config::Forward;
use crate::lan::Lan;

fn machine(accelerator: Accelerator, boot: Boot) -> QemuConfig {
    QemuConfig {
        accelerator,
        memory_mib: 1024,
        boot,
        disks: vec![Disk::new("/run/stick.img", "stick")],
        cable: true,
        clock: "utc".into(),
        lan: Lan::default(),
        time_zone: None,
        watchdog: false,
        forwards: vec![
            Forward { host: 0, guest: 22 },
            Forward {
                host: 8080,
                guest: 80,
            },
        ],
    }
}

fn tcg() -> Accelerator {
    Accelerator::Tcg {
        because: "the test needs no KVM".into(),
    }
}

fn direct() -> Boot {
    Boot::Direct {
        kernel: "/guest/kernel".into(),
        initrd: "/guest/initrd".into(),
        append: "console=ttyS0 root=/dev/vda".into(),
    }
}

fn uefi(extra_kernel_args: Option<&str>) -> Boot {
    Boot::Uefi {
        code: "/usr/share/OVMF/OVMF_CODE_4M.fd".into(),
        vars: "/usr/share/OVMF/OVMF_VARS_4M.fd".into(),
        extra_kernel_args: extra_kernel_args.map(str::to_string),
    }
}

fn read_only(path: &str, serial: &str) -> Disk {
    Disk {
        read_only: true,
        ..Disk::new(path, serial)
    }
}

fn shown(machine: &QemuConfig, folder: &str, resumes: bool) -> String {
    let files = Files {
        folder: Path::new(folder),
        resumes,
    };
    let mut lines = String::new();
    for argument in machine.arguments(files) {
        let argument = argument.to_str().unwrap();
        let separator = if argument.starts_with('-') { '\n' } else { ' ' };
        lines.push(separator);
        lines.push_str(argument);
    }
    lines.trim_start().to_string()
}

#[test]
fn direct_boot_under_tcg() {
    let machine = machine(tcg(), direct());
    insta::assert_snapshot!(shown(&machine, "/run/machine", false));
}

#[test]
fn uefi_under_tcg_with_kernel_args() {
    let mut machine = machine(tcg(), uefi(Some("norandmaps nokaslr")));
    machine.disks.push(read_only("/run/extra.img", "extra"));
    insta::assert_snapshot!(shown(&machine, "/run/machine", false));
}

#[test]
fn uefi_under_kvm() {
    let machine = machine(Accelerator::Kvm, uefi(None));
    insta::assert_snapshot!(shown(&machine, "/run/machine", false));
}

#[test]
fn removable_disks_one_with_a_bad_sector_and_one_read_only() {
    let mut machine = machine(tcg(), direct());
    machine.disks.push(Disk {
        bad_sector: Some(4096),
        ..Disk::new("/run/models.img", "models").removable()
    });
    machine
        .disks
        .push(read_only("/run/usb.img", "usb").removable());
    insta::assert_snapshot!(shown(&machine, "/run/machine", false));
}

#[test]
fn resuming_from_a_snapshot() {
    let mut machine = machine(tcg(), uefi(None));
    machine.disks.push(read_only("/run/extra.img", "extra"));
    machine.disks.push(Disk {
        bad_sector: Some(4096),
        ..Disk::new("/run/models.img", "models").removable()
    });
    insta::assert_snapshot!(shown(&machine, "/run/machine", true));
}

#[test]
fn commas_in_paths_are_doubled() {
    let mut machine = machine(tcg(), uefi(None));
    machine.disks = vec![
        Disk::new("/a,b/stick.img", "stick"),
        Disk::new("/a,b/usb.img", "usb").removable(),
    ];
    insta::assert_snapshot!(shown(&machine, "/a,b/machine", false));
}

/// The link goes down by QMP after QEMU has started: the command line is the same.
#[test]
fn the_cable_is_not_on_the_command_line() {
    let plugged = machine(tcg(), direct());
    let mut unplugged = plugged.clone();
    unplugged.cable = false;
    assert_eq!(
        shown(&plugged, "/run/machine", false),
        shown(&unplugged, "/run/machine", false)
    );
}

#[test]
fn the_clock_can_be_set() {
    let mut machine = machine(tcg(), direct());
    machine.clock = "2030-01-01T00:00:00".into();
    let arguments = shown(&machine, "/run/machine", false);
    assert!(arguments.contains("\n-rtc base=2030-01-01T00:00:00\n"));
}
