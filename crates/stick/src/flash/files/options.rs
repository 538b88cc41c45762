//! The options before a key in authorized_keys, by the grammar of sshd(8), as modules/esp-keys.sh reads them.

use std::net::Ipv4Addr;

const FLAGS: [&str; 3] = ["restrict", "cert-authority", "verify-required"];
/// Those that are also known with `no-` before them.
const SWITCHES: [&str; 6] = [
    "port-forwarding",
    "agent-forwarding",
    "x11-forwarding",
    "pty",
    "user-rc",
    "touch-required",
];

/// Splits a line where sshd does: at the first blank outside of quotes.
pub fn split(line: &str) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in line.char_indices() {
        match letter {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                return (&line[..at], line[at..].trim_start_matches([' ', '\t']));
            }
            _ => {}
        }
        escaped = letter == '\\';
    }
    (line, "")
}

/// Whether sshd knows all of `options`.
pub fn are_known(options: &str) -> bool {
    let mut rest = options;
    loop {
        let end = rest.find(['=', ',']).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let known = match rest.strip_prefix('=') {
            Some(quoted) => match value(quoted) {
                Some((value, after)) => {
                    rest = after;
                    is_good(&name, &value)
                }
                None => false,
            },
            None => {
                let switch = name.strip_prefix("no-").unwrap_or(&name);
                FLAGS.contains(&&*name) || SWITCHES.contains(&switch)
            }
        };
        match rest.strip_prefix(',') {
            _ if !known => return false,
            None => return rest.is_empty(),
            Some("") => return false,
            Some(next) => rest = next,
        }
    }
}

/// A network in the list of `from=` with bits behind its prefix, such as 192.168.1.5/24: such a list lets nobody in.
pub fn wrong_network(options: &str) -> Option<&str> {
    let at = options.to_ascii_lowercase().find("from=\"")?;
    let list = options[at + 6..].split('"').next()?;
    let networks = list.split(',').map(|part| part.trim_start_matches('!'));
    networks.into_iter().find(|network| {
        let parts = network.split_once('/');
        let parts = parts.and_then(|(address, prefix)| {
            Some((
                address.parse::<Ipv4Addr>().ok()?,
                prefix.parse::<u32>().ok()?,
            ))
        });
        parts.is_some_and(|(address, prefix)| match 32_u32.checked_sub(prefix) {
            Some(bits) => u32::from(address) & !u32::MAX.checked_shl(bits).unwrap_or(0) != 0,
            None => true,
        })
    })
}

/// The value at the beginning of `text`, which is in quotes, and what comes after it.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if letter == '"' && !escaped {
            return Some((text[..at].replace("\\\"", "\""), &text[at + 1..]));
        }
        escaped = letter == '\\';
    }
    None
}

fn is_good(name: &str, value: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = |text: &str| text == "*" || digits(text) && text.len() <= 5;
    match name {
        "command" | "from" | "principals" => !value.is_empty(),
        "environment" => value.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        }),
        "expiry-time" => {
            let time = value.strip_suffix('Z').unwrap_or(value);
            digits(time) && [8, 12, 14].contains(&time.len())
        }
        "permitlisten" => port(value.rsplit_once(':').map_or(value, |(_, port)| port)),
        "permitopen" => value
            .rsplit_once(':')
            .is_some_and(|(host, number)| !host.is_empty() && port(number)),
        "tunnel" => value == "any" || digits(value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_at_a_blank_outside_of_quotes() {
        assert_eq!(split("no-pty ssh-rsa A b"), ("no-pty", "ssh-rsa A b"));
        let quoted = r#"command="say \"a b\"",pty"#;
        assert_eq!(
            split(&format!("{quoted}\t ssh-rsa A")),
            (quoted, "ssh-rsa A")
        );
        assert_eq!(split("- ssh-rsa A"), ("-", "ssh-rsa A"));
        assert_eq!(split("\"open ssh-rsa"), ("\"open ssh-rsa", ""));
    }

    #[test]
    fn a_list_that_lets_nobody_in_is_found() {
        for (options, wrong) in [
            (r#"from="192.168.1.5/24""#, Some("192.168.1.5/24")),
            (r#"pty,From="*.lan,!10.0.0.1/8""#, Some("10.0.0.1/8")),
            (r#"from="10.0.0.0/33""#, Some("10.0.0.0/33")),
            (
                r#"from="10.0.0.0/8,0.0.0.0/0,1.2.3.4/32,1.2.3.4,fd00::/8,pc""#,
                None,
            ),
            ("no-pty", None),
        ] {
            assert_eq!(wrong_network(options), wrong, "{options}");
        }
    }

    #[test]
    fn only_options_of_sshd_are_known() {
        for good in [
            "restrict",
            "no-pty,No-X11-Forwarding",
            r#"cert-authority,principals="a,b""#,
            r#"environment="A=b c""#,
            r#"permitopen="[::1]:80",permitlisten="8080""#,
            r#"expiry-time="20300101",tunnel="0""#,
            r#"command="say \"a, b\"",from="10.0.0.0/8""#,
        ] {
            assert!(are_known(good), "{good}");
        }
        for bad in [
            "restrict,",
            "no-restrict",
            "command",
            "command=echo",
            "command=\"echo",
            "environment=\"A\"",
            "permitopen=\"80\"",
            "tunnel=\"x\"",
            "@cert-authority",
            "|1|a=|b=",
            "pc.lan,192.168.1.5",
            "-",
            "key:",
            "",
        ] {
            assert!(!are_known(bad), "{bad}");
        }
    }
}
