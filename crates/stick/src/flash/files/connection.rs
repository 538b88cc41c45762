//! Connections of NetworkManager. On the machine its own parser judges them (modules/esp-connections.sh); this one knows what
//! that asks of every connection.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Error, Result};

use super::text::decode;
use super::{content, in_windows_1252};

/// What to do where there is no such file, or no connection in it.
const WRITE_CONNECTION: &str = "write one as docs/owner.md shows (Wi-Fi)";

/// A connection for the stick.
#[derive(Debug, PartialEq, Eq)]
pub struct Connection {
    pub name: String,
    /// Empty if the file has none.
    pub uuid: String,
    pub content: Vec<u8>,
    /// What will keep it from being used.
    pub warnings: Vec<String>,
}

/// The values by section and key. Sections have the names that NetworkManager gives them today.
struct Settings(BTreeMap<(String, String), String>);

impl Settings {
    fn read(text: &str) -> Result<Self, String> {
        let (mut settings, mut section) = (BTreeMap::new(), String::new());
        for line in text.lines().map(str::trim) {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                section = today(name).to_string();
            } else if let Some((key, value)) = line.split_once('=') {
                let place = (section.clone(), key.trim().to_string());
                settings.insert(place, value.trim().to_string());
            } else if !line.is_empty() && !line.starts_with('#') {
                return Err(format!("NetworkManager does not take the line {line:?}"));
            }
        }
        Ok(Settings(settings))
    }

    fn get(&self, section: &str, key: &str) -> &str {
        let place = (section.to_string(), key.to_string());
        self.0.get(&place).map_or("", String::as_str)
    }
}

fn today(name: &str) -> &str {
    match name {
        "802-11-wireless" => "wifi",
        "802-11-wireless-security" => "wifi-security",
        "802-3-ethernet" => "ethernet",
        name => name,
    }
}

/// The file at `path`, if the machine would import it.
pub fn connection(path: &Path) -> Result<Connection> {
    let refuse = |why: &str| Error::msg(format!("{} {why}", path.display()));
    let bytes = content(path, WRITE_CONNECTION)?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    // Windows hides the .txt that it appends; the machine passes over it as well.
    let name = match name.to_ascii_lowercase().ends_with(".nmconnection.txt") {
        true => name[..name.len() - ".txt".len()].to_string(),
        false => name,
    };
    let good = |letter: char| !letter.is_control() && !"\"*/:<>?\\|\u{fffd}".contains(letter);
    let (true, true, false) = (
        name.to_ascii_lowercase().ends_with(".nmconnection"),
        name.chars().all(good),
        name.starts_with('.'),
    ) else {
        return Err(refuse(&match foreign(&name, &bytes) {
            Some(program) => format!(
                "is for {program}, and this machine uses NetworkManager: write Home.nmconnection, as docs/owner.md shows (Wi-Fi)"
            ),
            None => "has a name that the machine ignores: call it NAME.nmconnection".to_string(),
        }));
    };
    let decoded = decode(&bytes)
        .ok_or_else(|| refuse("is not a text that can be converted to UTF-8: save it as UTF-8"))?;
    let settings =
        Settings::read(&decoded.text).map_err(|why| refuse(&format!("is refused: {why}")))?;
    let kind = today(settings.get("connection", "type"));
    if !decoded
        .text
        .lines()
        .any(|line| line.trim() == "[connection]")
        || kind.is_empty()
    {
        return Err(refuse(&format!(
            "is not a connection of NetworkManager (it has no [connection] with a type=): {WRITE_CONNECTION}"
        )));
    }
    if kind == "wlan" || kind == "wireless" {
        return Err(refuse(&format!(
            "is refused: write type=wifi in the place of type={kind}"
        )));
    }
    if kind == "wifi" && settings.get("wifi", "ssid").is_empty() {
        return Err(refuse(
            "is refused: under [wifi] it needs ssid=NAME OF THE NETWORK",
        ));
    }
    let mut warnings = warnings(&settings, kind, &decoded.text);
    warnings.extend(decoded.guessed.then(in_windows_1252));
    Ok(Connection {
        name,
        uuid: settings.get("connection", "uuid").to_string(),
        content: decoded.text.into_bytes(),
        warnings,
    })
}

