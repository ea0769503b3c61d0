//! Keys: Ed25519 and ECDSA P-256, as PEM.
//!
//! A public key is SubjectPublicKeyInfo, a private key PKCS#8, encrypted with PBES2
//! unless somebody asks for a plain one. Both are what OpenSSL reads and writes.

use std::fmt;

use pkcs8::der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use pkcs8::der::{Document, Encode, SecretDocument};
use pkcs8::pkcs5::pbes2;
use pkcs8::pkcs5::scrypt;
use pkcs8::spki::AlgorithmIdentifier;
use pkcs8::{
    AlgorithmIdentifierRef, EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier, PrivateKeyInfoRef,
    SubjectPublicKeyInfoRef,
};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};

use crate::digest::sha256_hex;

const OID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const OID_EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const OID_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

const PUBLIC_LABEL: &str = "PUBLIC KEY";
const PRIVATE_LABEL: &str = "PRIVATE KEY";
const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";
const SEED_BYTES: usize = 32;

/// A key file is at most this long.
pub const MAX_KEY_BYTES: u64 = 16 * 1024;

/// A key cannot be read, made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not what it should be.
    #[error("it is no {wanted}: {problem}")]
    Format {
        /// What is wanted.
        wanted: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The key is of another algorithm.
    #[error("it is a key for another algorithm; Ed25519 and ECDSA P-256 are accepted")]
    Algorithm,
    /// The private key is encrypted, and this is not its passphrase.
    #[error("the passphrase is not this key's, or the key is damaged")]
    Passphrase,
    /// The private key is encrypted, and nobody has said the passphrase.
    #[error("{0}")]
    NoPassphrase(String),
    /// No key could be made, or nothing signed with it.
    #[error("the cryptography failed: {0}")]
    Cryptography(String),
}

/// What a key is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Algorithm {
    /// Ed25519, over the message itself.
    #[default]
    Ed25519,
    /// ECDSA with P-256 and SHA-256; signatures in ASN.1 DER.
    #[value(name = "ecdsa-p256")]
    EcdsaP256,
}

impl Algorithm {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
        }
    }

    fn of(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Self, KeyError> {
        match algorithm.oids() {
            Ok((OID_ED25519, None)) => Ok(Self::Ed25519),
            Ok((OID_EC, Some(OID_P256))) => Ok(Self::EcdsaP256),
            _ => Err(KeyError::Algorithm),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn format(wanted: &'static str) -> impl Fn(pkcs8::der::Error) -> KeyError {
    move |problem| KeyError::Format {
        wanted,
        problem: problem.to_string(),
    }
}

/// A public key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey {
    der: Vec<u8>,
    point: Vec<u8>,
    ed25519: bool,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm(), self.fingerprint())
    }
}

impl PublicKey {
    /// Reads a PEM text, `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// What is wrong with it; a private key in its place is told as such.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        const WANTED: &str = "public key in PEM";
        let (label, document) = Document::from_pem(text.trim_start()).map_err(format(WANTED))?;
        if label != PUBLIC_LABEL {
            return Err(KeyError::Format {
                wanted: WANTED,
                problem: format!("it begins with `{label}`, not with `{PUBLIC_LABEL}`"),
            });
        }
        let info = SubjectPublicKeyInfoRef::try_from(document.as_bytes()).map_err(|e| KeyError::Format {
            wanted: WANTED,
            problem: e.to_string(),
        })?;
        let algorithm = Algorithm::of(&info.algorithm)?;
        let point = info.subject_public_key.as_bytes().unwrap_or_default();
        Self::of(algorithm, point)
    }

    /// An Ed25519 key.
    ///
    /// # Errors
    /// When it cannot be written as a SubjectPublicKeyInfo.
    pub fn ed25519(key: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        Self::of(Algorithm::Ed25519, key)
    }

    /// The key of this point.
    fn of(algorithm: Algorithm, point: &[u8]) -> Result<Self, KeyError> {
        const WANTED: &str = "public key";
        let fits = match algorithm {
            Algorithm::Ed25519 => point.len() == SEED_BYTES,
            // Uncompressed: what every library writes.
            Algorithm::EcdsaP256 => point.len() == 65 && point.first() == Some(&4),
        };
        if !fits {
            return Err(KeyError::Format {
                wanted: WANTED,
                problem: format!("no {algorithm} key has such a point"),
            });
        }
        let info = SubjectPublicKeyInfoRef {
            algorithm: identifier(algorithm),
            subject_public_key: BitStringRef::from_bytes(point).map_err(format(WANTED))?,
        };
        Ok(Self {
            der: info.to_der().map_err(format(WANTED))?,
            point: point.to_vec(),
            ed25519: algorithm == Algorithm::Ed25519,
        })
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        if self.ed25519 {
            Algorithm::Ed25519
        } else {
            Algorithm::EcdsaP256
        }
    }

    /// SHA-256 over the key's SubjectPublicKeyInfo, in hex: what signatures name it by.
    pub fn fingerprint(&self) -> String {
        sha256_hex(&self.der)
    }

    /// The key as PEM.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let document = Document::try_from(self.der.as_slice()).map_err(format("public key"))?;
        document
            .to_pem(PUBLIC_LABEL, LineEnding::LF)
            .map_err(format("public key"))
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let point = self.point.as_slice();
        let verified = match self.algorithm() {
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
            Algorithm::EcdsaP256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

/// How an algorithm is named in a key file.
fn identifier(algorithm: Algorithm) -> AlgorithmIdentifierRef<'static> {
    match algorithm {
        Algorithm::Ed25519 => AlgorithmIdentifier {
            oid: OID_ED25519,
            parameters: None,
        },
        Algorithm::EcdsaP256 => AlgorithmIdentifier {
            oid: OID_EC,
            parameters: Some(AnyRef::from(&OID_P256)),
        },
    }
}

