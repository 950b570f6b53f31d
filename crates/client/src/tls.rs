//! TLS of the client: the certificate authorities it trusts, read once.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use crate::environment::Environment;
use crate::options::OptionsError;

/// Everything that a handshake needs.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

impl Tls {
    /// The system's authorities, or only those of `SSL_CERT_FILE` and `SSL_CERT_DIR` if set.
    pub(crate) fn new(host: &str, environment: &Environment) -> Result<Self, OptionsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| OptionsError::BaseUrl)?;
        let roots = Arc::new(authorities(environment)?);
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| OptionsError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }

    /// The configuration with a session cache of its own: a cache holds a lock, and a lock must
    /// not be carried through a fork.
    pub(crate) fn fresh(&self) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(32);
        Arc::new(config)
    }
}

fn authorities(environment: &Environment) -> Result<RootCertStore, OptionsError> {
    let file = environment.get("SSL_CERT_FILE").map(Path::new);
    let folder = environment.get("SSL_CERT_DIR");
    let (certificates, from) = if file.is_none() && folder.is_none() {
        let found = rustls_native_certs::load_native_certs();
        (found.certs, "the system")
    } else {
        let mut found = rustls_native_certs::load_certs_from_paths(file, None).certs;
        for folder in folder.iter().flat_map(std::env::split_paths) {
            let more = rustls_native_certs::load_certs_from_paths(None, Some(&folder));
            found.extend(more.certs);
        }
        (found, "SSL_CERT_FILE and SSL_CERT_DIR")
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(OptionsError::Authorities { from });
    }
    Ok(roots)
}
