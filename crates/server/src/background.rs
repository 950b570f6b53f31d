//! The only place that spawns: work that outlives a request, and loops
//!
//! Detached work is bounded in number, and a graceful stop waits for it: from the commit of its
//! intent on, a call does not die with its client.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

/// How much detached work there may be at once.
const DETACHED: u32 = 65_536;

/// Spawns, and knows what still runs.
#[derive(Clone)]
pub(crate) struct Background {
    places: Arc<Semaphore>,
    most: u32,
    stop: watch::Receiver<bool>,
}

/// There is no place for more detached work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much is running")]
pub(crate) struct Full;

/// Detached work did not come to its end: it panicked, or the process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work did not come to its end")]
pub(crate) struct Lost;

impl Background {
    /// Loops end when `stop` says so.
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Self {
        Self::bounded(stop, DETACHED)
    }

    fn bounded(stop: watch::Receiver<bool>, most: u32) -> Self {
        let places = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            most,
            stop,
        }
    }

    /// Runs `work` to its end, whether or not anybody waits for the returned future.
    ///
    /// # Errors
    /// There is no place; nothing was started.
    pub(crate) fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<impl Future<Output = Result<T, Lost>> + Send + 'static, Full> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Full)?;
        let running = spawn(to_its_end(work, place));
        Ok(async move { running.await.unwrap_or(Err(Lost)) })
    }

    /// Does `work` to its end, whether or not the returned future is waited for.
    ///
    /// As long as somebody waits, the work is done in the waiting task: nothing is handed over on
    /// the way that nearly every call takes. Whoever drops the future half-way hands what is left
    /// to a task of its own.
    ///
    /// # Errors
    /// There is no place; nothing was started.
    pub(crate) fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<impl Future<Output = Result<T, Lost>> + Send + 'static, Full> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Full)?;
        Ok(ToTheEnd(Some((Box::pin(work), place))))
    }

    /// Ends when the process has been told to stop.
    pub(crate) async fn stopping(&self) {
        // Whoever could say stop is gone: that is one too.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    /// How much detached work runs.
    #[cfg(test)]
    fn running(&self) -> usize {
        usize::try_from(self.most)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.places.available_permits())
    }

    /// Does `step` again and again, `pause` after each end, until the stop. A panic is logged and
    /// does not end the loop.
    pub(crate) fn periodic<F>(
        &self,
        name: &'static str,
        pause: Duration,
        mut step: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut order = self.stop.clone();
        drop(spawn(async move {
            loop {
                let stopped = tokio::select! {
                    biased;
                    stopped = order.wait_for(|stop| *stop) => stopped.is_ok(),
                    () = sleep(pause) => false,
                };
                // An error means that nobody can say stop any more: the process is ending.
                if stopped || order.has_changed().is_err() {
                    break;
                }
                // A step is not cut off: it ends, and then the loop does.
                if let Err(panic) = AssertUnwindSafe(step()).catch_unwind().await {
                    tracing::error!(
                        panic = said(&*panic),
                        "the loop `{name}` panicked and goes on"
                    );
                }
            }
        }));
    }

    /// Runs a service of its own, such as a listener, until it ends by itself.
    pub(crate) fn service<W>(work: W) -> impl Future<Output = Result<(), Lost>> + Send + 'static
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let running = spawn(work);
        async move { running.await.map_err(|_| Lost) }
    }

    /// Waits until all detached work has ended, at most `most`; whether it has.
    pub(crate) async fn drain(&self, most: Duration) -> bool {
        let all = self.places.acquire_many(self.most);
        timeout(most, all).await.is_ok_and(|all| all.is_ok())
    }
}

async fn to_its_end<T>(
    work: impl Future<Output = T> + Send,
    place: OwnedSemaphorePermit,
) -> Result<T, Lost> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    drop(place);
    done.map_err(|panic| lost(&*panic))
}

/// See [`Background::to_the_end`]. Empty once the work has ended.
struct ToTheEnd<F: Work>(Option<(Pin<Box<F>>, OwnedSemaphorePermit)>);

/// Work that can be handed over.
trait Work: Future<Output: Send + 'static> + Send + 'static {}

impl<F: Future<Output: Send + 'static> + Send + 'static> Work for F {}

impl<F: Work> Future for ToTheEnd<F> {
    type Output = Result<F::Output, Lost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((work, _)) = &mut self.0 else {
            // Its output was taken: there is nothing to wait for.
            return Poll::Pending;
        };
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        let done = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(done)) => Ok(done),
            Err(panic) => Err(lost(&*panic)),
        };
        self.0 = None;
        Poll::Ready(done)
    }
}

