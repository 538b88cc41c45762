//! `vm`: runs the appliance in a virtual machine until Ctrl-C.

use anyhow::Result;

use crate::cli::{Consent, Vm};
use crate::disk_fixtures::DiskSetup;
use crate::report::ConsoleReporter;
use crate::test_env::{Session, Wanted};

/// Ports of 127.0.0.1 that are forwarded to SSH and Ollama: fixed, so that bookmarks and ssh_config can name them.
const PORTS: (u16, u16) = (2222, 11434);

pub fn run(options: &Vm) -> Result<()> {
    let console = ConsoleReporter::default();
    let ask_first = Consent::default();
    let wanted = Wanted::from_project(options.guest, &options.nixpkgs, &ask_first, &options.ollama);
    let Session { folder, env, .. } = Session::prepare(wanted, &console)?;
    let mut machine = env.machine(DiskSetup::Complete, folder.path().join("vm"), PORTS)?;
    env.print_summary();
    console.booting("vm");
    machine.vm.boot()?;
    outln!(
        "{}\nOllama: http://127.0.0.1:{}/api/version\nCtrl-C stops the machine; nothing is kept.",
        machine.vm.how_to_reach()?,
        PORTS.1
    );
    machine.vm.wait_until_off()
}
