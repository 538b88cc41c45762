//! The scripts behind esp-import.service and esp-report.service, run on folders in the place of the stick's FAT partition,
//! PERSIST and /run.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as systemd would"
)]

#[path = "../common/mod.rs"]
mod common;
mod fixtures;
mod flash;
mod setup;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use libtest_mimic::{Arguments, Failed, Trial};

use fixtures::{FIXTURES, HOME, KEY, LONG_NAME, SECOND};
use setup::Setup;

fn main() {
    let arguments = Arguments::from_args();
    let tools = &["bash", "iconv", "cmp", "sed", "ssh", "ssh-keygen"];
    let trials: Vec<Trial> = vec![
        common::trial("each_file_is_named_or_ignored", tools, each_file),
        common::trial("a_file_is_taken_once", tools, once),
        common::trial("two_connections_with_one_uuid_are_named", tools, twins),
        common::trial("nothing_is_taken_that_cannot_be_kept", tools, full),
        common::trial("problems_are_shown_at_login", tools, problems),
        common::trial("a_crowd_of_files_ends", tools, crowd),
        common::trial("only_options_of_sshd_are_taken", tools, options),
        common::trial("the_report_is_written_when_it_changes", tools, written),
        common::trial(
            "a_report_that_cannot_be_written_breaks_nothing",
            tools,
            unwritable,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn each_file() -> Result<(), Failed> {
    let setup = Setup::with_fixtures()?;
    setup.import()?;
    let lines = setup.lines()?;
    let mut faults = Vec::new();
    let report = setup.report()?;
    for fixture in FIXTURES {
        let name = String::from_utf8(fixture.path.to_vec())?.replace('\n', "?");
        let about: Vec<_> = lines.iter().filter(|line| line.1 == name).collect();
        if about.len() != fixture.said.len() {
            faults.push(format!("{name}: {about:?}"));
        }
        for (verdict, words) in fixture.said {
            if !about
                .iter()
                .any(|line| line.0 == *verdict && line.2.contains(words))
            {
                faults.push(format!("{name}: not {verdict} with {words:?}: {about:?}"));
            }
            if !report.contains(&format!("  {name}: ")) {
                faults.push(format!("{name} is not in the report"));
            }
        }
    }
    let known: BTreeSet<_> = FIXTURES.iter().map(|fixture| fixture.path).collect();
    let known = |name: &str| known.contains(name.replace("two?", "two\n").as_bytes());
    faults.extend(
        lines
            .iter()
            .filter(|line| !known(&line.1))
            .map(|line| format!("{line:?}")),
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    what_is_taken_is_on_persist(&setup)?;
    flash::judges_alike(&setup, &lines)?;
    // Five problems and how many more there are.
    let said = setup.run("problems")?;
    assert_eq!(said.lines().count(), 6, "{said}");
    assert!(
        said.ends_with("more files on the stick need a look: see ollamalive/REPORT.txt there.\n"),
        "{said}"
    );
    Ok(())
}

fn what_is_taken_is_on_persist(setup: &Setup) -> Result<(), Failed> {
    let keys = setup.keys();
    let lines: Vec<&str> = keys.lines().collect();
    // Each key once, though many files have it; comments differ.
    assert_eq!(lines.len(), 6, "{keys}");
    assert!(
        lines.contains(&KEY.trim()) && lines.contains(&SECOND.trim()),
        "{keys}"
    );
    assert!(
        lines[0].starts_with("ssh-ed25519 ") || lines[0].starts_with("from="),
        "{keys}"
    );
    assert!(keys.contains(" Ren\u{e9}\n"), "{keys}");
    let connections = setup.connections()?;
    let long = String::from_utf8(LONG_NAME.to_vec())?;
    for name in [
        "Home.nmconnection",
        "[5G] *.nmconnection",
        long.rsplit('/').next().unwrap_or(""),
    ] {
        assert!(connections.contains(name), "{name}: {connections:?}");
    }
    assert_eq!(connections.len(), 14, "{connections:?}");
    let home = setup.persist("network/Home.nmconnection");
    assert_eq!(fs::read_to_string(&home)?, HOME.replace('\r', ""));
    assert_eq!(fs::metadata(&home)?.mode() & 0o777, 0o600);
    let cafe = fs::read_to_string(setup.persist("network/cp1252.nmconnection"))?;
    assert!(cafe.contains("ssid=Caf\u{e9}\n"), "{cafe:?}");
    Ok(())
}

/// A stick with a key, a connection with an odd name, and a file of another system.
fn a_few() -> Result<Setup, Failed> {
    let setup = Setup::new()?;
    setup.put(b"id_ed25519.pub", SECOND.as_bytes())?;
    setup.put(b"ollamalive/network/[5G] *.nmconnection", HOME.as_bytes())?;
    setup.put(b"wpa_supplicant.conf", b"network={\n}\n")?;
    Ok(setup)
}

fn once() -> Result<(), Failed> {
    let setup = a_few()?;
    setup.import()?;
    let first = setup.report()?;
    setup.import()?;
    assert_eq!(setup.report()?, first, "a second boot says the same");
    fs::write(setup.persist("ssh/authorized_keys"), "")?;
    fs::remove_file(setup.persist("network/[5G] *.nmconnection"))?;
    setup.import()?;
    assert_eq!(setup.keys(), "", "a key that was removed came back");
    assert!(!setup.connections()?.contains("[5G] *.nmconnection"));
    let lines = setup.lines()?;
    assert!(
        !lines
            .iter()
            .any(|line| line.0 == "taken" && line.1.ends_with(".pub")),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.0 == "removed" && line.1 == "ollamalive/network/[5G] *.nmconnection")
    );
    // A file that has changed is taken again.
    setup.put(b"id_ed25519.pub", KEY.as_bytes())?;
    setup.import()?;
    assert_eq!(setup.keys(), KEY);
    Ok(())
}

fn twins() -> Result<(), Failed> {
    let setup = Setup::new()?;
    for name in ["Home", "Work", "Other"] {
        let text = HOME.replace("Home", name);
        let text = text.replace("7f1c", if name == "Other" { "0000" } else { "7f1c" });
        let path = format!("ollamalive/network/{name}.nmconnection");
        setup.put(path.as_bytes(), text.as_bytes())?;
    }
    for _ in 0..2 {
        setup.import()?;
        let lines = setup.lines()?;
        let warned: Vec<_> = lines.iter().filter(|line| line.0 == "warned").collect();
        assert_eq!(warned.len(), 2, "{lines:?}");
        assert!(
            warned[0].2.contains("it has the uuid of Work.nmconnection"),
            "{warned:?}"
        );
    }
    Ok(())
}

fn full() -> Result<(), Failed> {
    let setup = Setup::new()?;
    setup.put(b"ollamalive/authorized_keys", KEY.as_bytes())?;
    setup.put(b"ollamalive/network/Home.nmconnection", HOME.as_bytes())?;
    // In the place of a full disk, where the new file cannot be made: root may write anywhere.
    fs::create_dir_all(setup.persist("ssh/authorized_keys.new/x"))?;
    fs::create_dir_all(setup.persist("network/.new/x"))?;
    setup.import()?;
    let lines = setup.lines()?;
    let said: Vec<_> = lines.iter().map(|line| line.0.as_str()).collect();
    assert_eq!(said, ["refused", "refused"], "{lines:?}");
    assert_eq!(setup.keys(), "");
    // The next time there is room, and the same file is taken.
    setup.import()?;
    assert_eq!(setup.keys(), KEY);
    Ok(())
}

fn problems() -> Result<(), Failed> {
    let setup = Setup::new()?;
    setup.put(b"ollamalive/authorized_keys", KEY.as_bytes())?;
    setup.put(b"holiday.jpg", b"\xff")?;
    setup.import()?;
    assert_eq!(setup.run("problems")?, "");
    setup.put(b"wpa_supplicant.conf", b"network={\n}\n")?;
    setup.import()?;
    let said = setup.run("problems")?;
    assert!(
        said.starts_with("wpa_supplicant.conf on the stick: not read: ")
            && said.lines().count() == 1,
        "{said}"
    );
    setup.put(b"xid", b"-----BEGIN OPENSSH PRIVATE KEY-----\n")?;
    setup.import()?;
    let said = setup.run("problems")?;
    assert!(
        said.starts_with("xid on the stick: a PRIVATE key"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 2, "{said}");
    Ok(())
}

fn crowd() -> Result<(), Failed> {
    let setup = Setup::new()?;
    setup.run("most_files=20; for n in {1..30}; do : > \"$esp/photo-$n.jpg\"; done; handle_all")?;
    let lines = setup.lines()?;
    assert_eq!(lines.len(), 20, "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.0 == "unread" && line.2.contains("more than 20 files")),
        "{lines:?}"
    );
    Ok(())
}

fn options() -> Result<(), Failed> {
    let setup = Setup::new()?;
    let judge = |options: &str| -> Result<bool, Failed> {
        setup.put(b"line", format!("{options} {KEY}").as_bytes())?;
        let answer = setup.run("IFS= read -r line < \"$esp/line\"; if good_key \"$line\"; then echo yes; else echo no; fi")?;
        Ok(answer == "yes\n")
    };
    for good in [
        "restrict",
        "no-pty,No-X11-Forwarding",
        "cert-authority,principals=\"a,b\"",
        "environment=\"A=b c\"",
        "permitopen=\"[::1]:80\",permitlisten=\"8080\"",
        "expiry-time=\"20300101\",tunnel=\"0\"",
        "from=\"0.0.0.0/0,192.168.1.5/32,*.lan,fd00::/8,192.168.001.000/24\"",
        "command=\"say \\\"a, b\\\"\",from=\"10.0.0.0/8\"",
    ] {
        assert!(judge(good)?, "{good} is refused");
    }
    for bad in [
        "restrict,",
        "no-restrict",
        "command",
        "command=echo",
        "command=\"echo",
        "restrict no-pty",
        "environment=\"A\"",
        "permitopen=\"80\"",
        "tunnel=\"x\"",
        "@cert-authority",
        "|1|a=|b=",
        "pc.lan,192.168.1.5",
        "from=\"10.0.0.0/8,!192.168.1.5/24\"",
        "from=\"10.0.0.0/33\"",
    ] {
        assert!(!judge(bad)?, "{bad} is taken");
    }
    Ok(())
}

fn written() -> Result<(), Failed> {
    let setup = a_few()?;
    setup.import()?;
    let save = "report pc '192.168.1.5' 22 SHA256:x $'Ollama is not serving:\n- No GPU.' > \"$run/text\"; \
                cmp -s \"$run/text\" \"$esp/ollamalive/REPORT.txt\" || save \"$run/text\" \"$esp/ollamalive\"";
    setup.run(save)?;
    let path = setup.esp(b"ollamalive/REPORT.txt");
    let before = fs::metadata(&path)?.ino();
    let text = fs::read_to_string(&path)?;
    for words in [
        "Address  192.168.1.5\n",
        "State    Ollama is not serving:\n         - No GPU.\n",
        "\nTaken:\n",
        "\nNot taken, or not used:\n",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    // The report is not one of the owner's files.
    setup.import()?;
    setup.run(save)?;
    assert_eq!(fs::read_to_string(&path)?, text);
    assert_eq!(
        fs::metadata(&path)?.ino(),
        before,
        "written although nothing changed"
    );
    // How far a download is does not change the report, nor does what it says itself.
    let state = setup.run(
        "mkdir \"$run/notices\"; echo 'a is odd' > \"$run/notices/files\"; \
         printf '%s\\n' 'Ollama is serving.' '- x is being downloaded: 5 %.' '- a is odd' '- b is odd' > \"$run/status.txt\"; state",
    )?;
    assert_eq!(
        state,
        "Ollama is serving.\n- x is being downloaded.\n- b is odd\n"
    );
    Ok(())
}

fn unwritable() -> Result<(), Failed> {
    let setup = Setup::new()?;
    let said = setup.run("echo new > \"$run/text\"; if save \"$run/text\" \"$esp/none\"; then echo saved; else echo not; fi")?;
    assert_eq!(said, "not\n");
    // A folder of that name keeps the report from being written; nothing else of it stays.
    fs::create_dir_all(setup.esp(b"ollamalive/REPORT.txt/x"))?;
    let said = setup.run("if save \"$run/text\" \"$esp/ollamalive\"; then ls \"$esp/ollamalive/REPORT.txt\"; else echo not; fi")?;
    assert_eq!(said, "not\n");
    assert!(!setup.esp(b"ollamalive/REPORT.new").exists());
    Ok(())
}
