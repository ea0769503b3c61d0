//! Who asks: credentials of the user's docker configuration, and what registries give for
//! them.
//!
//! They are looked up when a registry asks for them, sent to that registry and to the
//! service that it names for tokens, and to nobody else; never in the clear but to this
//! machine. Nothing here prints them.

use std::fmt;
use std::sync::mpsc::channel;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use super::reference::is_loopback;

/// How long a credential helper may take.
const HELPER: Duration = Duration::from_secs(30);

/// What is known of who asks.
pub(super) enum Credentials {
    /// Nothing; why.
    None(String),
    /// A name and a password.
    Basic(String, String),
    /// A token that others are given for.
    Identity(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None(_) => "Credentials::None",
            Self::Basic(..) => "Credentials::Basic(…)",
            Self::Identity(_) => "Credentials::Identity(…)",
        })
    }
}

impl Credentials {
    /// Those that the docker configuration has for a registry: in the file, or with a
    /// helper that it names.
    pub(super) fn of(registry: &str) -> Self {
        // What docker calls the registry that it began with.
        let server = match registry {
            "docker.io" | "index.docker.io" | "registry-1.docker.io" => "https://index.docker.io/v1/",
            other => other,
        }
        .to_owned();
        let (tell, told) = channel();
        // A helper that hangs keeps its thread, and nobody waits for it for ever.
        let looking = std::thread::Builder::new()
            .name("cavra-docker".to_owned())
            .spawn(move || tell.send(docker_credential::get_credential(&server)));
        if looking.is_err() {
            return Self::None("no thread can be started to look for them".to_owned());
        }
        let login = format!("run `docker login {registry}`");
        match told.recv_timeout(HELPER) {
            Ok(Ok(DockerCredential::UsernamePassword(name, password))) => Self::Basic(name, password),
            Ok(Ok(DockerCredential::IdentityToken(token))) => Self::Identity(token),
            Err(_) => Self::None(format!(
                "the docker credential helper did not answer within {} seconds",
                HELPER.as_secs()
            )),
            Ok(Err(error)) => Self::None(match error {
                CredentialRetrievalError::HelperFailure { helper, .. } => {
                    format!("`{}` has none for it; {login}", crate::signing::shown(&helper))
                }
                CredentialRetrievalError::HelperCommunicationError => {
                    "the docker credential helper cannot be run".to_owned()
                }
                CredentialRetrievalError::MalformedHelperResponse => {
                    "the docker credential helper gives no credentials".to_owned()
                }
                CredentialRetrievalError::CredentialDecodingError
                | CredentialRetrievalError::CredentialMismatchError => {
                    format!("those of the docker configuration cannot be read; {login}")
                }
                CredentialRetrievalError::ConfigReadError => {
                    format!("there is no docker configuration that can be read; {login}")
                }
                CredentialRetrievalError::NoCredentialConfigured
                | CredentialRetrievalError::ConfigNotFound => {
                    format!("the docker configuration has none for it; {login}")
                }
            }),
        }
    }

    /// Why there are none, or that they were not taken.
    pub(super) fn problem(&self, registry: &str) -> String {
        match self {
            Self::None(why) => why.clone(),
            _ => format!(
                "does not take those of the docker configuration, or not for this repository; `docker login {registry}` would replace them"
            ),
        }
    }

    /// The header that shows name and password, if there are any.
    pub(super) fn basic(&self) -> Option<HeaderValue> {
        let Self::Basic(name, password) = self else {
            return None;
        };
        secret(&format!(
            "Basic {}",
            BASE64_STANDARD.encode(format!("{name}:{password}"))
        ))
    }
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password.
    Basic,
    /// A token of this service.
    Bearer(TokenService),
}

/// Who gives tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenService {
    realm: Url,
    service: Option<String>,
}

impl Challenge {
    /// What the headers `www-authenticate` ask for, which may be several; a token rather
    /// than a password. Only a registry that is `local` has a token service without TLS,
    /// on this machine too: others could have this host call its neighbours. It has no
    /// other, for whoever asks it has no certificates.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read<'a>(
        headers: impl IntoIterator<Item = &'a str>,
        local: bool,
    ) -> Result<Self, &'static str> {
        let mut challenges = Vec::new();
        for header in headers {
            // One that cannot be read leaves the others.
            challenges.extend(http_auth::parse_challenges(header).unwrap_or_default());
        }
        if challenges.is_empty() {
            return Err("no challenge that can be read");
        }
        let of = |scheme: &str| {
            let mut found = challenges.iter();
            found.find(|it| it.scheme.eq_ignore_ascii_case(scheme))
        };
        let Some(bearer) = of("bearer") else {
            return match of("basic") {
                Some(_) => Ok(Self::Basic),
                None => Err("a challenge of another kind than Basic and Bearer"),
            };
        };
        let param = |name: &str| {
            let mut params = bearer.params.iter();
            let found = params.find(|(it, _)| it.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        let realm = param("realm").and_then(|realm| Url::parse(&realm).ok());
        let realm = realm.ok_or("a challenge without the address of its token service")?;
        let here = realm.scheme() == "http" && realm.host_str().is_some_and(is_loopback);
        match (realm.scheme(), local) {
            ("https", false) => {}
            ("https", true) => {
                return Err(
                    "a token service with TLS, which is not asked for a registry on this machine: no certificates are loaded for one; give the registry a name of its own, with TLS",
                );
            }
            (_, true) if here => {}
            _ => return Err("a token service without TLS, to which nothing is sent"),
        }
        Ok(Self::Bearer(TokenService {
            realm,
            service: param("service"),
        }))
    }
}

