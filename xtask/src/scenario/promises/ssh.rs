//! The promises of `ssh`: who may log in, and what a session may do.

use crate::scenario::Applies::Always;
use crate::scenario::{Promise, ssh};

pub const PROMISES: &[Promise] = &[
    Promise {
        id: "ssh.key-accepted",
        sentence: "a key on PERSIST logs in as the owner, and so does a key in ~/.ssh/authorized_keys",
        scenario: "ssh",
        applies: Always,
        check: ssh::key_accepted::check,
    },
    // Before the refusals: the server delays a client that it has refused a few times.
    Promise {
        id: "ssh.modern-crypto",
        sentence: "the server offers only current key exchanges, ciphers and MACs",
        scenario: "ssh",
        applies: Always,
        check: ssh::crypto::check,
    },
    Promise {
        id: "ssh.forwards-only-tcp",
        sentence: "a session forwards local TCP ports (as to Ollama) and nothing else: no X11, agent, remote port, variable, socket or tunnel",
        scenario: "ssh",
        applies: Always,
        check: ssh::forwards::check,
    },
    Promise {
        id: "ssh.unknown-key-refused",
        sentence: "a key that is not authorized is refused",
        scenario: "ssh",
        applies: Always,
        check: ssh::unknown_key::check,
    },
    Promise {
        id: "ssh.password-refused",
        sentence: "the correct password is refused",
        scenario: "ssh",
        applies: Always,
        check: ssh::passwords::check_password,
    },
    Promise {
        id: "ssh.keyboard-interactive-refused",
        sentence: "the correct password is refused over keyboard-interactive as well",
        scenario: "ssh",
        applies: Always,
        check: ssh::passwords::check_keyboard_interactive,
    },
    Promise {
        id: "ssh.empty-password-refused",
        sentence: "an empty password does not log in to an account without a password",
        scenario: "ssh",
        applies: Always,
        check: ssh::passwords::check_empty_password,
    },
    Promise {
        id: "ssh.root-refused",
        sentence: "root cannot log in, not even with the owner's key",
        scenario: "ssh",
        applies: Always,
        check: ssh::root::check,
    },
    Promise {
        id: "ssh.strict-modes",
        sentence: "a key is refused while other accounts can write its file or folder",
        scenario: "ssh",
        applies: Always,
        check: ssh::strict_modes::check,
    },
];
