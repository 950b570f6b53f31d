//! TLS towards targets: aws-lc-rs, TLS 1.2 and 1.3, HTTP/1.1.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// The authorities that a target's certificate may come from.
#[derive(Debug, Clone)]
pub struct Roots(RootCertStore);

/// Certificates could not be used.
#[derive(Debug, thiserror::Error)]
#[error("a certificate authority cannot be used")]
pub struct RootsFault(#[from] rustls::Error);

impl Roots {
    /// The system's authorities. Unreadable ones are left out; with none at all no `https` target
    /// can be reached ([`Roots::is_empty`]).
    pub fn system() -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self(store)
    }

    /// These authorities and no others.
    ///
    /// # Errors
    /// If one is no certificate.
    pub fn only(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, RootsFault> {
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            store.add(certificate)?;
        }
        Ok(Self(store))
    }

    /// Whether there is no authority at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_config(self) -> Result<Arc<ClientConfig>, RootsFault> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.0)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
