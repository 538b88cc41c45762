//! modules/gpu.sh over recorded output: what NVIDIA's driver, its CDI generator and Ollama say about a GPU, and what the
//! owner is told. The record is of real machines; IDs that name one of them are replaced.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as a user would"
)]

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let tools = &["bash", "jq", "sed"];
    let trials: Vec<Trial> = vec![
        common::trial("only_a_spec_with_a_gpu_offers_one", tools, specs),
        common::trial("a_display_controller_is_a_card", tools, cards),
        common::trial("a_card_has_its_name", tools, names),
        common::trial("each_reason_says_what_to_do", tools, reasons),
        common::trial("ollama_says_what_it_computes_on", tools, computes_on),
        common::trial("each_wait_for_ollama_has_its_own_day", tools, each_wait),
        common::trial("the_udev_rule_has_a_form_that_matches", &[], udev_rule),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn recorded(name: &str) -> PathBuf {
    common::root().join("xtask/tests/gpu").join(name)
}

/// Calls a function of gpu.sh: what it prints, and whether it succeeds.
fn call(function: &str, arguments: &[&str]) -> Result<(String, bool), Failed> {
    let output = Command::new("bash")
        .args([
            "-c",
            r#"function=$2; . "$1"; shift 2; "$function" "$@""#,
            "bash",
        ])
        .arg(common::root().join("modules/gpu.sh"))
        .arg(function)
        .args(arguments)
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "", "{function} {arguments:?}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    Ok((stdout.trim_end().to_string(), output.status.success()))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the paths of this project are UTF-8")
}

/// A folder like /sys/bus/pci/devices, with these devices: vendor, device, class.
fn sysfs(devices: &[[&str; 3]]) -> Result<tempfile::TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    for (number, facts) in devices.iter().enumerate() {
        let device = folder.path().join(format!("0000:0{number}:00.0"));
        fs::create_dir(&device)?;
        for (name, value) in ["vendor", "device", "class"].iter().zip(facts) {
            fs::write(device.join(name), format!("{value}\n"))?;
        }
    }
    Ok(folder)
}

fn specs() -> Result<(), Failed> {
    let mut files = 0;
    for file in fs::read_dir(recorded("cdi"))? {
        let file = file?.path();
        let (_, offers) = call("offers_gpu", &[path(&file)])?;
        assert_eq!(offers, file.ends_with("good.json"), "{}", file.display());
        files += 1;
    }
    assert_eq!(files, 8);
    assert!(!call("offers_gpu", &["/nowhere"])?.1);
    Ok(())
}

fn cards() -> Result<(), Failed> {
    let devices = sysfs(&[
        ["0x8086", "0x1234", "0x030000"],
        ["0x10de", "0x2204", "0x030000"],
        ["0x10de", "0x1aef", "0x040300"],
        // A card without a display.
        ["0x10de", "0x2335", "0x030200"],
    ])?;
    let (found, _) = call("nvidia_cards", &[path(devices.path())])?;
    assert_eq!(found, "10de:2204\n10de:2335");
    assert_eq!(call("nvidia_cards", &["/nowhere"])?.0, "");
    Ok(())
}

fn names() -> Result<(), Failed> {
    let ids = recorded("pci.ids");
    for (id, ids, name) in [
        ("10de:2204", path(&ids), "NVIDIA GeForce RTX 3090"),
        ("10de:1b80", path(&ids), "NVIDIA GeForce GTX 1080"),
        ("10de:2335", path(&ids), "NVIDIA H200 SXM 141GB"),
        ("10de:ffff", path(&ids), "NVIDIA GPU 10de:ffff"),
        ("10de:2204", "/nowhere", "NVIDIA GPU 10de:2204"),
        ("10de:2204", "", "NVIDIA GPU 10de:2204"),
        ("", path(&ids), "NVIDIA GPU"),
    ] {
        assert_eq!(call("card_name", &[id, ids])?.0, name);
    }
    Ok(())
}