/// A private key.
pub struct PrivateKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey of {:?}", self.public)
    }
}

impl PrivateKey {
    /// Reads a PEM text, encrypted or not. `passphrase` is asked only for one that is.
    ///
    /// # Errors
    /// What is wrong with it, or that the passphrase is not the key's.
    pub fn from_pem(
        text: &str,
        passphrase: impl FnOnce() -> Result<Passphrase, KeyError>,
    ) -> Result<Self, KeyError> {
        const WANTED: &str = "private key in PEM (PKCS#8)";
        let (label, document) = SecretDocument::from_pem(text.trim_start()).map_err(format(WANTED))?;
        let document = match label {
            PRIVATE_LABEL => document,
            ENCRYPTED_LABEL => {
                let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
                let encrypted = encrypted.map_err(|e| KeyError::Format {
                    wanted: WANTED,
                    problem: e.to_string(),
                })?;
                let passphrase = passphrase()?;
                encrypted
                    .decrypt(passphrase.0.as_bytes())
                    .map_err(|_| KeyError::Passphrase)?
            }
            other => {
                return Err(KeyError::Format {
                    wanted: WANTED,
                    problem: format!("it begins with `{other}`; `openssl pkcs8 -topk8` makes one of it"),
                });
            }
        };
        Self::from_der(document.as_bytes())
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|e| KeyError::Format {
            wanted: "private key",
            problem: e.to_string(),
        })?;
        let algorithm = Algorithm::of(&info.algorithm)?;
        let rejected = |e: ring::error::KeyRejected| KeyError::Cryptography(e.to_string());
        let pair = match algorithm {
            Algorithm::Ed25519 => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(rejected)?)
            }
            Algorithm::EcdsaP256 => {
                let random = SystemRandom::new();
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random);
                Pair::EcdsaP256(pair.map_err(rejected)?)
            }
        };
        let point = match &pair {
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Pair::EcdsaP256(pair) => pair.public_key().as_ref().to_vec(),
        };
        Ok(Self {
            public: PublicKey::of(algorithm, &point)?,
            pair,
        })
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message.
    ///
    /// # Errors
    /// When there is no randomness, which ECDSA needs.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::EcdsaP256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| KeyError::Cryptography("no signature was made".to_owned())),
        }
    }
}

/// A passphrase; it is not shown.
pub struct Passphrase(String);

impl Passphrase {
    /// This one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// How many characters it has.
    pub fn length(&self) -> usize {
        self.0.chars().count()
    }

    /// Whether it is the same.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// A key that was just made.
pub struct NewKey {
    /// The private key as PEM: encrypted if there is a passphrase.
    pub private_pem: SecretText,
    /// The public key.
    pub public: PublicKey,
}

/// Text that is wiped from memory when it is no longer needed.
pub type SecretText = pkcs8::der::zeroize::Zeroizing<String>;

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({:?})", self.public)
    }
}

