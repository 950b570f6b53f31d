//! From an origin to a connection to a checked address.

use std::io;
use std::net::{IpAddr, SocketAddr};

use relynt_domain::OrganizationId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::exchange::Egress;
use crate::gate::Hold;
use crate::origin::{Host, Origin, Scheme};
use crate::rules::AddressRefused;

/// What went wrong. Up to and including [`Fault::Held`] nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The rules refuse an address of the target.
    #[error(transparent)]
    Address(#[from] AddressRefused),
    /// The name could not be resolved, or to nothing.
    #[error("the target's name cannot be resolved")]
    Resolve(#[source] io::Error),
    /// The target refused the connection on every address.
    #[error("the target refused the connection")]
    Refused(#[source] io::Error),
    /// The connection failed otherwise.
    #[error("the target cannot be connected to")]
    Connect(#[source] io::Error),
    /// TLS could not be agreed on, the certificate included.
    #[error("the TLS handshake with the target failed")]
    Tls(#[source] io::Error),
    /// Resolving, connecting and the handshake together took too long.
    #[error("the target could not be connected to in time")]
    ConnectTimeout,
    /// The caller's check before the first byte held the request back.
    #[error("the request was held back before its first byte")]
    Held(Hold),
    /// The answer did not come, or not whole, in time.
    #[error("the target did not answer in time")]
    Timeout,
    /// The connection broke, or what came was no HTTP answer.
    #[error("the connection to the target broke")]
    Broken,
}

/// So many addresses of one name are tried; all are checked.
const MAX_TRIED: usize = 16;

/// A connection, in clear or over TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Egress {
    /// Resolves, checks every address, connects to one of them and shakes hands, all before
    /// `deadline`.
    pub(crate) async fn connect(
        &self,
        origin: &Origin,
        organization: Option<OrganizationId>,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, SocketAddr), Fault> {
        let work = async {
            let addresses = self.addresses(origin).await?;
            // One refused address refuses the name: otherwise whoever answers for the name could
            // try their luck between a public and an internal one.
            for address in &addresses {
                self.rules.check(*address, organization)?;
            }
            let (tcp, peer) = self.first_of(&addresses, organization, deadline).await?;
            match origin.scheme() {
                Scheme::Http => Ok((Box::new(tcp) as Box<dyn Stream>, peer)),
                Scheme::Https => {
                    let name = origin
                        .server_name()
                        .ok_or_else(|| Fault::Tls(invalid("host")))?;
                    let connector = TlsConnector::from(self.tls.clone());
                    let tls = connector.connect(name, tcp).await.map_err(Fault::Tls)?;
                    Ok((Box::new(tls) as Box<dyn Stream>, peer))
                }
            }
        };
        timeout_at(deadline, work)
            .await
            .unwrap_or(Err(Fault::ConnectTimeout))
    }

    async fn addresses(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Fault> {
        let port = origin.port();
        let addresses = match origin.host() {
            Host::Ipv4(ip) => vec![SocketAddr::new(IpAddr::V4(*ip), port)],
            Host::Ipv6(ip) => vec![SocketAddr::new(IpAddr::V6(*ip), port)],
            Host::Domain(name) => self
                .resolver
                .resolve(name, port)
                .await
                .map_err(Fault::Resolve)?,
        };
        if addresses.is_empty() {
            return Err(Fault::Resolve(invalid("no address")));
        }
        // A resolver may answer what it likes, but not choose the port.
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address.ip(), port))
            .collect())
    }

    /// The first address that takes a connection; each gets an equal share of the time that is left.
    async fn first_of(
        &self,
        addresses: &[SocketAddr],
        organization: Option<OrganizationId>,
        deadline: Instant,
    ) -> Result<(TcpStream, SocketAddr), Fault> {
        let mut last = Fault::ConnectTimeout;
        let tried = addresses.get(..MAX_TRIED).unwrap_or(addresses);
        let mut left = u32::try_from(tried.len()).unwrap_or(u32::MAX);
        for address in tried {
            let rest = deadline.saturating_duration_since(Instant::now());
            let until = Instant::now() + rest / left;
            left = left.saturating_sub(1).max(1);
            match timeout_at(until, TcpStream::connect(*address)).await {
                Err(_) => last = Fault::ConnectTimeout,
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    last = Fault::Refused(error);
                }
                Ok(Err(error)) => last = Fault::Connect(error),
                Ok(Ok(stream)) => {
                    // Whom the system really connected to has the last word.
                    let peer = stream.peer_addr().map_err(Fault::Connect)?;
                    self.rules.check(peer, organization)?;
                    stream.set_nodelay(true).map_err(Fault::Connect)?;
                    return Ok((stream, peer));
                }
            }
        }
        Err(last)
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
