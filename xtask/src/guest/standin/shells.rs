//! What a person at the machine meets: its name, clock, keyboard, consoles and shells.

use super::archive::Archive;
use super::store_path::to_debian;
use crate::contract::{System, Zsh};

/// Without one systemd takes this for a machine that was never set up, and sets it up.
const MACHINE_ID: &str = "6f6c6c616d616c697665737461006e64\n";

/// NixOS's journal may be read by who administers the machine; Debian knows only its own group for that.
const JOURNAL_READERS: &str = "\
a+ /run/log/journal/%m - - - - d:group:wheel:r-x,group:wheel:r-x
a+ /run/log/journal/%m/*.journal* - - - - group:wheel:r--
a+ /var/log/journal/%m - - - - d:group:wheel:r-x,group:wheel:r-x
a+ /var/log/journal/%m/*.journal* - - - - group:wheel:r--
";

pub fn add(archive: &mut Archive, system: &System, zsh: &Zsh) {
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
    // One file on Debian, where the first is a link to the second.
    let keyboard = format!("KEYMAP={0}\nXKBLAYOUT={0}\n", system.key_map);
    archive.file("/etc/vconsole.conf", keyboard.clone());
    archive.file("/etc/default/keyboard", keyboard);
    archive.file("/etc/locale.conf", format!("LANG={}\n", system.locale));
    archive.file("/etc/default/locale", format!("LANG={}\n", system.locale));

    let autologin = system
        .autologin
        .user
        .as_ref()
        .map_or_else(String::new, |user| format!("--autologin {user} "));
    for (unit, terminal) in [
        ("getty@", "--noclear %I linux"),
        ("serial-getty@", "--keep-baud 115200 %I vt220"),
    ] {
        archive.unit(
            &format!("{unit}.service.d/console.conf"),
            format!("[Service]\nExecStart=\nExecStart=-/sbin/agetty {autologin}{terminal}\n"),
        );
    }

    let init = to_debian(&system.login_shell_init.join("\n")) + "\n";
    archive.file("/etc/profile.d/login-shell-init.sh", init.clone());
    archive.file("/etc/zsh/zprofile", init);
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
            "autologin": { "user": autologin }, "loginShellInit": ["echo one", "echo two"]
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
        add(&mut archive, &system("owner".into()), &zsh());
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
        let getty = archive.text("/etc/systemd/system/serial-getty@.service.d/console.conf");
        assert!(
            getty.contains("agetty --autologin owner --keep-baud"),
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
    fn nobody_is_logged_in_when_nobody_is_recorded() {
        let mut archive = Archive::default();
        add(&mut archive, &system(serde_json::Value::Null), &zsh());
        assert!(
            !archive
                .text("/etc/systemd/system/getty@.service.d/console.conf")
                .contains("autologin")
        );
    }
}