fn reasons() -> Result<(), Failed> {
    let write = |driver: &str| {
        format!(
            "Write this line before the last }} of configuration.nix: ollamalive.gpu.driver = \"{driver}\"; Then build the image and flash it."
        )
    };
    let unusable = "is not usable with driver 595.84 (open) (see: journalctl -b -u nvidia-container-toolkit-cdi-generator).";
    let (open, closed) = ("driver 595.84 (open)", "driver 595.84 (closed)");
    let (old, good) = ("no-devices", "good");
    let (gtx1080, rtx3090) = ("0x1b80", "0x2204");
    for (card, spec, kernel, driver, sentence) in [
        (rtx3090, good, "loaded", open, String::new()),
        // What the driver has said before it was there is over.
        (rtx3090, good, "lost", open, String::new()),
        (
            gtx1080,
            old,
            "no-gsp",
            open,
            format!("The NVIDIA GeForce GTX 1080 is too old for {open}. {}", write("legacy_580")),
        ),
        (
            "0x1d01",
            old,
            "legacy-580",
            open,
            format!("The NVIDIA GeForce GT 1030 is too old for {open}. {}", write("legacy_580")),
        ),
        (
            "0x1299",
            old,
            "legacy-470",
            open,
            "The NVIDIA GeForce 920M is too old for Ollama: the last driver for it is 470, and Ollama needs 570.".to_string(),
        ),
        (
            "0x2b85",
            old,
            "needs-open",
            closed,
            format!("The NVIDIA GeForce RTX 5090 does not work with {closed}. {}", write("open")),
        ),
        (
            "0x2d04",
            old,
            "too-new",
            open,
            format!("The NVIDIA GeForce RTX 5060 Ti is too new for {open}. Update OllamaLive."),
        ),
        (
            rtx3090,
            old,
            "lost",
            open,
            "The NVIDIA GeForce RTX 3090 does not answer. Switch the PC off, and on again.".to_string(),
        ),
        (rtx3090, old, "loaded", open, format!("The NVIDIA GeForce RTX 3090 {unusable}")),
        (rtx3090, "cut-off", "loaded", open, format!("The NVIDIA GeForce RTX 3090 {unusable}")),
        (rtx3090, "empty", "loaded", open, format!("The NVIDIA GeForce RTX 3090 {unusable}")),
    ] {
        let devices = sysfs(&[["0x10de", card, "0x030000"], ["0x10de", "0x1aef", "0x040300"]])?;
        let files = [
            devices.path().to_path_buf(),
            recorded(&format!("cdi/{spec}.json")),
            recorded(&format!("kernel/{kernel}.txt")),
            recorded("pci.ids"),
        ];
        let mut arguments: Vec<&str> = files.iter().map(|file| path(file)).collect();
        arguments.push(driver);
        assert_eq!(call("why_no_gpu", &arguments)?.0, sentence, "{kernel}, {spec}");
    }
    // A PC without a card, whatever else is there.
    let devices = sysfs(&[["0x8086", "0x1234", "0x030000"]])?;
    let arguments = [
        path(devices.path()),
        "/nowhere",
        "/nowhere",
        "",
        "the NVIDIA driver",
    ];
    assert_eq!(call("why_no_gpu", &arguments)?.0, "No NVIDIA GPU found.");
    Ok(())
}

fn computes_on() -> Result<(), Failed> {
    for (log, expected) in [
        ("cuda", "gpu"),
        ("older-cuda", "gpu"),
        ("vulkan", "gpu"),
        ("cpu", "cpu"),
        ("not-yet", ""),
    ] {
        let log = recorded(&format!("ollama/{log}.txt"));
        assert_eq!(
            call("computes_on", &[path(&log)])?.0,
            expected,
            "{}",
            log.display()
        );
    }
    Ok(())
}

/// The second wait, after a restart, is not cut short by the time that the first one took.
fn each_wait() -> Result<(), Failed> {
    let script = r#". "$1"; sleep() { ((SECONDS += $1)); }; systemctl() { :; }; journalctl() { cat "$record"; }; record=$2; SECONDS=86400; what_server_uses"#;
    let output = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(common::root().join("modules/gpu.sh"))
        .arg(recorded("ollama/cuda.txt"))
        .output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "gpu\n");
    Ok(())
}

/// udev ignores a rule whose quotes do not match, and only its own log says so.
fn udev_rule() -> Result<(), Failed> {
    let record = xtask::snapshot::load_json(&xtask::snapshot::folder(&common::root()))?;
    let parts = record["gpu"]["udevRule"].as_array().ok_or("no rule")?;
    let (run, matches) = parts.split_last().ok_or("an empty rule")?;
    assert_eq!(
        matches,
        [
            r#"ACTION=="add""#,
            r#"SUBSYSTEM=="module""#,
            r#"KERNEL=="nvidia_uvm""#
        ]
    );
    let run = run.as_str().and_then(|run| run.strip_prefix("RUN+=\""));
    let command = run.and_then(|run| run.strip_suffix('"'));
    let command = command.ok_or("it runs nothing")?;
    assert!(
        command.ends_with(
            "/bin/systemctl --no-block restart nvidia-container-toolkit-cdi-generator.service"
        ),
        "{command}"
    );
    assert!(!command.contains(['"', '\'']), "{command}");
    Ok(())
}
