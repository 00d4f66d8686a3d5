//! The certificate that the listener shows: two files, and what is in them now.
//!
//! Files are read at the start and looked at again from time to time: what counts is their content, so that it does
//! not matter how it changes: written in place, renamed into place, or behind a link that is swapped, as Kubernetes
//! does it. New files that cannot be used leave the old certificate in its place. The room knows no HTTP.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

mod pem;

use pem::Contents;

/// Where the certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The chain, the server's own certificate first; PEM.
    pub cert: PathBuf,
    /// The private key of the first one; PEM.
    pub key: PathBuf,
}

/// One of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// The chain.
    Cert,
    /// The key.
    Key,
}

/// Why the files cannot be used. The text goes on after the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A file is not there, or not for us.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// Which one.
        file: File,
        /// The system's words.
        reason: String,
    },
    /// The chain is empty.
    #[error("has no certificate in it: it must begin with the server's own, in PEM")]
    NoCertificate,
    /// The chain is broken.
    #[error("has a certificate that cannot be used: {reason}")]
    BadCertificate {
        /// The parser's words.
        reason: String,
    },
    /// There is no key.
    #[error("has no private key in it that is not encrypted, in PEM")]
    NoKey,
    /// The key is broken, or of a kind that is not known.
    #[error("has a private key that cannot be used: {reason}")]
    BadKey {
        /// The parser's words.
        reason: String,
    },
    /// The key belongs to another certificate.
    #[error("is not the key of the certificate")]
    OtherKey,
}

impl Fault {
    /// Which file is to be mended.
    pub const fn file(&self) -> File {
        match self {
            Self::Unreadable { file, .. } => *file,
            Self::NoCertificate | Self::BadCertificate { .. } => File::Cert,
            Self::NoKey | Self::BadKey { .. } | Self::OtherKey => File::Key,
        }
    }
}

/// Whether the files can be used.
///
/// # Errors
/// The first reason why they cannot.
pub fn check(files: &Files) -> Result<(), Fault> {
    Contents::read(files)?.parse().map(drop)
}

/// What looking at the files again came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// They are as they were.
    Unchanged,
    /// New connections get the new certificate.
    Renewed,
    /// They changed and cannot be used; the old certificate stays. Told once for each content.
    Kept(Fault),
}

/// The certificate that is in use, and the files that it came from.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    shown: Arc<Shown>,
    /// What the files held when they were last looked at, good or bad.
    seen: blake3::Hash,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn load(files: Files) -> Result<Self, Fault> {
        let contents = Contents::read(&files)?;
        let shown = Arc::new(Shown(ArcSwap::from_pointee(contents.parse()?)));
        Ok(Self { seen: contents.digest(), files, shown })
    }

    /// Reads the files again. Blocks for as long as that takes.
    pub fn refresh(&mut self) -> Refreshed {
        let read = Contents::read(&self.files);
        let digest = match &read {
            Ok(contents) => contents.digest(),
            Err(fault) => blake3::hash(fault.to_string().as_bytes()),
        };
        if std::mem::replace(&mut self.seen, digest) == digest {
            return Refreshed::Unchanged;
        }
        match read.and_then(|contents| contents.parse()) {
            Ok(key) => {
                self.shown.0.store(Arc::new(key));
                Refreshed::Renewed
            }
            Err(fault) => Refreshed::Kept(fault),
        }
    }

    /// How the listener is to speak TLS: 1.2 and 1.3. The protocol inside is offered by who speaks it.
    ///
    /// # Errors
    /// None with the cipher suites that this is built with.
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        // The provider is named, so that no process-wide default is needed.
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let resolver: Arc<Shown> = Arc::clone(&self.shown);
        Ok(builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_cert_resolver(resolver))
    }
}

#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

#[cfg(test)]
mod tests;
