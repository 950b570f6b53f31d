//! TLS: the certificate has to name the host, and what fails there has sent nothing.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use relynt_egress::{BodyEnd, Egress, Fault, Report, Roots, Sent};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::target::{Playing, Silent, play, post, read_request, resolving_to, rules, send};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    fn way_out(&self) -> Egress {
        let roots = Roots::only([self.certificate.clone()]).unwrap();
        let out = Egress::new(rules("127.0.0.0/8"), roots).unwrap();
        resolving_to(&out, &["127.0.0.1"])
    }
}

/// Shakes hands as `name`; gives back the server name that was asked for and the request.
async fn target(
    acceptor: TlsAcceptor,
    answer: &'static str,
    end: End,
) -> Playing<Option<(String, String)>> {
    play(move |stream| async move {
        let mut stream = acceptor.accept(stream).await.ok()?;
        let name = stream
            .get_ref()
            .1
            .server_name()
            .unwrap_or("none")
            .to_owned();
        let request = read_request(&mut stream).await;
        if request.is_empty() {
            return Some((name, request));
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        if end == End::Shut {
            stream.shutdown().await.unwrap();
        }
        Some((name, request))
    })
    .await
}

#[derive(PartialEq)]
enum End {
    Shut,
    Dropped,
}

async fn ask(out: &Egress, host: &str, port: u16) -> Report {
    send(out, post(&format!("https://{host}:{port}/"))).await
}

#[tokio::test]
async fn the_name_travels_in_the_handshake_and_in_host() {
    let authority = Authority::new();
    let target = target(
        authority.acceptor("crm.example.com"),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        End::Shut,
    )
    .await;
    let port = target.address.port();
    let report = ask(&authority.way_out(), "crm.example.com", port).await;
    assert!(report.fault.is_none(), "{:?}", report.fault);
    assert_eq!(report.answer.unwrap().body, "ok");
    let (name, request) = target.done().await.unwrap();
    assert_eq!(name, "crm.example.com");
    assert!(request.contains(&format!("\r\nhost: crm.example.com:{port}\r\n")));
}

#[tokio::test]
async fn a_wrong_or_unknown_certificate_has_sent_nothing() {
    let (known, stranger) = (Authority::new(), Authority::new());
    for (acceptor, host) in [
        (known.acceptor("other.example.com"), "crm.example.com"),
        (stranger.acceptor("crm.example.com"), "crm.example.com"),
        (known.acceptor("crm.example.com"), "127.0.0.1"),
    ] {
        let target = target(acceptor, "", End::Shut).await;
        let report = ask(&known.way_out(), host, target.address.port()).await;
        assert_eq!(report.sent, Sent::No);
        assert!(
            matches!(report.fault, Some(Fault::Tls(_))),
            "{:?}",
            report.fault
        );
        let seen = target.done().await;
        assert!(seen.is_none_or(|(_, request)| request.is_empty()));
    }
}

#[tokio::test]
async fn an_address_is_named_by_its_certificate() {
    let authority = Authority::new();
    let target = target(
        authority.acceptor("127.0.0.1"),
        "HTTP/1.1 204 No Content\r\n\r\n",
        End::Shut,
    )
    .await;
    let report = ask(&authority.way_out(), "127.0.0.1", target.address.port()).await;
    assert_eq!(report.answer.unwrap().status, 204);
}

#[tokio::test]
async fn a_target_that_speaks_no_tls_has_been_sent_nothing() {
    let target = play(|mut stream| async move {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let report = ask(
        &Authority::new().way_out(),
        "crm.example.com",
        target.address.port(),
    )
    .await;
    assert_eq!(report.sent, Sent::No);
    assert!(matches!(report.fault, Some(Fault::Tls(_))));
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_bounded_and_has_sent_nothing() {
    let silent = Silent::on("127.0.0.1");
    let mut exchange = post(&format!("https://crm.example.com:{}/", silent.port()));
    exchange.connect_within = Duration::from_millis(100);
    let report = send(&Authority::new().way_out(), exchange).await;
    assert_eq!(report.sent, Sent::No);
    assert!(matches!(report.fault, Some(Fault::ConnectTimeout)));
    assert_eq!(silent.connections(), 1);
}

#[tokio::test]
async fn an_end_that_nobody_signed_is_a_cut() {
    // A body up to the end of the connection, and an end that anyone on the way could have made.
    let authority = Authority::new();
    let target = target(
        authority.acceptor("crm.example.com"),
        "HTTP/1.1 200 OK\r\n\r\nok",
        End::Dropped,
    )
    .await;
    let report = ask(
        &authority.way_out(),
        "crm.example.com",
        target.address.port(),
    )
    .await;
    let answer = report.answer.unwrap();
    assert_eq!((answer.status.as_u16(), answer.end), (200, BodyEnd::Cut));
}

#[tokio::test]
async fn no_authority_means_no_connection_is_trusted() {
    let authority = Authority::new();
    let target = target(authority.acceptor("crm.example.com"), "", End::Shut).await;
    let out = Egress::new(rules("127.0.0.0/8"), Roots::only([]).unwrap()).unwrap();
    let report = ask(
        &resolving_to(&out, &["127.0.0.1"]),
        "crm.example.com",
        target.address.port(),
    )
    .await;
    assert_eq!(report.sent, Sent::No);
    assert!(matches!(report.fault, Some(Fault::Tls(_))));
}
