//! A gateway that serves: listeners, background loops, and how it stops

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, response::IntoResponse as _};
use http::{HeaderValue, Request, StatusCode, header};
use relynt_egress::Egress;
use relynt_gateway::{Gateway, Places};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
};

use crate::{
    api::routes,
    app::App,
    background::Background,
    envelope::Envelope,
    installation::Installation,
    limits::Limits,
    listen,
    metrics::{self, Metrics},
    stage_metrics::StageCollector,
    store::OpenStore,
    store_metrics::{DecisionsCollector, StoreCollector},
    system::RequestIds,
};

/// How often approvals are looked through for those whose time is up.
const EXPIRE_EVERY: Duration = Duration::from_millis(100);
/// How often executions are looked through for those that were left behind.
const RECOVER_EVERY: Duration = Duration::from_secs(1);
/// How often what was used is written down.
const TOUCH_EVERY: Duration = Duration::from_secs(20);
/// How often connections to targets are looked through for those that nobody uses.
const CLOSE_IDLE_EVERY: Duration = Duration::from_secs(1);
/// How often what could not be read is read again.
const REFRESH_EVERY: Duration = Duration::from_millis(250);

/// Where and how to serve.
pub struct ServingOptions {
    /// The API's listener.
    pub api: TcpListener,
    /// The listener of `/metrics`.
    pub metrics: TcpListener,
    /// How clients reach the gateway, without a slash at the end.
    pub public_url: String,
    /// The bounds of the API's listener.
    pub limits: Limits,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By the order to stop: everything that ran came to its end.
    Drained,
    /// By the order to stop; what still ran is left in a state that recovery understands.
    CutOff,
    /// The store failed to sync: what it holds is not certain, and only a new start can tell.
    StoreFailed,
}

impl Installation {
    /// Serves until `stop` ends or the store fails, then finishes what runs.
    ///
    /// # Errors
    /// A listener has no address.
    pub async fn serve(
        self,
        options: ServingOptions,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<Ended> {
        let (stopping, stopped) = watch::channel(false);
        let background = Background::new(stopped.clone());
        let limits = Arc::new(options.limits);
        let metrics = Arc::new(Metrics::new());
        metrics.collect(Box::new(StageCollector(Arc::clone(&self.stages))));
        metrics.collect(Box::new(StoreCollector::new(self.store.clone())));
        loops(&background, &self.gateway);
        close_idle(&background, self.egress);

        let decisions = Places::new(limits.max_decisions);
        metrics.collect(Box::new(DecisionsCollector::new(Arc::clone(&decisions))));
        let app = Arc::new(App {
            gateway: Arc::clone(&self.gateway),
            background: background.clone(),
            limits: Arc::clone(&limits),
            metrics: Arc::clone(&metrics),
            decisions,
            stages: Arc::clone(&self.stages),
            public_url: options.public_url,
        });
        let ids = Arc::new(RequestIds::new(
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
        ));
        let fresh_id: Arc<dyn Fn() -> String + Send + Sync> = Arc::new(move || ids.fresh());
        let envelope = Envelope::new(
            routes(app),
            Arc::clone(&fresh_id),
            Arc::clone(&limits),
            Arc::clone(&metrics),
        );
        let api = Background::service(listen::serve(
            options.api,
            Arc::clone(&limits),
            Arc::clone(&metrics) as Arc<dyn listen::Count>,
            Arc::clone(&fresh_id),
            move |request| envelope.clone().answer(request),
            stopped.clone(),
        ));
        let page = serve_metrics(options.metrics, metrics, fresh_id, stopped);

        let store_failed = tokio::select! {
            () = stop => false,
            () = self.store.failed() => true,
        };
        // Nobody waits on this channel when everything has ended already.
        let _ = stopping.send(true);
        if store_failed {
            tracing::error!("the store failed to sync: stopping at once; the next start recovers");
            return Ok(Ended::StoreFailed);
        }
        let served = api.await;
        let drained = background.drain(limits.drain).await;
        if let Err(error) = self.gateway.record_touched().await {
            tracing::warn!("when credentials were last used could not be written: {error}");
        }
        if page.await.is_err() {
            tracing::warn!("the metrics' listener did not end in order");
        }
        close(self.store).await;
        Ok(if served.is_ok() && drained {
            Ended::Drained
        } else {
            Ended::CutOff
        })
    }
}

/// Drains the store's queue and ends its threads, off the runtime's own threads.
async fn close(store: OpenStore) {
    let (done, closed) = tokio::sync::oneshot::channel();
    let closing = std::thread::Builder::new()
        .name("store-close".to_owned())
        .spawn(move || {
            store.close();
            // Nobody listening means that the process ends anyway.
            let _ = done.send(());
        });
    match closing {
        Ok(_) => drop(closed.await),
        Err(error) => tracing::warn!("the store could not be closed in order: {error}"),
    }
}

/// Connections to targets that no call has used for a while.
fn close_idle(background: &Background, egress: Egress) {
    background.periodic("connections", CLOSE_IDLE_EVERY, move || {
        egress.close_idle();
        std::future::ready(())
    });
}

fn loops(background: &Background, gateway: &Arc<Gateway>) {
    let each = |name: &'static str, pause: Duration, step: Step| {
        let gateway = Arc::clone(gateway);
        background.periodic(name, pause, move || step(Arc::clone(&gateway)));
    };
    each("expire", EXPIRE_EVERY, |gateway| {
        Box::pin(async move {
            if let Err(error) = gateway.expire_due().await {
                tracing::warn!("approvals whose time is up could not be ended: {error}");
            }
        })
    });
    each("recover", RECOVER_EVERY, |gateway| {
        Box::pin(async move {
            if let Err(error) = gateway.recover(false).await {
                tracing::warn!("executions that were left behind could not be closed: {error}");
            }
        })
    });
    each("touch", TOUCH_EVERY, |gateway| {
        Box::pin(async move {
            if let Err(error) = gateway.record_touched().await {
                tracing::warn!("when credentials were last used could not be written: {error}");
            }
        })
    });
    each("refresh", REFRESH_EVERY, |gateway| {
        Box::pin(async move {
            if let Err(error) = gateway.refresh_dirty().await {
                tracing::warn!("rules could not be read again: {error}");
            }
        })
    });
}

