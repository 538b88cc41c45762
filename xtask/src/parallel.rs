//! Work on many things, a few at a time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

/// What is still to be done. Work can find more of it.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    jobs: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    busy: usize,
    stopped: bool,
}

impl<T> Queue<T> {
    fn new(items: impl IntoIterator<Item = T>, jobs: usize) -> Self {
        let state = State {
            waiting: items.into_iter().collect(),
            busy: 0,
            stopped: false,
        };
        Queue {
            state: Mutex::new(state),
            changed: Condvar::new(),
            jobs,
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more thing to do, next in line.
    pub fn add(&self, item: T) {
        self.state().waiting.push_front(item);
        self.changed.notify_all();
    }

    /// One more thing to do, after all others.
    pub fn add_last(&self, item: T) {
        self.state().waiting.push_back(item);
        self.changed.notify_all();
    }

    /// Whether somebody has nothing to do: what is added now begins at once.
    pub fn has_idle(&self) -> bool {
        let state = self.state();
        state.waiting.is_empty() && state.busy < self.jobs
    }

    /// The next thing to do; nothing when all is done and nobody is at work who could find more.
    fn take(&self) -> Option<T> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(item) = state.waiting.pop_front() {
                state.busy += 1;
                return Some(item);
            }
            if state.busy == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, stop: bool) {
        let mut state = self.state();
        state.busy -= 1;
        state.stopped |= stop;
        drop(state);
        self.changed.notify_all();
    }
}

/// Tells the queue that somebody is no longer at work, even if that was by a panic.
struct AtWork<'a, T> {
    queue: &'a Queue<T>,
    failed: bool,
}

impl<T> Drop for AtWork<'_, T> {
    fn drop(&mut self) {
        self.queue.finish(self.failed);
    }
}

/// `work` on each of `items` and on what it adds to the queue, `jobs` at a time; what it made, in the order in which it
/// was done.
///
/// # Errors
/// The first that `work` gave; what has not begun by then is left.
pub fn all<T: Send, R: Send>(
    items: impl IntoIterator<Item = T>,
    jobs: usize,
    work: impl Fn(T, &Queue<T>) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let queue = Queue::new(items, jobs);
    let done = Mutex::new(Vec::new());
    let worker = || {
        while let Some(item) = queue.take() {
            let mut at_work = AtWork {
                queue: &queue,
                failed: true,
            };
            let result = work(item, &queue);
            at_work.failed = result.is_err();
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(result);
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(worker);
        }
    });
    done.into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_iter()
        .collect()
}

/// `work` on each of `items`, `jobs` at a time; what it made, in the order of `items`.
///
/// # Errors
/// As [`all`].
pub fn each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let numbered = items.iter().enumerate();
    let mut done = all(numbered, jobs, |(index, item), _| Ok((index, work(item)?)))?;
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, made)| made).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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

    #[test]
    fn one_of_two_is_idle_beside_the_only_work() {
        assert_eq!(
            all([()], 2, |(), queue| Ok(queue.has_idle())).unwrap(),
            [true]
        );
        assert_eq!(
            all([()], 1, |(), queue| Ok(queue.has_idle())).unwrap(),
            [false]
        );
    }

    #[test]
    fn what_is_found_on_the_way_is_done_too() {
        let mut done = all([3u32], 2, |n, queue| {
            for smaller in 0..n {
                queue.add(smaller);
            }
            Ok(n)
        })
        .unwrap();
        done.sort_unstable();
        assert_eq!(done, [0, 0, 0, 0, 1, 1, 2, 3]);
    }
}
