//! Tests of the judge of `ollama.contained`.

use super::*;
use crate::scenario::testing::{assert_each_breaks, assert_kept};

const STATUS: &str = "Name:\tollama\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n\
    CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
const MOUNTS: &str = "\
    600 500 0:50 / / ro,relatime master:1 - overlay overlay rw\n\
    601 600 0:51 / /proc rw,nosuid - proc proc rw\n\
    602 601 0:51 /bus /proc/bus ro,nosuid - proc proc rw\n\
    603 600 0:60 / /tmp rw,nosuid - tmpfs tmpfs rw\n\
    604 600 254:3 /docker/containers/x/hosts /etc/hosts ro - ext4 /dev/vda3 rw\n\
    605 600 0:40 /ollama /root/.ollama rw - fuseblk /dev/vdc rw\n\
    606 600 253:1 /abc-nvidia-x11/lib/libcuda.so /nix/store/abc-nvidia-x11/lib/libcuda.so ro,nosuid - erofs /dev/vda2 ro";

fn good() -> Facts {
    Facts {
        status: STATUS.to_string(),
        mounts: MOUNTS.to_string(),
        devices: "core\nfd\nnull\nnvidia0\nnvidia-uvm\nshm\nzero".to_string(),
        namespaces: "pid:[5]\nipc:[6]\npid:[1]\nipc:[2]".to_string(),
        processes: "512".to_string(),
        files: "65536 65536".to_string(),
        root_written: false,
        tmp_error: String::new(),
    }
}

#[test]
fn kept_with_the_models_the_gpu_and_nothing_else() {
    assert_kept(
        judge(&good()),
        "no capability, no new privileges, a read-only root, nothing of the machine's but /root/.ollama; \
         512 processes and 65536 open files at most",
    );
}

#[test]
fn each_way_out_breaks_it() {
    assert_each_breaks(
        &good(),
        judge,
        &[
            (
                |facts| {
                    let one = "CapBnd:\t0000000000000001";
                    facts.status = STATUS.replace("CapBnd:\t0000000000000000", one);
                },
                "it has capabilities: CapBnd 0000000000000001",
            ),
            (
                |facts| facts.status = STATUS.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
                "it may gain privileges",
            ),
            (
                |facts| facts.status = STATUS.replace("Seccomp:\t2", "Seccomp:\t0"),
                "it may make any system call",
            ),
            (
                |facts| facts.root_written = true,
                "its root can be written to",
            ),
            (
                |facts| facts.tmp_error = "Read-only file system".to_string(),
                "its /tmp cannot be written to: Read-only file system",
            ),
            (
                |facts| facts.mounts += "\n607 600 0:30 / /host rw - overlay root rw",
                "/host is the machine's / (overlay)",
            ),
            (
                |facts| {
                    facts.mounts +=
                        "\n607 600 0:25 /docker.sock /run/docker.sock rw - tmpfs tmpfs rw";
                },
                "/run/docker.sock is the machine's /docker.sock (tmpfs)",
            ),
            (
                |facts| facts.mounts = MOUNTS.replace("ro,nosuid - erofs", "rw - erofs"),
                "/nix/store/abc-nvidia-x11/lib/libcuda.so is the machine's /abc-nvidia-x11/lib/libcuda.so (erofs)",
            ),
            (
                |facts| facts.devices += "\nvda\nvda3",
                "it has the machine's vda, vda3",
            ),
            (
                |facts| facts.namespaces = facts.namespaces.replace("pid:[5]", "pid:[1]"),
                "it shares the machine's processes or their memory",
            ),
            (
                |facts| facts.processes = "max".to_string(),
                "it may start max processes",
            ),
            (
                |facts| facts.processes = "1450".to_string(),
                "it may start 1450 processes",
            ),
            (
                |facts| facts.files = "65536 524288".to_string(),
                "a process may open 65536, and at most 524288 files",
            ),
            (
                |facts| facts.files = "1024 65536".to_string(),
                "a process may open 1024, and at most 65536 files",
            ),
            (
                |facts| facts.files = String::new(),
                "a process may open , and at most  files",
            ),
        ],
    );
}

#[test]
fn a_process_that_is_gone_is_not_contained() {
    let facts = Facts {
        status: String::new(),
        ..good()
    };
    assert!(matches!(judge(&facts), Finding::Broken(_)));
}
