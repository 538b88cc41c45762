//! The first boot of a fresh stick, with the owner's files on its FAT partition.

use anyhow::Result;

use super::{Context, Finding};
use crate::disk_fixtures::{CONNECTION, WEAK_KEY};
use stick::gpt::ALIGNMENT;

/// `persist.created-on-first-boot`
pub fn created_on_first_boot(cx: &mut Context) -> Result<Finding> {
    let outputs = cx.machine.exec(&[
        "findmnt -bno SOURCE,FSTYPE,SIZE --mountpoint /persist",
        "readlink -f /dev/ollamalive/PERSIST",
        "stat -c '%n %a %U' /persist/home /persist/docker /persist/network /persist/ssh",
        "journalctl -b --no-pager -o cat -u persist | grep -c 'making its file system'",
    ])?;
    let mut faults = Vec::new();
    let mount: Vec<&str> = outputs[0].text.split_whitespace().collect();
    let stick = std::fs::metadata(&cx.disks.stick.path)?.len();
    let persist = cx.disks.stick.partition(cx.disks.persist())?;
    match mount[..] {
        [source, "ext4", size] if source == outputs[1].text => {
            // ext4 keeps a part of the partition for its own tables.
            let size: u64 = size.parse()?;
            if size < persist.length / 10 * 9 {
                faults.push(format!(
                    "the file system has {size} of the partition's {} bytes",
                    persist.length
                ));
            }
        }
        _ => faults.push(format!(
            "/persist is {:?}, not ext4 on the stick's partition",
            outputs[0].text
        )),
    }
    let end = persist.offset + persist.length;
    if end + 2 * ALIGNMENT < stick {
        faults.push(format!("PERSIST ends at byte {end}, the stick at {stick}"));
    }
    let folders: Vec<&str> = outputs[2].text.lines().collect();
    let promised = [
        "/persist/home 755 root",
        "/persist/docker 710 root",
        "/persist/network 700 root",
        "/persist/ssh 755 root",
    ];
    if folders != promised {
        faults.push(format!("its folders are {}", folders.join(", ")));
    }
    if outputs[3].text != "1" {
        faults.push(format!(
            "its file system was made {} times",
            outputs[3].text
        ));
    }
    Ok(Finding::from_faults(
        &faults,
        format!("{}, to the end of the stick", outputs[0].text),
    ))
}

/// `ssh.key-from-esp`
pub fn key_from_esp(cx: &mut Context) -> Result<Finding> {
    let server = cx.machine.server()?;
    if !cx.owner_gets_in(&server)? {
        return Ok(Finding::Broken(
            "the key in ollamalive/authorized_keys on the ESP was refused".to_string(),
        ));
    }
    let owner = format!("no-agent-forwarding {}", cx.machine.login().key.public);
    let outputs = cx.machine.exec(&[
        "cat /persist/ssh/authorized_keys",
        "journalctl -b --no-pager -o cat -u esp-import",
        // What is withdrawn must not come back with the next start.
        "cp -a /persist/ssh/authorized_keys /run/kept && : > /persist/ssh/authorized_keys && systemctl restart esp-import; \
         cat /persist/ssh/authorized_keys; cp -a /run/kept /persist/ssh/authorized_keys",
    ])?;
    let mut faults = Vec::new();
    if outputs[0].text != owner {
        faults.push(format!(
            "/persist/ssh/authorized_keys is {:?}",
            outputs[0].text
        ));
    }
    let weak = WEAK_KEY.split_whitespace().last().unwrap_or_default();
    let said = |words: &[&str]| {
        let mut lines = outputs[1].text.lines();
        lines.any(|line| words.iter().all(|word| line.contains(word)))
    };
    for (what, words) in [
        ("junk", vec!["line 2", "refused"]),
        ("a key of 1024 bits", vec!["line 3", "refused", weak]),
        ("half a key", vec!["line 4", "refused"]),
        ("the owner's key", vec!["line 6", "taken"]),
    ] {
        if !said(&words) {
            faults.push(format!(
                "the journal does not say that {what} was {}",
                words[1]
            ));
        }
    }
    if !outputs[2].text.is_empty() {
        faults.push("a key that was withdrawn came back".to_string());
    }
    Ok(Finding::from_faults(
        &faults,
        "one key taken, once; junk, half a key and an RSA key of 1024 bits refused by name",
    ))
}

/// `network.from-esp`
pub fn connection_from_esp(cx: &mut Context) -> Result<Finding> {
    const FOLDER: &str = "/etc/NetworkManager/system-connections";
    let outputs = cx.machine.exec(&[
        &format!("ls {FOLDER}"),
        &format!("stat -c '%a %U' {FOLDER}/Home.nmconnection"),
        &format!("cat {FOLDER}/Home.nmconnection"),
        "journalctl -b --no-pager -o cat -u esp-import | grep 'none.nmconnection.*refused'",
    ])?;
    let mut faults = Vec::new();
    if outputs[0].text != "Home.nmconnection" {
        faults.push(format!("{FOLDER} has {:?}", outputs[0].text));
    }
    if outputs[1].text != "600 root" {
        faults.push(format!("NetworkManager ignores it: {}", outputs[1].text));
    }
    if outputs[2].text.trim() != CONNECTION.replace('\r', "").trim() {
        faults.push(format!("it has become {:?}", outputs[2].text));
    }
    if !outputs[3].ok() {
        faults.push("the journal does not say that a file of noise was refused".to_string());
    }
    Ok(Finding::from_faults(
        &faults,
        format!("Home.nmconnection is in {FOLDER}, for root alone"),
    ))
}