impl<F: Work> Drop for ToTheEnd<F> {
    fn drop(&mut self) {
        // Without a runtime the process is ending: recovery closes what was begun.
        if let (Some((work, place)), Ok(_)) = (self.0.take(), Handle::try_current()) {
            drop(spawn(to_its_end(work, place)));
        }
    }
}

fn lost(panic: &(dyn Any + Send)) -> Lost {
    tracing::error!(panic = said(panic), "detached work panicked");
    Lost
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that the ban sends everybody to"
)]
fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(work)
}

/// What a panic may say in a log: nothing of its message, which may hold anything.
fn said(panic: &(dyn Any + Send)) -> &'static str {
    if panic.is::<&'static str>() || panic.is::<String>() {
        "with a message that is not shown"
    } else {
        "without a message"
    }
}

/// Makes panics of this process name their place alone: a message may hold a payload's values.
pub fn hide_panic_messages() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(place, "a panic, which is a defect");
    }));
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use futures_util::FutureExt as _;
    use tokio::sync::{Notify, watch};

    use super::{Background, Full, Lost};

    #[tokio::test]
    async fn detached_work_ends_though_nobody_waits_and_a_stop_waits_for_it() {
        let (_stop, stopped) = watch::channel(false);
        let background = Background::new(stopped);
        let (go, done) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
        let (wait, count) = (Arc::clone(&go), Arc::clone(&done));
        drop(background.detached(async move {
            wait.notified().await;
            count.fetch_add(1, Ordering::SeqCst);
        }));
        assert_eq!(background.running(), 1);
        assert!(!background.drain(Duration::from_millis(1)).await);
        go.notify_one();
        assert!(background.drain(Duration::from_secs(30)).await);
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn detached_work_is_bounded_and_a_panic_gives_its_place_back() {
        let (_stop, stopped) = watch::channel(false);
        let background = Background::bounded(stopped, 1);
        let panicking = background.detached(async { panic!("secret") }).unwrap();
        assert_eq!(background.detached(async {}).map(drop), Err(Full));
        assert_eq!(panicking.await, Err::<(), _>(Lost));
        assert_eq!(background.detached(async { 7 }).unwrap().await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_ends_all_the_same() {
        let (_stop, stopped) = watch::channel(false);
        let background = Background::bounded(stopped, 2);
        let (go, done) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
        let work = || {
            let (wait, count) = (Arc::clone(&go), Arc::clone(&done));
            background
                .to_the_end(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    wait.notified().await;
                    count.fetch_add(10, Ordering::SeqCst);
                })
                .unwrap()
        };
        let (mut left, never) = (Box::pin(work()), work());
        assert!(left.as_mut().now_or_never().is_none());
        assert_eq!(done.load(Ordering::SeqCst), 1, "it runs in its caller");
        drop((left, never));
        assert_eq!(background.running(), 2);
        assert!(!background.drain(Duration::from_millis(1)).await);
        go.notify_waiters();
        go.notify_waiters();
        while background.running() > 0 {
            go.notify_one();
            tokio::task::yield_now().await;
        }
        assert_eq!(done.load(Ordering::SeqCst), 22);
    }

    #[tokio::test]
    async fn work_that_is_waited_for_is_not_handed_over_and_its_panic_is_told() {
        let (_stop, stopped) = watch::channel(false);
        let background = Background::bounded(stopped, 1);
        let here = tokio::task::try_id();
        let there = background.to_the_end(async { tokio::task::try_id() });
        assert_eq!(there.unwrap().await, Ok(here));
        let panicking = background.to_the_end(async { panic!("secret") }).unwrap();
        assert_eq!(background.to_the_end(async {}).map(drop), Err(Full));
        assert_eq!(panicking.await, Err::<(), _>(Lost));
        assert_eq!(background.running(), 0);
    }

    #[tokio::test]
    async fn a_loop_survives_a_panic_and_ends_at_the_stop() {
        let (stop, stopped) = watch::channel(false);
        let background = Background::new(stopped);
        let (steps, twice) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (count, seen) = (Arc::clone(&steps), Arc::clone(&twice));
        background.periodic("test", Duration::ZERO, move || {
            let (count, seen) = (Arc::clone(&count), Arc::clone(&seen));
            async move {
                match count.fetch_add(1, Ordering::SeqCst) {
                    0 => panic!("first"),
                    _ => seen.notify_one(),
                }
            }
        });
        twice.notified().await;
        stop.send(true).unwrap();
        drop(stop);
        while Arc::strong_count(&steps) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
