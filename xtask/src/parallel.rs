//! Work on many things, a few at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// `work` on each of `items`, `jobs` at a time; what it made, in the order of `items`.
///
/// # Errors
/// The first that `work` gave; what has not begun by then is left.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
            if result.is_err() {
                next.store(items.len(), Ordering::SeqCst);
            }
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            scope.spawn(worker);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::usage;

    #[test]
    fn results_keep_their_order_and_the_first_error_ends_it() {
        let squares = each(&[1, 2, 3, 4, 5], 3, |n| Ok(n * n)).unwrap();
        assert_eq!(squares, [1, 4, 9, 16, 25]);
        let begun = AtomicUsize::new(0);
        let error = each(&[1, 2, 3], 1, |n| {
            begun.fetch_add(1, Ordering::SeqCst);
            if *n == 2 { Err(usage("two")) } else { Ok(()) }
        });
        assert_eq!(error.unwrap_err().to_string(), "two");
        assert_eq!(begun.into_inner(), 2);
    }
}
