//! The promise of `boot`: about the boot itself.

use crate::scenario::Applies::Always;
use crate::scenario::{Promise, boot};

pub const PROMISES: &[Promise] = &[Promise {
    id: "boot.reaches-target",
    sentence: "boots to multi-user with no failed or restarting unit and no known-bad line on the console",
    scenario: "boot",
    applies: Always,
    check: boot::reaches_target::check,
}];