impl NewKey {
    /// Makes a key. Without a passphrase its file is its secret.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(algorithm: Algorithm, passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        let failed = |e: &dyn fmt::Display| KeyError::Cryptography(e.to_string());
        let der = match algorithm {
            Algorithm::Ed25519 => {
                let mut inner = [0; SEED_BYTES + 2];
                // The seed is an OCTET STRING in the OCTET STRING of the private key.
                // Without the public key, which OpenSSL 3.0 does not read there.
                let mut seed = pkcs8::der::zeroize::Zeroizing::new([0; SEED_BYTES]);
                getrandom::fill(seed.as_mut_slice()).map_err(|e| failed(&e))?;
                let seed = OctetStringRef::new(seed.as_slice()).map_err(|e| failed(&e))?;
                let inner = seed.encode_to_slice(&mut inner).map_err(|e| failed(&e))?;
                let inner = OctetStringRef::new(inner).map_err(|e| failed(&e))?;
                let info: PrivateKeyInfoRef<'_> = PrivateKeyInfoRef::new(identifier(algorithm), inner);
                SecretDocument::encode_msg(&info).map_err(|e| failed(&e))?
            }
            Algorithm::EcdsaP256 => {
                let random = SystemRandom::new();
                let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random);
                let pair = pair.map_err(|e| failed(&e))?;
                SecretDocument::try_from(pair.as_ref()).map_err(|e| failed(&e))?
            }
        };
        let public = PrivateKey::from_der(der.as_bytes())?.public;
        let private_pem = match passphrase {
            None => der.to_pem(PRIVATE_LABEL, LineEnding::LF),
            Some(passphrase) => {
                let info = PrivateKeyInfoRef::try_from(der.as_bytes()).map_err(|e| failed(&e))?;
                info.encrypt_with_params(encryption()?, passphrase.0.as_bytes())
                    .map_err(|e| failed(&e))?
                    .to_pem(ENCRYPTED_LABEL, LineEnding::LF)
            }
        };
        Ok(Self {
            private_pem: private_pem.map_err(|e| failed(&e))?,
            public,
        })
    }
}

/// AES-256 under a key that scrypt derives: 16 MiB, five times. That costs who guesses
/// as much as 128 MiB once, which OpenSSL would refuse to read.
fn encryption() -> Result<pbes2::Parameters, KeyError> {
    let failed = |e: &dyn fmt::Display| KeyError::Cryptography(e.to_string());
    let cost = scrypt::Params::new(14, 8, 5).map_err(|e| failed(&e))?;
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    getrandom::fill(&mut salt).map_err(|e| failed(&e))?;
    getrandom::fill(&mut iv).map_err(|e| failed(&e))?;
    pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv).map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_passphrase() -> Result<Passphrase, KeyError> {
        Err(KeyError::NoPassphrase("none".to_owned()))
    }

    #[test]
    fn a_key_comes_back_from_its_file() {
        for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256] {
            let secret = Passphrase::new("correct horse");
            for passphrase in [None, Some(&secret)] {
                let made = NewKey::generate(algorithm, passphrase).unwrap();
                let read =
                    PrivateKey::from_pem(&made.private_pem, || Ok(Passphrase::new("correct horse"))).unwrap();
                assert_eq!(read.public(), &made.public);
                let public = PublicKey::from_pem(&made.public.to_pem().unwrap()).unwrap();
                assert_eq!(public, made.public);
                let signature = read.sign(b"message").unwrap();
                assert!(public.verifies(b"message", &signature));
                assert!(!public.verifies(b"massage", &signature));
                let mut other = signature.clone();
                *other.last_mut().unwrap() ^= 1;
                assert!(!public.verifies(b"message", &other));
                assert!(!public.verifies(b"message", b""));
            }
        }
    }

    #[test]
    fn an_encrypted_key_needs_its_passphrase() {
        let made = NewKey::generate(Algorithm::Ed25519, Some(&Passphrase::new("right"))).unwrap();
        assert!(
            made.private_pem
                .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        );
        let wrong = PrivateKey::from_pem(&made.private_pem, || Ok(Passphrase::new("wrong")));
        assert!(matches!(wrong, Err(KeyError::Passphrase)), "{wrong:?}");
        let none = PrivateKey::from_pem(&made.private_pem, no_passphrase);
        assert!(matches!(none, Err(KeyError::NoPassphrase(_))), "{none:?}");
    }

    #[test]
    fn what_is_no_key_is_told() {
        let made = NewKey::generate(Algorithm::Ed25519, None).unwrap();
        for text in ["", "key", made.private_pem.as_str()] {
            assert!(PublicKey::from_pem(text).is_err());
        }
        let public = made.public.to_pem().unwrap();
        assert!(PrivateKey::from_pem(&public, no_passphrase).is_err());
        // An X25519 key is none that signs.
        let x25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n-----END PUBLIC KEY-----\n";
        assert!(matches!(PublicKey::from_pem(x25519), Err(KeyError::Algorithm)));
    }
}
