//! Whom we trust, and which protocol we speak: one TLS configuration for the process.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::BuildError;
use crate::config;

/// The TLS settings of the way to Chipp; cheap to clone. Load it once, hand it to the client of each worker:
/// they then share the cache of TLS sessions too.
#[derive(Clone, Debug)]
pub struct Tls(pub(super) Arc<ClientConfig>);

impl Tls {
    /// Trusts Mozilla's roots, those of the system and those of `ca_file`; offers HTTP/1.1 only, since awc
    /// gives each HTTP/2 connection one request anyway.
    ///
    /// Reads files, so call it before serving. The system's roots are a courtesy: what cannot be read of them
    /// is left out. A `ca_file` that cannot be used is an error, since somebody relies on it.
    pub fn load(settings: &config::Upstream) -> Result<Self, BuildError> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let (_, left_out) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if left_out > 0 {
            tracing::debug!(left_out, "some of the system's root certificates cannot be used");
        }
        if let Some(path) = &settings.ca_file {
            add_file(&mut roots, path)?;
        }
        // The provider is named, so that no process-wide default is needed.
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|_| BuildError::TlsVersions)?
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), BuildError> {
    let certificates =
        CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| BuildError::CaFile { path: path.to_owned(), reason: error.to_string() })?;
    let unusable = |reason: String| BuildError::CaFile { path: path.to_owned(), reason };
    if certificates.is_empty() {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Duration;

    use super::*;

    fn settings(ca_file: &Path) -> config::Upstream {
        config::Upstream {
            base_url: "https://chipp.test/api/v1".into(),
            timeouts: config::Timeouts {
                connect: Duration::from_secs(1),
                first_byte: Duration::from_secs(1),
                idle: Duration::from_secs(1),
                total: Duration::from_secs(1),
            },
            retry: config::Retry::default(),
            breaker: config::Breaker::default(),
            learn_session: config::LearnSession::Stream,
            empty_reply: config::EmptyReply::Return,
            ca_file: Some(ca_file.to_owned()),
            reuse_connections: true,
        }
    }

    #[test]
    fn a_ca_file_that_cannot_be_used_is_an_error_that_names_it() {
        let contents = [
            "",
            "garbage",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
        ];
        for content in contents {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            let error = Tls::load(&settings(file.path())).unwrap_err();
            assert!(matches!(error, BuildError::CaFile { .. }), "{content:?}: {error}");
            assert!(error.to_string().contains(file.path().to_str().unwrap()));
        }
        let nowhere = Path::new("/nowhere/ca.pem");
        assert!(matches!(Tls::load(&settings(nowhere)), Err(BuildError::CaFile { .. })));
    }

    #[test]
    fn only_http_1_1_is_offered() {
        let mut settings = settings(Path::new(""));
        settings.ca_file = None;
        assert_eq!(Tls::load(&settings).unwrap().0.alpn_protocols, [b"http/1.1"]);
    }
}