type Step = fn(Arc<Gateway>) -> futures_util::future::BoxFuture<'static, ()>;

fn serve_metrics(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    fresh_id: Arc<dyn Fn() -> String + Send + Sync>,
    stopped: watch::Receiver<bool>,
) -> impl Future<Output = Result<(), crate::background::Lost>> {
    let limits = Limits {
        max_connections: 64,
        drain: Duration::from_secs(1),
        ..Limits::default()
    };
    let counted = Arc::clone(&metrics) as Arc<dyn listen::Count>;
    Background::service(listen::serve(
        listener,
        Arc::new(limits),
        Arc::new(Uncounted(counted)),
        fresh_id,
        move |request: Request<hyper::body::Incoming>| {
            let metrics = Arc::clone(&metrics);
            async move { metrics_page(&request, &metrics) }
        },
        stopped,
    ))
}

/// The connections of the metrics' own listener are not the API's.
struct Uncounted(Arc<dyn listen::Count>);

impl listen::Count for Uncounted {
    fn opened(&self) {}

    fn closed(&self) {}

    fn turned_away(&self) {
        self.0.turned_away();
    }
}

fn metrics_page<B>(request: &Request<B>, metrics: &Metrics) -> http::Response<Body> {
    if request.uri().path() != "/metrics" {
        return (StatusCode::NOT_FOUND, "only `/metrics` is here\n").into_response();
    }
    if !matches!(*request.method(), http::Method::GET | http::Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    match metrics.text() {
        Ok(text) => {
            let mut response = text.into_response();
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static(metrics::CONTENT_TYPE),
            );
            response
        }
        Err(error) => {
            tracing::error!("the metrics could not be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Connections that the kernel keeps until they are accepted: a burst of new ones is not told to try
/// again. The kernel's own bound (`net.core.somaxconn`) may be lower.
const BACKLOG: u32 = 4096;

/// Binds a listener, and says on which address it is.
///
/// # Errors
/// The address cannot be used.
pub async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // So that a new start does not wait for old connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}
