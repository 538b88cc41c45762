//! The container's server, outside of Docker: its files unpacked on PERSIST, and a unit of systemd for each folder of models.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use vm::Machine;

use super::super::Context;

/// The ports of the servers with the models on the drive, and on PERSIST.
pub const DRIVE: u16 = 11_500;
pub const PERSIST: u16 = 11_501;
/// Unpacking the image and copying the models, under emulation.
const UNPACK: Duration = Duration::from_secs(300);
/// A server's start.
const START: Duration = Duration::from_secs(120);
/// Libraries for GPUs, gigabytes of them: the machine under test has none.
const FOR_GPUS: &str = "--exclude=cuda_* --exclude=mlx* --exclude=rocm* --exclude=vulkan*";

/// Both servers, running.
pub struct Direct {
    folder: String,
    models: [String; 2],
}

impl Direct {
    /// # Errors
    /// PERSIST has no room, or a server does not start.
    pub fn start(cx: &mut Context) -> Result<Self> {
        let folder = format!("{}/direct", cx.contract.persist.mount_point);
        // The first is a link to the folder on the drive.
        let models = [
            "/run/ollamalive/models".to_string(),
            format!("{folder}/models"),
        ];
        let [drive, persist] = &models;
        let container = &cx.contract.ollama.container;
        let unpack = format!(
            "mkdir -p {folder}/root {persist} && docker export {container} | tar -x -C {folder}/root {FOR_GPUS} && \
             cp -r {drive}/blobs {drive}/manifests {persist}/ && sync"
        );
        let done = cx.machine.exec_within(&[&unpack], UNPACK)?.remove(0);
        ensure!(
            done.ok(),
            "cannot unpack the server on the machine: {}",
            done.text
        );
        for (port, models) in [(DRIVE, drive), (PERSIST, persist)] {
            let unit = unit(port);
            let text = format!(
                "[Service]\\nExecStart=/usr/bin/ollama serve\\nRootDirectory={folder}/root\\nMountAPIVFS=yes\\n\
                 BindPaths={models}:/models\\nEnvironment=HOME=/root OLLAMA_HOST=127.0.0.1:{port} OLLAMA_MODELS=/models \
                 OLLAMA_NOPRUNE=1 OLLAMA_NO_CLOUD=1\\n"
            );
            let start = format!(
                "printf '%b' '{text}' > /run/systemd/system/{unit} && systemctl daemon-reload && systemctl start {unit} && \
                 for turn in $(seq 200); do {} && exit; sleep 0.5; done; journalctl -u {unit} -n 5 -o cat; exit 1",
                answers(port)
            );
            let up = cx
                .machine
                .exec_within(&[&format!("({start})")], START)?
                .remove(0);
            ensure!(
                up.ok(),
                "the server does not run outside of Docker: {}",
                up.text
            );
        }
        Ok(Direct { folder, models })
    }

    /// The largest file of models in each folder.
    ///
    /// # Errors
    /// There is none.
    pub fn blobs(&self, machine: &mut Machine) -> Result<[String; 2]> {
        let largest = |folder: &String| format!("ls -S {folder}/blobs/* | head -n 1");
        let found = machine.exec(&[&largest(&self.models[0]), &largest(&self.models[1])])?;
        let paths: Vec<String> = found
            .iter()
            .map(|output| output.text.trim().to_string())
            .collect();
        <[String; 2]>::try_from(paths)
            .ok()
            .context("no file of a model")
    }

    /// Stops them, and removes what they needed.
    ///
    /// # Errors
    /// They do not stop.
    pub fn stop(self, machine: &mut Machine) -> Result<()> {
        machine
            .succeed(&format!(
                "systemctl stop {} {}; rm -rf {}",
                unit(DRIVE),
                unit(PERSIST),
                self.folder
            ))
            .map(drop)
    }
}

fn unit(port: u16) -> String {
    format!("direct-{port}.service")
}

/// A command line that succeeds if the server on `port` reports its version.
pub fn answers(port: u16) -> String {
    format!(
        "bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; printf \"GET /api/version HTTP/1.0\\r\\n\\r\\n\" >&3; grep -q version <&3' 2>/dev/null"
    )
}
