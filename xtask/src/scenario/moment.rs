//! A random moment, for interruptions.

use std::time::Duration;

use uuid::Uuid;

/// A random time up to `most`.
pub fn up_to(most: Duration) -> Duration {
    let share = Uuid::new_v4().as_u128() % 1_000_000;
    most.mul_f64(share as f64 / 1e6)
}
