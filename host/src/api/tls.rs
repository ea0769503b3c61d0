//! TLS, with a certificate that can be replaced while the service runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What is spoken over TLS, the preferred first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the kind that is wanted.
    #[error("`{path}` cannot be used: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why, and what it should hold.
        problem: String,
    },
    /// Certificate and key do not go together, or are of a kind that is not supported.
    #[error("the certificate `{cert}` and the key `{key}` cannot be used together: {error}")]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        error: rustls::Error,
    },
}

/// Certificate and key, as they are now. Connections keep what they began with.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let current = ArcSwap::new(load(&files)?);
        Ok(Self { files, current })
    }

    /// Reads certificate and key anew, for connections that come after [`Self::replace`].
    ///
    /// # Errors
    /// When they cannot be used.
    pub(super) fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        load(&self.files)
    }

    /// Uses what [`Self::read`] has read.
    pub(super) fn replace(&self, config: Arc<ServerConfig>) {
        self.current.store(config);
    }

    /// Takes a connection's handshake, which has its time.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(self.current.load_full());
        tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await?
    }
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|error| told(&files.cert, &error, "a certificate"))?;
    if chain.is_empty() {
        return Err(told(&files.cert, &pem::Error::NoItemsFound, "a certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| told(&files.key, &error, "a private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|it| it.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| TlsError::Pair {
        cert: files.cert.clone(),
        key: files.key.clone(),
        error,
    })?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(Arc::new(config))
}

fn told(path: &Path, error: &pem::Error, wanted: &str) -> TlsError {
    let problem = match error {
        pem::Error::NoItemsFound => format!(
            "it holds no {wanted} in PEM",
            wanted = wanted.trim_start_matches("a ")
        ),
        // Of the others the words say what is wrong and show nothing of a key.
        other => format!("{other}; it must hold {wanted} in PEM"),
    };
    TlsError::File {
        path: path.to_owned(),
        problem,
    }
}