impl TokenService {
    /// Where a token for this scope is, and what must be posted there, if not just asked.
    pub(super) fn request(&self, credentials: &Credentials, scope: &str) -> (Url, Option<String>) {
        let mut url = self.realm.clone();
        let service = self.service.iter().map(|it| ("service", it.as_str()));
        let pairs: Vec<_> = service.chain([("scope", scope)]).collect();
        let Credentials::Identity(token) = credentials else {
            url.query_pairs_mut().extend_pairs(pairs);
            return (url, None);
        };
        let mut form = self.realm.clone();
        form.set_query(None);
        form.query_pairs_mut()
            .extend_pairs(pairs)
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", "cavra")
            .append_pair("refresh_token", token);
        let body = form.query().unwrap_or_default().to_owned();
        (url, Some(body))
    }
}

/// The header that shows the token which a service has answered.
pub(super) fn bearer(answer: &[u8]) -> Option<HeaderValue> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        token: String,
        #[serde(default)]
        access_token: String,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let token = [answer.token, answer.access_token]
        .into_iter()
        .find(|it| !it.is_empty())?;
    secret(&format!("Bearer {token}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read() {
        assert_eq!(
            Challenge::read(["Basic realm=\"x\""], false),
            Ok(Challenge::Basic)
        );
        // A line each, in any order, with one that nobody understands.
        let lines = [
            "\u{1}",
            "Basic realm=\"x\"",
            "Bearer realm=\"https://auth.example.com/\"",
        ];
        assert!(matches!(Challenge::read(lines, false), Ok(Challenge::Bearer(_))));
        assert!(Challenge::read([], false).is_err());
        let both = "Basic realm=\"x\", Bearer realm=\"https://auth.example.com/token?a=b\",service=\"registry.example.com\"";
        let Ok(Challenge::Bearer(service)) = Challenge::read([both], false) else {
            panic!("no token is asked for");
        };
        let scope = "repository:acme/fast:pull";
        let anonymous = Credentials::None(String::new());
        let (url, body) = service.request(&anonymous, scope);
        assert_eq!(
            (url.as_str(), body),
            (
                "https://auth.example.com/token?a=b&service=registry.example.com&scope=repository%3Aacme%2Ffast%3Apull",
                None
            )
        );
        let (url, body) = service.request(&Credentials::Identity("s+cret".to_owned()), scope);
        assert_eq!(url.as_str(), "https://auth.example.com/token?a=b");
        let body = body.unwrap();
        assert!(
            body.ends_with("&grant_type=refresh_token&client_id=cavra&refresh_token=s%2Bcret"),
            "{body}"
        );
    }

    #[test]
    fn nothing_is_sent_in_the_clear_to_another_machine() {
        for realm in [
            "http://auth.example.com/token",
            "ftp://127.0.0.1/token",
            "token",
            "http://10.0.0.1/",
        ] {
            let header = format!("Bearer realm=\"{realm}\"");
            assert!(Challenge::read([header.as_str()], true).is_err(), "{realm}");
        }
        let with_tls = "Bearer realm=\"https://auth.example.com/token\"";
        let refused = Challenge::read([with_tls], true).unwrap_err();
        assert!(refused.contains("with TLS"), "{refused}");
        let local = "Bearer realm=\"http://127.0.0.1:5001/token\"";
        assert!(Challenge::read([local], true).is_ok());
        assert!(Challenge::read([local], false).is_err());
        for header in ["", "Digest realm=\"x\"", "Bearer", "\u{1}"] {
            assert!(Challenge::read([header], true).is_err(), "{header}");
        }
    }

    #[test]
    fn a_token_is_read_and_not_shown() {
        for answer in [
            r#"{"token":"planted"}"#,
            r#"{"access_token":"planted","expires_in":60}"#,
        ] {
            let header = bearer(answer.as_bytes()).unwrap();
            assert_eq!(header.as_bytes(), b"Bearer planted");
            assert!(!format!("{header:?}").contains("planted"));
        }
        for answer in [
            "",
            "{}",
            r#"{"token":""}"#,
            r#"{"token":"a\nb"}"#,
            r#"{"token":7}"#,
        ] {
            assert!(bearer(answer.as_bytes()).is_none(), "{answer}");
        }
        let credentials = Credentials::Basic("planted".to_owned(), "planted".to_owned());
        assert!(!format!("{credentials:?}").contains("planted"));
        assert!(credentials.basic().unwrap().is_sensitive());
    }
}
