//! What names an artifact in a registry: `oci://host/repository:tag` or `…@sha256:…`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::signing::shown;
use crate::store::Digest;

/// What every reference begins with.
pub const SCHEME: &str = "oci://";

const MAX_REPOSITORY_CHARS: usize = 255;
const MAX_TAG_CHARS: usize = 128;
const ALGORITHM: &str = "sha256:";

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no reference of a module in a registry: {problem}")]
pub struct ReferenceError {
    /// The text; without what could be a password.
    pub text: String,
    /// What is wrong.
    pub problem: &'static str,
}

/// Which of the artifacts of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// The one that the tag stands for when it is asked for.
    Tag(String),
    /// The one whose manifest has this digest: always the same bytes.
    Digest(Digest),
}

impl Version {
    /// What stands for the list of all that refers to a manifest, where a registry keeps none.
    pub(super) fn referrers(subject: &Digest) -> Self {
        Self::Tag(format!("sha256-{}", subject.hex()))
    }
}

impl From<Digest> for Version {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.pad(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// An artifact in a registry. What names no registry is none: nothing is asked of a
/// registry that nobody has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    version: Version,
}

impl Reference {
    /// Whether a text is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Host and port of the registry, as it was written.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in it.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Which of its artifacts.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The digest, if that is what it names.
    pub fn digest(&self) -> Option<&Digest> {
        match &self.version {
            Version::Digest(digest) => Some(digest),
            Version::Tag(_) => None,
        }
    }

    /// The same repository with this digest.
    #[must_use]
    pub fn at(&self, digest: &Digest) -> Self {
        Self {
            version: Version::Digest(digest.clone()),
            ..self.clone()
        }
    }

    /// Whether the registry is on this machine: then it is spoken to without TLS.
    pub fn is_loopback(&self) -> bool {
        is_loopback(host(&self.registry))
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

/// A registry without its port.
fn host(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => registry,
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        match &self.version {
            Version::Tag(tag) => write!(f, ":{tag}"),
            Version::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let told = |problem| {
            // Before an `@` that is no digest's may stand a password.
            let text = match text.split_once('@') {
                Some((_, rest)) if !rest.starts_with(ALGORITHM) => "oci://…@…".to_owned(),
                _ => shown(text),
            };
            ReferenceError { text, problem }
        };
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| told("it must begin with `oci://`"))?;
        let (name, digest) = match rest.split_once('@') {
            Some((_, digest)) if !digest.starts_with(ALGORITHM) => {
                return Err(told(
                    "after `@` stands a digest, `sha256:` and 64 hex digits; credentials come from `docker login`",
                ));
            }
            Some((name, digest)) => (name, Some(digest)),
            None => (rest, None),
        };
        let (registry, path) = name
            .split_once('/')
            .ok_or_else(|| told("it must name a registry and a repository, `oci://host/repository:tag`"))?;
        if !is_registry(registry) {
            return Err(told(
                "what stands before the first `/` is no registry: a host name with a dot, an address, or localhost, perhaps with a port",
            ));
        }
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_repository(repository) {
            return Err(told(
                "a repository is lower-case letters, digits, `.`, `_` and `-` in parts between `/`",
            ));
        }
        if !tag.is_none_or(is_tag) {
            return Err(told(
                "a tag is at most 128 letters, digits, `.`, `_` and `-`, the first none of `.` and `-`",
            ));
        }
        let version = match (digest, tag) {
            (Some(digest), _) => match digest.parse() {
                Ok(digest) => Version::Digest(digest),
                Err(_) => return Err(told("a digest is `sha256:` and 64 lower-case hex digits")),
            },
            (None, Some(tag)) => Version::Tag(tag.to_owned()),
            (None, None) => return Err(told("which? name a tag, `:1.4.0`, or a digest, `@sha256:…`")),
        };
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            version,
        })
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match host(text) {
        host if host.len() < text.len() => (host, text.get(host.len().saturating_add(1)..)),
        host => (host, None),
    };
    if !port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.len() <= 253
        && host.split('.').all(label)
        && (host.contains('.') || port.is_some() || host.eq_ignore_ascii_case("localhost"))
}

fn is_repository(text: &str) -> bool {
    // Separators stand between letters and digits; of underscores at most two together.
    let part = |part: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().copied().is_some_and(plain)
            && bytes.last().copied().is_some_and(plain)
            && bytes.iter().all(|b| plain(*b) || matches!(b, b'.' | b'_' | b'-'))
            && ["..", "._", "_.", "___", "-.", ".-", "-_", "_-"]
                .iter()
                .all(|it| !part.contains(it))
    };
    text.len() <= MAX_REPOSITORY_CHARS && text.split('/').all(part)
}

fn is_tag(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= MAX_TAG_CHARS
        && text.starts_with(plain)
        && text.chars().all(|c| plain(c) || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn what_is_a_reference_is_written_back_as_it_was() {
        for (text, registry, repository, loopback) in [
            (
                "oci://registry.example.com/acme/fast:1.4.0",
                "registry.example.com",
                "acme/fast",
                false,
            ),
            ("oci://registry:5000/fast:x", "registry:5000", "fast", false),
            ("oci://localhost/fast:x", "localhost", "fast", true),
            (
                "oci://127.0.0.1:5000/a-b/c__d.e:Latest_1",
                "127.0.0.1:5000",
                "a-b/c__d.e",
                true,
            ),
            ("oci://[::1]:5000/fast:x", "[::1]:5000", "fast", true),
            ("oci://[2001:db8::1]/fast:x", "[2001:db8::1]", "fast", false),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(
                (reference.registry(), reference.repository()),
                (registry, repository)
            );
            assert_eq!(reference.is_loopback(), loopback, "{text}");
            assert_eq!(reference.digest(), None);
            let digest: Digest = DIGEST.parse().unwrap();
            let at = reference.at(&digest);
            assert_eq!(at.digest(), Some(&digest));
            assert_eq!(at.to_string().parse(), Ok(at));
        }
        // A tag beside a digest says nothing.
        let both: Reference = format!("oci://a.example/fast:1@{DIGEST}").parse().unwrap();
        assert_eq!(both.to_string(), format!("oci://a.example/fast@{DIGEST}"));
    }

    #[test]
    fn what_could_be_misread_is_none() {
        for text in [
            "",
            "fast:1",
            "oci://",
            "oci://fast:1",
            "oci://acme/fast:1",
            "oci://a.example/fast",
            "oci://a.example/Fast:1",
            "oci://a.example/fast/:1",
            "oci://a.example//fast:1",
            "oci://a.example/../fast:1",
            "oci://a.example/fast:",
            "oci://a.example/fast:-1",
            "oci://a.example/fast:1?x",
            "oci://a.example/fast#x:1",
            "oci://a.example:0/fast:1",
            "oci://a.example:99999/fast:1",
            "oci://-a.example/fast:1",
            "oci://a..example/fast:1",
            "oci://[::1/fast:1",
            "oci://a.example/fast@sha256:0123",
            &format!("oci://a.example/fast@{}", DIGEST.to_uppercase()),
            &format!("oci://a.example/fast@{}", DIGEST.replace("cdef", "CDEF")),
            "oci://a.example/fast@md5:0123",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        let told = "oci://user:planted@a.example/fast:1"
            .parse::<Reference>()
            .unwrap_err();
        assert!(!told.to_string().contains("planted"), "{told}");
        assert!(told.to_string().contains("docker login"), "{told}");
    }
}
