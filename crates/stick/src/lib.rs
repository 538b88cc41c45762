//! What a bootable USB stick is made of, and how an image gets onto one.
//!
//! No QEMU and no Nix in here: flashing and releasing depend on this crate, and it runs on whatever computer the stick is
//! plugged into.

/// As `println!`, but a closed pipe does not end the program.
macro_rules! outln {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

pub mod cancel;
pub mod command;
pub mod esp;
pub mod flash;
pub mod gpt;
