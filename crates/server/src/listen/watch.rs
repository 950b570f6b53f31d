//! A connection that ends when it is overdue, and gracefully when it is told to

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper_util::server::graceful::GracefulConnection;
use tokio::{
    sync::watch as signal,
    time::{Instant, Sleep, sleep_until},
};

use super::activity::{Activity, Overdue};

type Failure = Box<dyn Error + Send + Sync>;

/// How long a connection that was told to end may take to do so once nothing runs on it.
const GOODBYE: Duration = Duration::from_secs(5);

/// Why a connection was cut off.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("the client sent nothing in time")]
    FirstByte,
    #[error("the client did not finish a request's head in time")]
    Head,
    #[error("the client did not take its answer in time")]
    Write,
    #[error("the client did not close an idle connection")]
    Idle,
}

/// Waits for `work`, but not longer than until `stop` says so.
pub(super) async fn stop_or<T>(
    stop: &mut signal::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => None,
        done = work => Some(done),
    }
}

/// A connection with its time kept.
pub(super) struct Watched<C> {
    connection: Pin<Box<C>>,
    activity: Arc<Activity>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    timer: Pin<Box<Sleep>>,
    // Set once the connection was told to end: when it is cut off if nothing runs on it.
    ending: Option<Instant>,
}

impl<C> Watched<C> {
    pub(super) fn new(
        connection: Pin<Box<C>>,
        activity: Arc<Activity>,
        mut stop: signal::Receiver<bool>,
    ) -> Self {
        Self {
            connection,
            activity,
            stopped: Box::pin(async move {
                drop(stop.wait_for(|stop| *stop).await);
            }),
            timer: Box::pin(sleep_until(Instant::now())),
            ending: None,
        }
    }
}

impl<C> Future for Watched<C>
where
    C: GracefulConnection,
    C::Error: Into<Failure>,
{
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if this.ending.is_none() && this.stopped.as_mut().poll(cx).is_ready() {
                this.connection.as_mut().graceful_shutdown();
                this.ending = Some(Instant::now() + GOODBYE);
            }
            if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
                return Poll::Ready(ended.map_err(Into::into));
            }
            let Some((by, overdue)) = this.activity.deadline() else {
                // A request runs: its own bounds hold, and its end wakes us.
                return Poll::Pending;
            };
            let by = match (this.ending, overdue) {
                (Some(ending), Overdue::Idle) => ending,
                _ => by,
            };
            if by < this.timer.deadline() {
                this.timer.as_mut().reset(by);
            }
            // Most deadlines only move on, with every request: a timer that goes off too early is
            // cheaper than one that is set anew each time.
            loop {
                ready!(this.timer.as_mut().poll(cx));
                if Instant::now() >= by {
                    break;
                }
                this.timer.as_mut().reset(by);
            }
            match overdue {
                Overdue::Idle if this.ending.is_none() => {
                    this.connection.as_mut().graceful_shutdown();
                    this.ending = Some(Instant::now() + GOODBYE);
                }
                Overdue::Idle => return Poll::Ready(Err(Cut::Idle.into())),
                Overdue::FirstByte => return Poll::Ready(Err(Cut::FirstByte.into())),
                Overdue::Head => return Poll::Ready(Err(Cut::Head.into())),
                Overdue::Write => return Poll::Ready(Err(Cut::Write.into())),
            }
        }
    }
}
