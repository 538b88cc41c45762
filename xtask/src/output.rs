//! Printing that outlives its reader: the standard macros panic when the other end of a pipe is closed (`... | head`);
//! these go on without output.

/// As `println!`.
#[macro_export]
macro_rules! outln {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

/// As `eprintln!`.
#[macro_export]
macro_rules! errln {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}
