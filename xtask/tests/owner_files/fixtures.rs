//! What owners put on a stick, as bytes, and what becomes of it: one example of each kind.

/// A folder or a file on the stick.
pub struct Fixture {
    /// Its path on the partition.
    pub path: &'static [u8],
    pub content: Content,
    /// The verdict, and words of the reason, of each line about it.
    pub said: &'static [(&'static str, &'static str)],
}

pub enum Content {
    Text(&'static str),
    Bytes(&'static [u8]),
    /// UTF-16: the byte order mark if there is one, little-endian, text.
    Utf16(bool, bool, &'static str),
    Long,
    Folder,
}

use Content::{Bytes, Folder, Long, Text, Utf16};

impl Content {
    pub fn bytes(&self) -> Option<Vec<u8>> {
        Some(match self {
            Text(text) => text.as_bytes().to_vec(),
            Bytes(bytes) => bytes.to_vec(),
            Long => KEY.as_bytes().repeat(1000),
            Folder => return None,
            Utf16(mark, little, text) => {
                let marked = mark.then_some('\u{feff}').into_iter().chain(text.chars());
                let units: Vec<u16> = marked.collect::<String>().encode_utf16().collect();
                let bytes = units.iter().flat_map(|unit| match little {
                    true => unit.to_le_bytes(),
                    false => unit.to_be_bytes(),
                });
                bytes.collect()
            }
        })
    }
}

pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9 owner@pc\n";
pub const SECOND: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8wrGXB1GRjJcdnYvsgk8DrIXvSZSvzEEK4kH8aU1nM me@home\r\n";
const WEAK: &str = include_str!("../../assets/weak-key.pub");
/// Lines that `ssh-keygen -l` passes, and that do not log in; and some that do.
const LINES: &str = "\u{feff}# the keys of this house\r\n\
- ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9 a list\r\n\
key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9 a title\r\n\
192.168.1.5 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9\r\n\
no-pty, ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9\r\n\
ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t owner\r\n\
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 cut-off\r\n\
AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9 owner\r\n\
ssh-dss AAAAB3NzaC1kc3MAAACBAP old\r\n\
ssh-ed25519 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9 twice\r\n\
my key\r\n\
\r\n\
  from=\"192.168.0.0/16,*.lan\",no-pty,command=\"echo \\\"a b\\\"\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9 limited\r\n\
ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAXP+T7SzrzBd4TEHjGgm8YzmkaHvPm9NNQTwwAEc130F8QcD3Ee4QnuCWiaFS0AoHyKkFfARdq4ZXzyd9yh9OY= ec@pc";
const SSH2: &str = "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"me\"\n\
AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9\n---- END SSH2 PUBLIC KEY ----\n";
const PRIVATE: &str =
    "-----BEGIN OPENSSH PRIVATE KEY-----\nnone\n-----END OPENSSH PRIVATE KEY-----\n";
const SSH2_PRIVATE: &str = "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"me\"\nP2/56wAAAi0\n\
---- END SSH2 ENCRYPTED PRIVATE KEY ----\n";
const PPK: &str = "PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: me\r\n";
/// As docs/owner.md shows it.
pub const EXAMPLE: &str = "[connection]\nid=Home\ntype=wifi\n\n[wifi]\nssid=NAME OF THE NETWORK\n\n\
    [wifi-security]\nkey-mgmt=wpa-psk\npsk=PASSWORD\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n";
pub const HOME: &str = "[connection]\r\nid=Home\r\nuuid=7f1c1d5e-6f0c-4b43-9d0e-2f6f6c616d61\r\ntype=wifi\r\n\r\n\
[wifi]\r\nssid=Home\r\n\r\n[wifi-security]\r\nkey-mgmt=wpa-psk\r\npsk=a password\r\n";
const ELSEWHERE: &str = "[connection]\nid=Laptop\ntype=wifi\npermissions=user:me:;\ninterface-name=wlp2s0\nautoconnect=false\n\n\
[wifi]\nssid=Home\nmac-address=00:11:22:33:44:55\n\n[wifi-security]\nkey-mgmt=wpa-psk\npsk-flags=1\n";
const OPEN: &str = "[connection]\nid=Open\ntype=wifi\n\n[wifi]\nssid=Open\npsk=a password\n";
const NO_PASSWORD: &str =
    "[connection]\nid=x\ntype=wifi\n\n[wifi]\nssid=x\n\n[wifi-security]\nkey-mgmt=wpa-psk\n";
const QUOTES: &str = "[connection]\nid=x\ntype=wifi\n\n[wifi]\nssid=\"x\"\n\n[wifi-security]\nkey-mgmt=wpa-psk\npsk=\"a password\"\n";
const SHORT: &str = "[connection]\nid=x\ntype=wifi\n\n[wifi]\nssid=x\n\n[wifi-security]\nkey-mgmt=wpa-psk\npsk=1234567\n";
const BLANKS: &str = " [connection] \nid=x\ntype=ethernet\n";
const WIREGUARD: &str = "[connection]\nid=x\ntype=wireguard\ninterface-name=wg0\n\n[wireguard]\n\
private-key=4FPuhKhqfOuR3+hXxS0jPCvMvHUUQUH7iH0+RcnlDXA=\n";
const PLAIN: &str = "[connection]\nid=x\ntype=wifi\n\n[wifi]\nssid=x\n";

const fn fixture(
    path: &'static [u8],
    content: Content,
    said: &'static [(&'static str, &'static str)],
) -> Fixture {
    Fixture {
        path,
        content,
        said,
    }
}

/// A name of 255 bytes, as long as Linux has them, that is given to a connection.
pub const LONG_NAME: &[u8] = b"ollamalive/network/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.nmconnection";

const WINDOWS_NAME: &str = "it is in Windows-1252";
const NOT_TEXT: &str = "not a text that can be converted to UTF-8";
const NOT_SSHD: &str = "before the key is nothing that sshd knows";
const FOR_NETWORK_MANAGER: &str = "this machine uses NetworkManager";
const A_PRIVATE_KEY: &str = "a PRIVATE key, which was not read. Delete it";
const LITTER: &str = "made by another computer";

/// In no order; a folder before what is in it.
pub const FIXTURES: &[Fixture] = &[
    // Keys that are taken.
    fixture(
        b"ollamalive/authorized_keys",
        Text(LINES),
        &[
            ("refused", "line 2 refused, \"-\" before the key"),
            ("refused", "line 3 refused, \"key:\" before the key"),
            ("refused", "line 4 refused, \"192.168.1.5\" before the key"),
            ("refused", NOT_SSHD),
            ("refused", "line 6 refused, a certificate"),
            ("refused", "line 7 refused, not a public key: it is cut off"),
            ("refused", "line 8 refused, the beginning of the key is missing"),
            ("refused", "line 9 refused, key too weak"),
            ("refused", "line 10 refused, not a public key"),
            ("refused", "line 11 refused, not a public key: give the content"),
            ("taken", "line 13 taken: 256 SHA256:"),
            ("taken", "line 14 taken: 256 SHA256:"),
        ],
    ),
    fixture(b"ollamalive/authorized_keys.txt", Utf16(true, true, KEY), &[("taken", "line 1 taken: 256 SHA256:")]),
    fixture(b"ollamalive/be.pub", Utf16(true, false, KEY), &[("taken", "line 1 taken")]),
    fixture(b"ollamalive/le.pub", Utf16(false, true, KEY), &[("taken", "line 1 taken")]),
    fixture(b"ollamalive/cr.pub", Bytes(b"# old Mac\rssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9 mac\r"), &[("taken", "line 2 taken")]),
    fixture(b"ollamalive/caf\xc3\xa9 [a-z]*?.pub", Text(SECOND), &[("taken", "line 1 taken")]),
    fixture(b"ollamalive/-rf.pub", Text(KEY), &[("taken", "line 1 taken")]),
    fixture(b"ollamalive/two\nlines.pub", Text(KEY), &[("taken", "line 1 taken")]),
    fixture(b"ollamalive/cp1252.pub", Bytes(b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9 Ren\xe9\n"), &[("taken", "line 1 taken"), ("warned", WINDOWS_NAME)]),
    fixture(b"id_ed25519.pub", Text(SECOND), &[("taken", "line 1 taken")]),
    fixture(b"authorized_keys", Text(SECOND), &[("taken", "line 1 taken")]),
    // Keys that are not.
    fixture(b"ollamalive/weak.pub", Text(WEAK), &[("refused", "line 1 refused, key too weak: 1024 SHA256:")]),
    fixture(b"ollamalive/network.pub", Text("from=\"192.168.1.5/24\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDrphS9QWxjfqIFcDDWJxPqI5ZTnd9/So7tywNpszdU9\n"), &[("refused", "line 1 refused, its option from= lets nobody in")]),
    fixture(b"ollamalive/putty.pub", Text(SSH2), &[("refused", "in the format of PuTTY or SSH2")]),
    fixture(b"ollamalive/noise.pub", Bytes(b"\x00\x01\xfe\xff\x81"), &[("refused", NOT_TEXT)]),
    fixture(b"ollamalive/cut.pub", Bytes(b"\xff\xfes\0s\0h"), &[("refused", NOT_TEXT)]),
    fixture(b"ollamalive/empty.pub", Text(""), &[("refused", "it is empty")]),
    fixture(b"ollamalive/comments.pub", Text("# none\n"), &[("refused", "it has no key in it")]),
    fixture(b"ollamalive/long.pub", Long, &[("refused", "it is longer than 65536 bytes")]),
    fixture(b"ollamalive/id_ed25519", Text(PRIVATE), &[("unread", A_PRIVATE_KEY)]),
    fixture(b"id_rsa.ppk", Utf16(true, true, PPK), &[("unread", A_PRIVATE_KEY)]),
    fixture(b"ollamalive/disguised.pub", Text(PRIVATE), &[("unread", A_PRIVATE_KEY)]),
    fixture(b"ollamalive/ssh2.pub", Text(SSH2_PRIVATE), &[("unread", A_PRIVATE_KEY)]),
    fixture(b"ollamalive/puttygen.txt", Text(SSH2), &[("unread", "in the format of PuTTY or SSH2")]),
    fixture(b"ollamalive/my keys.txt", Text(KEY), &[("unread", "call it ollamalive/authorized_keys")]),
    fixture(b"known_hosts", Text("pc ssh-ed25519 AAAA\n"), &[("unread", "it has the keys of servers")]),
    fixture(b".ssh", Folder, &[("unread", "a folder, which is not read: save your key")]),
    fixture(b".ssh/authorized_keys", Text(KEY), &[]),
    fixture(b"ssh", Text(""), &[("unread", "SSH is always on")]),
    // Connections.
    fixture(b"ollamalive/network", Folder, &[]),
    fixture(b"ollamalive/network/Home.nmconnection", Text(HOME), &[("taken", "copied to PERSIST")]),
    fixture(b"ollamalive/network/[5G] *.nmconnection", Utf16(true, true, PLAIN), &[("taken", "copied to PERSIST")]),
    fixture(b"ollamalive/network/-.nmconnection", Utf16(false, false, PLAIN), &[("taken", "copied to PERSIST")]),
    fixture(b"ollamalive/network/cp1252.nmconnection", Bytes(b"[connection]\nid=x\ntype=wifi\n\n[wifi]\nssid=Caf\xe9\n"), &[("taken", "copied to PERSIST"), ("warned", WINDOWS_NAME)]),
    fixture(LONG_NAME, Text(PLAIN), &[("taken", "copied to PERSIST")]),
    fixture(b"ollamalive/network/Laptop.nmconnection", Text(ELSEWHERE), &[
        ("taken", "copied to PERSIST"),
        ("warned", "for one user only"),
        ("warned", "for a card called wlp2s0 only"),
        ("warned", "for the card with the address 00:11:22:33:44:55 only"),
        ("warned", "delete the line autoconnect=false"),
        ("warned", "delete the line psk-flags=1, and write psk=PASSWORD"),
    ]),
    fixture(b"ollamalive/network/Open.nmconnection", Text(OPEN), &[("taken", "copied to PERSIST"), ("warned", "its password is not used: write [wifi-security]")]),
    fixture(b"ollamalive/network/nopsk.nmconnection", Text(NO_PASSWORD), &[("taken", "copied to PERSIST"), ("warned", "it has no password")]),
    fixture(b"ollamalive/network/quotes.nmconnection", Text(QUOTES), &[
        ("taken", "copied to PERSIST"),
        ("warned", "the name of its network has quotes"),
        ("warned", "its password has quotes"),
    ]),
    fixture(b"ollamalive/network/short.nmconnection", Text(SHORT), &[("taken", "copied to PERSIST"), ("warned", "its password is too short")]),
    fixture(b"ollamalive/network/blanks.nmconnection", Text(BLANKS), &[("taken", "copied to PERSIST")]),
    fixture(b"ollamalive/network/wg.nmconnection", Text(WIREGUARD), &[("taken", "copied to PERSIST")]),
    fixture(b"ollamalive/network/none.nmconnection", Bytes(b"\x00\x01"), &[("refused", NOT_TEXT)]),
    fixture(b"ollamalive/network/junk.nmconnection", Text("a password\n"), &[("refused", "it has no [connection]")]),
    fixture(b"ollamalive/network/type.nmconnection", Text("[connection]\nid=x\ntype=wlan\n"), &[("refused", "NetworkManager does not take it: ")]),
    fixture(b"ollamalive/network/ssid.nmconnection", Text("[connection]\nid=x\ntype=wifi\n"), &[("refused", "ssid: property is missing")]),
    fixture(b"ollamalive/network/.hidden.nmconnection", Text(PLAIN), &[("refused", "NetworkManager passes over such names")]),
    fixture(b"ollamalive/network/Notepads.nmconnection.txt", Text(PLAIN), &[("taken", "copied to PERSIST")]),
    fixture(b"ollamalive/network/Example.nmconnection", Text(EXAMPLE), &[
        ("taken", "copied to PERSIST"),
        ("warned", "it has the name of the example"),
        ("warned", "it has the password of the example"),
    ]),
    fixture(b"ollamalive/network/id.pub", Text(KEY), &[("unread", "SSH keys do not belong with the connections")]),
    fixture(b"ollamalive/Office.nmconnection", Text(PLAIN), &[("unread", "call it ollamalive/network/Office.nmconnection")]),
    fixture(b"wpa_supplicant.conf", Text("network={\n}\n"), &[("unread", FOR_NETWORK_MANAGER)]),
    fixture(b"ollamalive/50-cloud-init.yaml", Text("network:\n  version: 2\n"), &[("unread", FOR_NETWORK_MANAGER)]),
    fixture(b"ollamalive/Wi-Fi-Home.xml", Text("<?xml version=\"1.0\"?>\n<WLANProfile>\n"), &[("unread", FOR_NETWORK_MANAGER)]),
    fixture(b"network", Folder, &[("unread", "a folder in the wrong place")]),
    // Other things.
    fixture(b"configuration.nix", Text("{}\n"), &[("unread", "the configuration is part of the image")]),
    fixture(b"holiday.jpg", Bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF"), &[("unused", "not used by this machine")]),
    fixture(b"ollamalive/notes.txt", Text("to do\n"), &[("unused", "not used by this machine")]),
    fixture(b"photos", Folder, &[("unused", "a folder, which is not read")]),
    fixture(b"ollamalive/ollamalive", Folder, &[("unread", "put the files that are in it into ollamalive")]),
    fixture(b"ollamalive/ollamalive/authorized_keys", Text(KEY), &[]),
    fixture(b"ollamalive/._authorized_keys", Bytes(b"\x00\x05\x16\x07"), &[("ignored", LITTER)]),
    fixture(b"ollamalive/network/._Home.nmconnection", Bytes(b"\x00\x05\x16\x07"), &[("ignored", LITTER)]),
    fixture(b".Spotlight-V100", Folder, &[("ignored", LITTER)]),
    fixture(b"System Volume Information", Folder, &[("ignored", LITTER)]),
    // The image's own.
    fixture(b"EFI", Folder, &[]),
    fixture(b"ollamalive/README.txt", Text("OllamaLive\n"), &[]),
];
