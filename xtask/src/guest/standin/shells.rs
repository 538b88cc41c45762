//! The machine's name, clock, keyboard, consoles and shells.

use super::archive::Archive;
use crate::contract::{System, Zsh};

/// Without one systemd takes this for the first boot, and sets the machine up.
const MACHINE_ID: &str = "6f6c6c616d616c697665737461006e64\n";

/// On NixOS the group wheel may read the journal, on Debian only groups of its own.
const JOURNAL_READERS: &str = "\
a+ /run/log/journal/%m - - - - d:group:wheel:r-x,group:wheel:r-x
a+ /run/log/journal/%m/*.journal* - - - - group:wheel:r--
a+ /var/log/journal/%m - - - - d:group:wheel:r-x,group:wheel:r-x
a+ /var/log/journal/%m/*.journal* - - - - group:wheel:r--
";

/// `login_init` is the recorded text that every login shell runs.
pub fn add(archive: &mut Archive, system: &System, zsh: &Zsh, login_init: &str) {
    let name = &system.host_name;
    archive.file("/etc/machine-id", MACHINE_ID);
    archive.file("/etc/tmpfiles.d/journal-readers.conf", JOURNAL_READERS);
    archive.file("/etc/hostname", format!("{name}\n"));
    archive.file(
        "/etc/hosts",
        format!("127.0.0.1 localhost\n::1 localhost\n127.0.0.2 {name}\n"),
    );
    archive.link(
        "/etc/localtime",
        &format!("/usr/share/zoneinfo/{}", system.time_zone),
    );
    // Without this file, busybox takes the hardware clock for local time, and NixOS's hwclock for UTC.
    let clock = if system.hardware_clock_in_local_time {
        "LOCAL"
    } else {
        "UTC"
    };
    archive.file("/etc/adjtime", format!("0.0 0 0\n0\n{clock}\n"));
    // One file on Debian, where the first is a link to the second.
    let keyboard = format!("KEYMAP={0}\nXKBLAYOUT={0}\n", system.key_map);
    archive.file("/etc/vconsole.conf", keyboard.clone());
    archive.file("/etc/default/keyboard", keyboard);
    archive.file("/etc/locale.conf", format!("LANG={}\n", system.locale));
    archive.file("/etc/default/locale", format!("LANG={}\n", system.locale));

    // The script of NixOS's getty@.service is built and not evaluated. That of the serial console is in the record.
    let autologin = system
        .autologin
        .user
        .as_ref()
        .map_or_else(String::new, |user| format!("--autologin {user} "));
    archive.unit(
        "getty@.service.d/console.conf",
        format!("[Service]\nExecStart=\nExecStart=-/sbin/agetty {autologin}--noclear %I linux\n"),
    );

    archive.file("/etc/profile.d/login-shell-init.sh", login_init);
    archive.file("/etc/zsh/zprofile", login_init);
    if zsh.enable {
        archive.file("/etc/zsh/zshrc", zshrc(zsh));
    }
}

fn zshrc(zsh: &Zsh) -> String {
    let mut text = format!(
        "HISTSIZE={0}\nSAVEHIST={0}\nHISTFILE=$HOME/.zsh_history\n",
        zsh.hist_size
    );
    for (on, plugin) in [
        (zsh.autosuggestions, "zsh-autosuggestions"),
        (zsh.syntax_highlighting, "zsh-syntax-highlighting"),
    ] {
        if on {
            text += &format!("source /usr/share/{plugin}/{plugin}.zsh\n");
        }
    }
    text + "PROMPT='%n@%m %~ %# '\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(autologin: serde_json::Value) -> System {
        serde_json::from_value(serde_json::json!({
            "hostName": "Box", "timeZone": "Europe/Berlin", "keyMap": "de", "locale": "en_US.UTF-8", "kernelParams": [],
            "autologin": { "user": autologin }
        }))
        .unwrap()
    }

    fn zsh() -> Zsh {
        Zsh {
            enable: true,
            autosuggestions: false,
            syntax_highlighting: true,
            hist_size: 123,
        }
    }

    #[test]
    fn the_machine_is_the_recorded_one() {
        let mut archive = Archive::default();
        add(
            &mut archive,
            &system("owner".into()),
            &zsh(),
            "echo one\necho two\n",
        );
        assert_eq!(archive.text("/etc/hostname"), "Box\n");
        assert_eq!(
            archive.target("/etc/localtime"),
            Some("/usr/share/zoneinfo/Europe/Berlin")
        );
        assert!(
            archive
                .text("/etc/vconsole.conf")
                .starts_with("KEYMAP=de\n")
        );
        assert_eq!(archive.text("/etc/zsh/zprofile"), "echo one\necho two\n");
        let getty = archive.text("/etc/systemd/system/getty@.service.d/console.conf");
        assert!(
            getty.contains("agetty --autologin owner --noclear"),
            "{getty}"
        );
        let rc = archive.text("/etc/zsh/zshrc");
        assert!(
            rc.starts_with("HISTSIZE=123\nSAVEHIST=123\n")
                && rc.contains("zsh-syntax-highlighting.zsh")
        );
        assert!(!rc.contains("autosuggestions"));
    }

    #[test]
    fn without_a_recorded_user_the_console_asks_for_one() {
        let mut archive = Archive::default();
        add(&mut archive, &system(serde_json::Value::Null), &zsh(), "");
        assert!(
            !archive
                .text("/etc/systemd/system/getty@.service.d/console.conf")
                .contains("autologin")
        );
    }
}
