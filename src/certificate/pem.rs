//! What is in the two files, read once and all at once.

use std::io::Read as _;
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::{Fault, File, Files};

/// Largest file that is read, in bytes; a chain is a few thousand.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Both files.
pub(super) struct Contents {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Contents {
    pub(super) fn read(files: &Files) -> Result<Self, Fault> {
        Ok(Self { cert: read(&files.cert, File::Cert)?, key: Zeroizing::new(read(&files.key, File::Key)?) })
    }

    /// To know them again by.
    pub(super) fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(blake3::hash(&self.cert).as_bytes());
        hasher.update(blake3::hash(&self.key).as_bytes());
        hasher.finalize()
    }

    /// A chain and the key that fits its first certificate.
    pub(super) fn parse(&self) -> Result<CertifiedKey, Fault> {
        let chain = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Fault::BadCertificate { reason: error.to_string() })?;
        if chain.is_empty() {
            return Err(Fault::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| match error {
            pem::Error::NoItemsFound => Fault::NoKey,
            error => Fault::BadKey { reason: error.to_string() },
        })?;
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Fault::OtherKey,
            rustls::Error::InvalidCertificate(_) => Fault::BadCertificate { reason: error.to_string() },
            error => Fault::BadKey { reason: error.to_string() },
        })
    }
}

fn read(path: &Path, file: File) -> Result<Vec<u8>, Fault> {
    let unreadable = |reason: String| Fault::Unreadable { file, reason };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|opened| opened.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(error.to_string()))?;
    if read as u64 > MAX_FILE_BYTES {
        return Err(unreadable(format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}
