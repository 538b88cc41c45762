//! Telling people something. Whoever has stopped listening (`… | head`) is no reason to end in the middle, as the
//! standard library's macros would.

/// As `println!`.
#[macro_export]
macro_rules! tell {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

/// As `eprintln!`.
#[macro_export]
macro_rules! tell_aside {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}
