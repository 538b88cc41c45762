//! A pool of worker threads with a queue to which work can add more work.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

/// The items that wait for a worker. Work can add more.
pub struct Queue<T> {
    state: Mutex<QueueState<T>>,
    changed: Condvar,
    jobs: usize,
}

struct QueueState<T> {
    waiting: VecDeque<T>,
    busy: usize,
    stopped: bool,
}

impl<T> Queue<T> {
    fn new(items: impl IntoIterator<Item = T>, jobs: usize) -> Self {
        let state = QueueState {
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

    fn state(&self) -> MutexGuard<'_, QueueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item in front of all others.
    pub fn add(&self, item: T) {
        self.state().waiting.push_front(item);
        self.changed.notify_all();
    }

    /// Adds an item behind all others.
    pub fn add_last(&self, item: T) {
        self.state().waiting.push_back(item);
        self.changed.notify_all();
    }

    /// Whether a worker is idle: an item that is added now starts at once.
    pub fn has_idle(&self) -> bool {
        let state = self.state();
        state.waiting.is_empty() && state.busy < self.jobs
    }

    /// The next item; `None` when all are done and no worker is busy that could add more.
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

/// Reports to the queue that a worker has finished, even after a panic.
struct Busy<'a, T> {
    queue: &'a Queue<T>,
    failed: bool,
}

impl<T> Drop for Busy<'_, T> {
    fn drop(&mut self) {
        self.queue.finish(self.failed);
    }
}

/// Runs `work` on each of `items`, and on those that it adds to the queue, `jobs` at a time. Returns the results in the
/// order in which they were finished.
///
/// # Errors
/// The first error of `work`; items that have not started by then are dropped.
pub fn all<T: Send, R: Send>(
    items: impl IntoIterator<Item = T>,
    jobs: usize,
    work: impl Fn(T, &Queue<T>) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let queue = Queue::new(items, jobs);
    let done = Mutex::new(Vec::new());
    let worker = || {
        while let Some(item) = queue.take() {
            let mut busy = Busy {
                queue: &queue,
                failed: true,
            };
            let result = work(item, &queue);
            busy.failed = result.is_err();
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

/// Runs `work` on each of `items`, `jobs` at a time. Returns the results in the order of `items`.
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
    fn results_keep_their_order_and_the_first_error_ends_the_run() {
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
    fn one_of_two_workers_is_idle_beside_one_item() {
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
    fn items_added_by_work_are_done_too() {
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
