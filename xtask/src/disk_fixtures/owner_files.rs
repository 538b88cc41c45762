//! The files of an owner on a freshly flashed stick.

use anyhow::Result;

use super::WEAK_KEY;
use super::stick_image::StickImage;

/// A connection in NetworkManager's format, with the line ends of Windows.
pub const CONNECTION: &str = "[connection]\r\nid=Home\r\nuuid=7f1c1d5e-6f0c-4b43-9d0e-2f6f6c616d61\r\ntype=wifi\r\n\
                              autoconnect=false\r\n\r\n[wifi]\r\nssid=Home\r\n";
/// A connection whose name has what is special in patterns; on the stick it is in UTF-16, as PowerShell writes it.
pub const ODD_CONNECTION: (&str, &str) = (
    "[5G] home.nmconnection",
    "[connection]\nid=5G\nuuid=0fdfc4eb-60ec-49f1-9a0a-62f3f121ce97\ntype=wifi\n\n[wifi]\nssid=5G\n",
);
/// A key in a file that was saved with Notepad.
pub const NOTEPADS_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8wrGXB1GRjJcdnYvsgk8DrIXvSZSvzEEK4kH8aU1nM notepad";
/// A file on the stick that has its own system's settings for Wi-Fi, and is not read.
pub const FOREIGN: &str = "wpa_supplicant.conf";

/// Puts them on the ESP: lists of keys with byte order marks, Windows line ends and bad lines; connections, one of which is
/// noise; a private key; and files of other systems. `owner` is the owner's public key.
pub fn put(stick: &StickImage, owner: &str) -> Result<()> {
    let keys = [
        "\u{feff}# the keys of this house",
        "junk",
        WEAK_KEY.trim(),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 cut-off",
        "",
        &format!("no-agent-forwarding {owner}"),
        &format!("key: {NOTEPADS_KEY}"),
    ]
    .join("\r\n");
    stick.put("authorized_keys", keys.as_bytes())?;
    stick.put("authorized_keys.txt", &utf_16(NOTEPADS_KEY))?;
    stick.put("network/Home.nmconnection", CONNECTION.as_bytes())?;
    let (name, connection) = ODD_CONNECTION;
    stick.put(&format!("network/{name}"), &utf_16(connection))?;
    stick.put("network/none.nmconnection", b"\x00\x01")?;
    stick.put("id_ed25519", b"-----BEGIN OPENSSH PRIVATE KEY-----\n")?;
    stick.put(FOREIGN, b"network={\n}\n")?;
    stick.put("._authorized_keys", b"\x00\x05\x16\x07")?;
    Ok(())
}

/// As Notepad saves it as "Unicode".
fn utf_16(text: &str) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}
