//! A gateway that serves in this process, until it is told to stop.

use std::net::SocketAddr;

use relynt_server::{Config, Ended, Installation, Limits, ServingOptions, bind};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::signals::Signals;
use crate::failure::{Exit, Failure};

/// The listeners of a gateway: nothing is served yet, but clients may knock.
pub(crate) struct Listeners {
    api: TcpListener,
    metrics: TcpListener,
    /// How clients reach the gateway, without a slash at the end.
    pub(crate) public_url: String,
    /// Where the API listens.
    pub(crate) api_address: SocketAddr,
    /// Where `/metrics` listens.
    pub(crate) metrics_address: SocketAddr,
}

impl Listeners {
    pub(crate) async fn bind(config: &Config) -> Result<Self, Failure> {
        let (api, api_address) = listen(config.listen).await?;
        let (metrics, metrics_address) = listen(config.metrics_listen).await?;
        let public_url = config.public_url.as_ref().map_or_else(
            || format!("http://{api_address}"),
            |url| url.as_str().trim_end_matches('/').to_owned(),
        );
        Ok(Self {
            api,
            metrics,
            public_url,
            api_address,
            metrics_address,
        })
    }

    /// Both addresses: no connector may reach them.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        vec![self.api_address, self.metrics_address]
    }

    /// Serves until a signal. What runs then finishes within its time; a second signal ends the
    /// process at once, and the next start recovers.
    pub(crate) async fn serve(
        self,
        installation: Installation,
        config: &Config,
        mut signals: Signals,
    ) -> Result<Exit, Failure> {
        let options = ServingOptions {
            api: self.api,
            metrics: self.metrics,
            public_url: self.public_url,
            limits: Limits {
                max_connections: config.max_connections,
                ..Limits::default()
            },
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = installation.serve(options, async move {
            // The sender goes only when the order was given.
            let _ = stopped.await;
        });
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = signals.stop() => {
                drop(stop);
                tracing::info!("stopping: what runs is finished, nothing new is taken");
                tokio::select! {
                    ended = &mut serving => ended,
                    () = signals.stop() => return Err(cut_off()),
                }
            }
        };
        match ended {
            Ok(Ended::Drained) => Ok(Exit::Done),
            Ok(Ended::CutOff) => Err(cut_off()),
            Ok(Ended::StoreFailed) => Err(Failure::new(
                Exit::Unavailable,
                "the disk did not take what was written: check it, then start again",
            )),
            Err(error) => Err(Failure::file("serve on", "the listeners", &error)),
        }
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    bind(address).await.map_err(|error| {
        let failure = Failure::file("listen on", address, &error);
        Failure::usage(format!("{}; name another port", failure.text))
    })
}

fn cut_off() -> Failure {
    Failure::new(
        Exit::No,
        "what still ran was cut off: the next start closes it as unknown",
    )
}
