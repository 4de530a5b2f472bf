//! Sessions of one model that several requests share.
//!
//! ONNX Runtime runs a session for one caller at a time. A pool lends its
//! sessions out batch by batch, so that a long request does not hold up a short
//! one. All sessions are built from the same bytes, so it does not matter which
//! of them serves a batch.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ScopedJoinHandle;

use ort::session::Session;

use crate::error::Result;
use crate::runtime;

/// Beats per call of the graph. Fewer leave the blocked kernels idle, more
/// fall out of the cache.
pub const BATCH: usize = 64;

/// The sessions of a model, built when they are first needed.
pub struct Pool {
    path: PathBuf,
    bytes: Vec<u8>,
    size: usize,
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    idle: Vec<Session>,
    /// Sessions that exist or are being built.
    built: usize,
}

impl Pool {
    /// A pool of up to `size` sessions, at least 1; the first is built now.
    ///
    /// # Errors
    /// As [`runtime::session`].
    pub fn new(path: &Path, bytes: Vec<u8>, size: usize) -> Result<Pool> {
        let first = runtime::session(&bytes, path)?;
        Ok(Pool {
            path: path.into(),
            bytes,
            size: size.max(1),
            state: Mutex::new(State {
                idle: vec![first],
                built: 1,
            }),
            returned: Condvar::new(),
        })
    }

    /// The model's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many sessions can run at once.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Runs `work` with a session that nobody else uses meanwhile. Waits where
    /// all are in use.
    ///
    /// # Errors
    /// Those of `work`, or as [`runtime::session`].
    pub fn with<T>(&self, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let mut loan = Loan {
            pool: self,
            session: None,
        };
        work(loan.session.insert(self.take()?))
    }

    fn take(&self) -> Result<Session> {
        let mut state = self.state();
        loop {
            if let Some(session) = state.idle.pop() {
                return Ok(session);
            }
            if state.built < self.size {
                state.built += 1;
                break;
            }
            let waited = self.returned.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        runtime::session(&self.bytes, &self.path).inspect_err(|_| {
            self.state().built -= 1;
            // Another that waits may have more luck, or is told why not.
            self.returned.notify_one();
        })
    }

    /// Runs `each` on [`BATCH`] rows at a time, on as many sessions as there
    /// are; the answers come in the order of the rows.
    ///
    /// The cuts between batches depend on the number of rows alone, and so do
    /// the answers.
    ///
    /// # Errors
    /// The first error of `each` in the order of the rows, or as [`Pool::take`].
    pub fn batches<T: Send>(
        &self,
        rows: usize,
        each: impl Fn(&mut Session, Range<usize>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let workers = self.size.min(rows.div_ceil(BATCH)).max(1);
        let share = rows.div_ceil(workers).next_multiple_of(BATCH);
        let work = |worker: usize| -> Result<Vec<T>> {
            let end = rows.min((worker + 1) * share);
            let starts = (worker * share..end).step_by(BATCH);
            let batches = starts.map(|start| start..end.min(start + BATCH));
            batches
                .map(|batch| self.with(|session| each(session, batch)))
                .collect()
        };
        let parts: Vec<Result<Vec<T>>> = std::thread::scope(|scope| {
            let work = &work;
            let running: Vec<_> = (0..workers)
                .map(|worker| scope.spawn(move || work(worker)))
                .collect();
            running.into_iter().map(joined).collect()
        });
        let mut all = Vec::with_capacity(rows.div_ceil(BATCH));
        for part in parts {
            all.extend(part?);
        }
        Ok(all)
    }

    /// Runs `each` on pieces of rows, on as many threads as there may be sessions;
    /// the answers come in the order of the pieces.
    ///
    /// # Errors
    /// The first error of `each` in that order.
    pub fn pieces<T: Send>(
        &self,
        pieces: &[Range<usize>],
        each: impl Fn(Range<usize>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let next = AtomicUsize::new(0);
        let take = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            pieces.get(at).map(|piece| (at, piece.clone()))
        };
        let work = || {
            let mut done = Vec::new();
            while let Some((at, piece)) = take() {
                done.push((at, each(piece)));
            }
            done
        };
        let workers = self.size.min(pieces.len());
        let mut all: Vec<(usize, Result<T>)> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            running.into_iter().flat_map(joined).collect()
        });
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, answer)| answer).collect()
    }

    /// A panic while the lock is held leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session in use. It comes back to the pool though its user panics.
struct Loan<'a> {
    pool: &'a Pool,
    session: Option<Session>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.pool.state().idle.extend(self.session.take());
        self.pool.returned.notify_one();
    }
}

/// The result of a thread; its panic goes on in the caller.
fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
