//! What the log of an OpenSSH client (`ssh -v`) says about the server.

/// The exit status of a session that ended after authentication.
pub fn session_status(log: &str) -> Option<&str> {
    let session = log.split_once("Authenticated to ")?.1;
    let mut lines = session.lines();
    lines.find_map(|line| line.strip_prefix("debug1: Exit status "))
}

/// The authentication methods that the server offered.
pub fn offered(log: &str) -> Vec<String> {
    log.lines()
        .filter_map(|line| line.split_once("Authentications that can continue: "))
        .flat_map(|(_, methods)| methods.trim().split(','))
        .map(str::to_string)
        .collect()
}

/// The lists in the server's KEXINIT: each list's name, and its entries.
pub fn proposal(log: &str) -> Vec<(String, Vec<String>)> {
    log.lines()
        .skip_while(|line| !line.contains("peer server KEXINIT proposal"))
        .skip(1)
        .take_while(|line| line.starts_with("debug2:"))
        .filter_map(|line| line.trim_start_matches("debug2: ").split_once(": "))
        .map(|(list, names)| {
            (
                list.to_string(),
                names.trim().split(',').map(str::to_string).collect(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offered_methods_are_read() {
        let log = "debug1: Authentications that can continue: publickey,password\nPermission denied (publickey).";
        assert_eq!(offered(log), ["publickey", "password"]);
    }

    #[test]
    fn a_session_without_a_command_differs_from_a_lost_connection() {
        let log = "debug1: Connecting to 127.0.0.1\nAuthenticated to 127.0.0.1 ([127.0.0.1]:22) using \"publickey\".\n";
        assert_eq!(
            session_status(&format!("{log}debug1: Exit status 1\n")),
            Some("1")
        );
        assert_eq!(
            session_status(&format!("{log}Connection reset by peer")),
            None
        );
        assert_eq!(session_status("debug1: Exit status -1"), None);
    }

    #[test]
    fn only_the_servers_proposal_is_read() {
        let log = "debug2: local client KEXINIT proposal\ndebug2: KEX algorithms: mine\n\
                   debug2: peer server KEXINIT proposal\ndebug2: KEX algorithms: a,b\ndebug2: MACs stoc: c\n\
                   debug1: kex: algorithm: a\ndebug2: ciphers ctos: later\n";
        let lists = proposal(log);
        assert_eq!(
            lists[0],
            (
                "KEX algorithms".to_string(),
                vec!["a".to_string(), "b".to_string()]
            )
        );
        assert_eq!(lists.len(), 2);
    }
}
