//! Ways in that must not be there, and a way in that is missing.

use super::Edit::{Line, Replace, Set};
use super::{Mutant, in_both};

const CONFIG: &str = "/sshd_config";
const KEYGEN: &str = "/texts/scripts/sshd-keygen-start";
const KEYGEN_UNIT: &str = "/texts/units/sshd-keygen.service";
/// The last algorithm of each list: one more goes behind it.
const LAST_KEX: &str = "curve25519-sha256@libssh.org";
const LAST_CIPHER: &str = "aes128-gcm@openssh.com";
const LAST_MAC: &str = "umac-128-etm@openssh.com";

pub const MUTANTS: &[Mutant] = &[
    in_both(
        "ssh.password-login",
        "the server takes passwords",
        "ssh.password-refused",
        "logged in by password",
        &[Replace(
            CONFIG,
            "\nPasswordAuthentication no",
            "\nPasswordAuthentication yes",
        )],
        "services.openssh.settings.PasswordAuthentication = lib.mkForce true;",
    ),
    in_both(
        "ssh.keyboard-interactive-login",
        "the server asks for the password by keyboard-interactive (PAM)",
        "ssh.keyboard-interactive-refused",
        "logged in by keyboard-interactive",
        &[Replace(
            CONFIG,
            "KbdInteractiveAuthentication no",
            "KbdInteractiveAuthentication yes",
        )],
        "services.openssh.settings.KbdInteractiveAuthentication = lib.mkForce true;",
    ),
    Mutant {
        also: &["ssh.password-refused"],
        ..in_both(
            "ssh.empty-password-login",
            "an empty password logs in",
            "ssh.empty-password-refused",
            "logged in by an empty password",
            &[Replace(
                CONFIG,
                "\nPasswordAuthentication no\nPermitEmptyPasswords no",
                "\nPasswordAuthentication yes\nPermitEmptyPasswords yes",
            )],
            "services.openssh.settings = { PasswordAuthentication = lib.mkForce true; PermitEmptyPasswords = lib.mkForce true; }; \
             security.pam.services.sshd.allowNullPassword = lib.mkForce true;",
        )
    },
    Mutant {
        also: &["ssh.keyboard-interactive-refused"],
        ..in_both(
            "ssh.empty-password-interactive",
            "an empty password logs in by keyboard-interactive (PAM)",
            "ssh.empty-password-refused",
            "logged in by an empty password",
            &[
                Replace(
                    CONFIG,
                    "KbdInteractiveAuthentication no",
                    "KbdInteractiveAuthentication yes",
                ),
                Replace(
                    CONFIG,
                    "PermitEmptyPasswords no",
                    "PermitEmptyPasswords yes",
                ),
            ],
            "services.openssh.settings = { KbdInteractiveAuthentication = lib.mkForce true; PermitEmptyPasswords = lib.mkForce true; }; \
             security.pam.services.sshd.allowNullPassword = lib.mkForce true;",
        )
    },
    in_both(
        "ssh.root-login",
        "root may log in",
        "ssh.root-refused",
        "root logged in",
        &[Replace(CONFIG, "PermitRootLogin no", "PermitRootLogin yes")],
        r#"services.openssh.settings.PermitRootLogin = lib.mkForce "yes";"#,
    ),
    in_both(
        "ssh.root-login-with-key",
        "root may log in, but with a key only",
        "ssh.root-refused",
        "root logged in",
        &[Replace(
            CONFIG,
            "PermitRootLogin no",
            "PermitRootLogin prohibit-password",
        )],
        r#"services.openssh.settings.PermitRootLogin = lib.mkForce "prohibit-password";"#,
    ),
    Mutant {
        also: &["ssh.key-accepted"],
        ..in_both(
            "ssh.any-key-accepted",
            "any key is accepted",
            "ssh.unknown-key-refused",
            "an unauthorized key logged in",
            &[Replace(
                CONFIG,
                "\nAuthorizedKeysFile ",
                "\nAuthorizedKeysCommand /usr/bin/echo %t %k\nAuthorizedKeysCommandUser nobody\nAuthorizedKeysFile ",
            )],
            r##"environment.etc.any-key = { mode = "0555"; text = "#!/bin/sh\necho $*"; }; services.openssh.authorizedKeysCommand = "/etc/any-key %t %k";"##,
        )
    },
    Mutant {
        alone: true,
        ..in_both(
            "ssh.persist-keys-unread",
            "the keys on PERSIST are not read",
            "ssh.key-accepted",
            "the key in /persist/ssh/authorized_keys was refused",
            &[Replace(
                CONFIG,
                "AuthorizedKeysFile /persist/ssh/authorized_keys ",
                "AuthorizedKeysFile ",
            )],
            r#"services.openssh.authorizedKeysFiles = lib.mkForce [ "%h/.ssh/authorized_keys" ];"#,
        )
    },
    Mutant {
        alone: true,
        ..in_both(
            "ssh.keys-file-said-twice",
            "of two AuthorizedKeysFile lines sshd keeps the first, which leaves PERSIST out",
            "ssh.key-accepted",
            "the key in /persist/ssh/authorized_keys was refused",
            &[Replace(
                CONFIG,
                "\nAuthorizedKeysFile ",
                "\nAuthorizedKeysFile %h/.ssh/authorized_keys\nAuthorizedKeysFile ",
            )],
            r#"services.openssh.settings.AuthorizedKeysFile = "%h/.ssh/authorized_keys";"#,
        )
    },
    in_both(
        "ssh.home-keys-unread",
        "the keys in ~/.ssh are not read",
        "ssh.key-accepted",
        "the key in ~/.ssh/authorized_keys was refused",
        &[Replace(CONFIG, " %h/.ssh/authorized_keys", "")],
        r#"services.openssh.authorizedKeysFiles = lib.mkForce [ "/persist/ssh/authorized_keys" ];"#,
    ),
    in_both(
        "ssh.weak-key-exchange",
        "a key exchange with SHA-1 is offered",
        "ssh.modern-crypto",
        "diffie-hellman-group14-sha1",
        &[Replace(
            CONFIG,
            LAST_KEX,
            "curve25519-sha256@libssh.org,diffie-hellman-group14-sha1",
        )],
        r#"services.openssh.settings.KexAlgorithms = [ "diffie-hellman-group14-sha1" ];"#,
    ),
    in_both(
        "ssh.weak-cipher",
        "a cipher in CBC mode is offered",
        "ssh.modern-crypto",
        "aes128-cbc",
        &[Replace(
            CONFIG,
            LAST_CIPHER,
            "aes128-gcm@openssh.com,aes128-cbc",
        )],
        r#"services.openssh.settings.Ciphers = [ "aes128-cbc" ];"#,
    ),
    in_both(
        "ssh.weak-mac",
        "a MAC with SHA-1 is offered",
        "ssh.modern-crypto",
        "hmac-sha1",
        &[Replace(
            CONFIG,
            LAST_MAC,
            "umac-128-etm@openssh.com,hmac-sha1",
        )],
        r#"services.openssh.settings.Macs = [ "hmac-sha1" ];"#,
    ),
    in_both(
        "ssh.default-ciphers",
        "the ciphers are OpenSSH's defaults",
        "ssh.modern-crypto",
        "aes128-ctr",
        &[Replace(
            CONFIG,
            "Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com\n",
            "",
        )],
        "services.openssh.settings.Ciphers = lib.mkForce null;",
    ),
    in_both(
        "ssh.host-key-off-persist",
        "the host key is not on PERSIST but in memory",
        "ssh.identity-survives",
        "other host keys after",
        &[
            Replace(CONFIG, "HostKey /persist/ssh/", "HostKey /etc/ssh/"),
            Replace("/ssh/hostKeys/0/path", "/persist/ssh/", "/etc/ssh/"),
            Set(
                KEYGEN,
                r##""#!/bin/sh\ncd /etc/ssh && [ -s ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -f /etc/ssh/ssh_host_ed25519_key -N ''\n""##,
            ),
            Line(
                KEYGEN_UNIT,
                "ConditionFileNotEmpty=",
                "ConditionFileNotEmpty=|!/etc/ssh/ssh_host_ed25519_key",
            ),
        ],
        r#"services.openssh.hostKeys = lib.mkForce [ { type = "ed25519"; path = "/etc/ssh/ssh_host_ed25519_key"; } ];"#,
    ),
];