/// The program that a file of connections is for, where that is not NetworkManager: what modules/esp-files.sh knows.
fn foreign(name: &str, bytes: &[u8]) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let end = |end: &str| name.ends_with(end);
    let text = decode(bytes).map_or_else(String::new, |decoded| decoded.text);
    let holds = |word: &str| text.lines().any(|line| line.trim_start().starts_with(word));
    if name.starts_with("wpa_supplicant") && end(".conf") || holds("network={") {
        Some("wpa_supplicant")
    } else if end(".yaml") || end(".yml") || name == "network-config" {
        Some("netplan")
    } else if text.contains("<WLANProfile") {
        Some("Windows")
    } else if name == "dietpi-wifi.txt" {
        Some("DietPi")
    } else if name == "interfaces" {
        Some("ifupdown")
    } else {
        None
    }
}

fn warnings(settings: &Settings, kind: &str, text: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |on: bool, words: String| warnings.extend(on.then_some(words));
    let value = settings.get("connection", "permissions");
    warn(
        value.contains("user:"),
        format!(
            "it is for one user only, and the machine has another: delete the line permissions={value}"
        ),
    );
    let value = settings.get("connection", "interface-name");
    warn(
        // Others, such as WireGuard's, make a card of that name.
        !value.is_empty() && ["wifi", "ethernet"].contains(&kind),
        format!("it is for a card called {value} only: delete the line interface-name={value}"),
    );
    for section in ["wifi", "ethernet"] {
        let value = settings.get(section, "mac-address");
        warn(
            !value.is_empty(),
            format!(
                "it is for the card with the address {value} only: delete the line mac-address={value}"
            ),
        );
    }
    warn(
        settings.get("connection", "autoconnect") == "false",
        "it is not used unless you start it: delete the line autoconnect=false".to_string(),
    );
    warn(
        settings.get("wifi", "ssid") == "NAME OF THE NETWORK",
        "it has the name of the example: write the name of your network in the line ssid="
            .to_string(),
    );
    let in_quotes = |text: &str| text.len() > 1 && text.starts_with('"') && text.ends_with('"');
    warn(
        in_quotes(settings.get("wifi", "ssid")),
        "the name of its network has quotes: delete them in the line ssid=, unless they belong to it".to_string(),
    );
    let password = settings.get("wifi-security", "psk");
    warn(
        password == "PASSWORD",
        "it has the password of the example: write that of your network in the line psk="
            .to_string(),
    );
    warn(
        in_quotes(password),
        "its password has quotes: delete them in the line psk=, unless they belong to it"
            .to_string(),
    );
    let management = settings.get("wifi-security", "key-mgmt");
    warn(
        management == "wpa-psk" && (1..8).contains(&password.len()) && !in_quotes(password),
        "its password is too short, for WPA has 8 characters at least: correct the line psk="
            .to_string(),
    );
    let flags = settings.get("wifi-security", "psk-flags");
    warn(
        !["", "0"].contains(&flags),
        format!(
            "its computer keeps the password elsewhere: delete the line psk-flags={flags}, and write psk=PASSWORD"
        ),
    );
    let personal = ["wpa-psk", "sae"].contains(&management);
    warn(
        personal && flags.is_empty() && password.is_empty(),
        "it has no password: write psk=PASSWORD under [wifi-security]".to_string(),
    );
    let has_psk = text.lines().any(|line| {
        line.split_once('=')
            .is_some_and(|(key, _)| key.trim() == "psk")
    });
    warn(
        kind == "wifi" && management.is_empty() && has_psk,
        "its password is not used: write [wifi-security] and key-mgmt=wpa-psk before the line psk="
            .to_string(),
    );
    warnings
}
