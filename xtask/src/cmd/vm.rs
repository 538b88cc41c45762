//! `vm`: the appliance in a machine, to look at.

use anyhow::Result;

use crate::cli::{Consent, Vm};
use crate::disk_fixtures::DiskSetup;
use crate::report::Watcher;
use crate::test_env::{Run, Wanted};

/// The ports of 127.0.0.1 that lead into the machine: fixed, so that bookmarks and ssh_config can name them.
const PORTS: (u16, u16) = (2222, 11434);

pub fn run(options: &Vm) -> Result<()> {
    let watcher = Watcher::default();
    let unasked = Consent::default();
    let wanted = Wanted::from_project(options.guest, &options.nixpkgs, &unasked);
    let Run { folder, bench, .. } = Run::prepare(wanted, &watcher)?;
    let mut machine = bench.machine(DiskSetup::Complete, folder.path().join("vm"), PORTS)?;
    bench.introduce();
    watcher.say("booting");
    machine.vm.boot()?;
    tell!(
        "{}\nOllama: http://127.0.0.1:{}/api/version\nCtrl-C ends it; nothing is kept.",
        machine.vm.how_to_reach()?,
        PORTS.1
    );
    machine.vm.wait_until_off()
}
