//! One registry, spoken to over HTTP: requests with credentials, tried again where that
//! helps, and answers that end.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};

use super::OciError;
use super::auth::{Challenge, Credentials, TokenService, bearer};
use super::patience::Patience;
use super::reference::{Reference, is_loopback};

/// The most bytes of an answer with a token.
const MAX_TOKEN_BYTES: u64 = 1024 * 1024;
/// The most bytes of what a registry says is wrong.
const MAX_ERROR_BYTES: u64 = 64 * 1024;
/// So often a registry may send somewhere else.
const MAX_REDIRECTS: usize = 5;

/// What is asked for, in messages.
pub(super) type What = Arc<str>;

/// A registry, for one repository and one purpose.
pub(super) struct Transport {
    http: Client,
    base: Url,
    registry: String,
    local: bool,
    scope: String,
    patience: Patience,
    /// How it is shown who asks, once that was asked for.
    shown: Mutex<Option<HeaderValue>>,
}

/// What is asked of a registry.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) what: What,
}

impl Ask {
    pub(super) fn get(url: Url, what: &What) -> Self {
        Self::new(Method::GET, url, what)
    }

    pub(super) fn new(method: Method, url: Url, what: &What) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            what: Arc::clone(what),
        }
    }

    pub(super) fn accept(mut self, types: &'static str) -> Self {
        self.headers.insert(ACCEPT, HeaderValue::from_static(types));
        self
    }

    pub(super) fn body(mut self, media_type: &'static str, body: Vec<u8>) -> Self {
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = body;
        self
    }
}

impl Transport {
    /// For a repository; with the right to write it.
    pub(super) fn new(to: &Reference, write: bool, patience: Patience) -> Result<Self, OciError> {
        let local = to.is_loopback();
        let scheme = if local { "http" } else { "https" };
        // Docker's own name for its registry is another than that of the machine.
        let host = match to.registry() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        let base = Url::parse(&format!("{scheme}://{host}/v2/{}/", to.repository()))
            .map_err(|e| OciError::Local(format!("`{to}` leads to no address: {e}")))?;
        let rights = if write { "pull,push" } else { "pull" };
        Ok(Self {
            http: client(local, patience, followed(local))?,
            base,
            registry: to.registry().to_owned(),
            local,
            scope: format!("repository:{}:{rights}", to.repository()),
            patience,
            shown: Mutex::default(),
        })
    }

    pub(super) fn registry(&self) -> String {
        self.registry.clone()
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// The address of something of the repository. Its parts were checked: they are
    /// digests, tags and fixed words.
    pub(super) fn url(&self, path: &str) -> Result<Url, OciError> {
        let joined = self.base.join(path);
        joined.map_err(|e| OciError::Local(format!("`{path}` is no address: {e}")))
    }

    /// Where an upload goes on: what a registry names may lie elsewhere.
    pub(super) fn location(&self, at: &Url, headers: &HeaderMap) -> Option<Url> {
        let location = headers.get(reqwest::header::LOCATION)?.to_str().ok()?;
        let url = at.join(location).ok()?;
        let elsewhere = url.scheme() == "https" && !self.local;
        (elsewhere || self.is_registry(&url)).then_some(url)
    }

    pub(super) fn is_registry(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Does something again where that may help: the connection was lost, or the registry
    /// says that it cannot now.
    pub(super) async fn patiently<T>(
        &self,
        what: &What,
        attempt: impl AsyncFn() -> Result<T, Lost>,
    ) -> Result<T, OciError> {
        let mut tries = 0_u32;
        loop {
            tries = tries.saturating_add(1);
            let lost = match attempt().await {
                Ok(done) => return Ok(done),
                Err(lost) => lost,
            };
            if tries >= self.patience.tries || matches!(lost, Lost::For(_)) {
                return Err(self.given_up(what, lost, tries));
            }
            tokio::time::sleep(self.patience.after(tries)).await;
        }
    }

    /// What to say of what was tried so often.
    pub(super) fn given_up(&self, what: &What, lost: Lost, tries: u32) -> OciError {
        let registry = self.registry();
        match lost {
            Lost::For(error) => error,
            Lost::Connection(problem) => OciError::Unreachable {
                registry,
                problem,
                tries,
            },
            Lost::Busy(status) => OciError::Unavailable {
                registry,
                what: what.to_string(),
                status,
                tries,
            },
        }
    }

    /// All of what is asked for, and the headers with it; `None` where there is no such
    /// thing.
    pub(super) async fn find(&self, ask: &Ask, most: u64) -> Result<Option<(HeaderMap, Vec<u8>)>, OciError> {
        self.patiently(&ask.what, async || match self.once(ask).await? {
            None => Ok(None),
            Some(mut response) => {
                let headers = response.headers().clone();
                let body = self.read(&mut response, most, &ask.what).await?;
                Ok(Some((headers, body)))
            }
        })
        .await
    }

    /// That there is none where there must be.
    pub(super) fn missing(&self, what: &What) -> OciError {
        OciError::NotFound {
            registry: self.registry(),
            what: what.to_string(),
        }
    }

    /// Asks once; where the registry wants to know who asks, once more. `None`: there is
    /// no such thing. Otherwise the status is one of success.
    pub(super) async fn once(&self, ask: &Ask) -> Result<Option<Response>, Lost> {
        let mut response = self.send(ask).await?;
        // It may have sent elsewhere: who asks there for credentials gets none.
        let asks = response.status() == StatusCode::UNAUTHORIZED && self.is_registry(response.url());
        if asks && self.is_registry(&ask.url) {
            // What was shown may have expired; what is shown now has not.
            let (shown, problem) = self.sign_in(&response).await?;
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
            response = self.send(ask).await?;
            if response.status() == StatusCode::UNAUTHORIZED && self.is_registry(response.url()) {
                return Err(self.unauthorized(problem).into());
            }
        }
        match response.status() {
            status if status.is_success() => Ok(Some(response)),
            StatusCode::NOT_FOUND => Ok(None),
            status if is_transient(status) => Err(Lost::Busy(status.as_u16())),
            _ => Err(self.refused(&ask.what, response).await.into()),
        }
    }

    async fn send(&self, ask: &Ask) -> Result<Response, Lost> {
        let mut headers = ask.headers.clone();
        if self.is_registry(&ask.url)
            && let Some(shown) = &*self.shown.lock().unwrap_or_else(PoisonError::into_inner)
        {
            headers.insert(AUTHORIZATION, shown.clone());
        }
        let request = self.http.request(ask.method.clone(), ask.url.clone());
        let sent = request.headers(headers).body(ask.body.clone()).send().await;
        sent.map_err(|error| self.lost(&ask.what, &error))
    }

    fn lost(&self, what: &What, error: &reqwest::Error) -> Lost {
        if error.is_redirect() {
            return Lost::For(OciError::Answer {
                registry: self.registry(),
                what: what.to_string(),
                problem: match self.local {
                    true => "a redirection that is not followed: away from this machine, with TLS, or one of too many",
                    false => "a redirection that is not followed: without TLS, or one of too many",
                }
                .to_owned(),
            });
        }
        Lost::Connection(plain(error))
    }

    fn unauthorized(&self, problem: String) -> OciError {
        OciError::Unauthorized {
            registry: self.registry(),
            problem,
        }
    }

    /// What shows who asks, and what to say where that is not taken.
    async fn sign_in(&self, response: &Response) -> Result<(HeaderValue, String), Lost> {
        let lines = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = Challenge::read(lines.filter_map(|it| it.to_str().ok()), self.local)
            .map_err(|problem| self.unauthorized(format!("it does so with {problem}")))?;
        let registry = self.registry();
        let looked = tokio::task::spawn_blocking(move || Credentials::of(&registry)).await;
        let credentials = looked.map_err(|e| OciError::Local(e.to_string()))?;
        let problem = credentials.problem(&self.registry);
        let shown = match challenge {
            Challenge::Basic => credentials.basic(),
            Challenge::Bearer(service) => Some(self.token(&service, &credentials, &problem).await?),
        };
        match shown {
            Some(shown) => Ok((shown, problem)),
            None => Err(self.unauthorized(problem).into()),
        }
    }

    async fn token(
        &self,
        service: &TokenService,
        credentials: &Credentials,
        problem: &str,
    ) -> Result<HeaderValue, Lost> {
        let what: What = "the request for a token".into();
        let (url, form) = service.request(credentials, &self.scope);
        let method = if form.is_some() { Method::POST } else { Method::GET };
        // What is sent here is a secret: a redirection would carry it on.
        let mut request = client(self.local, self.patience, redirect::Policy::none())?.request(method, url);
        if let Some(form) = form {
            request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form);
        } else if let Some(basic) = credentials.basic() {
            request = request.header(AUTHORIZATION, basic);
        }
        let mut response = request.send().await.map_err(|error| self.lost(&what, &error))?;
        match response.status() {
            status if status.is_success() => {}
            status if is_transient(status) => return Err(Lost::Busy(status.as_u16())),
            status if status.is_redirection() => {
                let problem = "its token service sends elsewhere, where nothing is sent";
                return Err(self.unauthorized(problem.to_owned()).into());
            }
            _ => return Err(self.unauthorized(problem.to_owned()).into()),
        }
        let answer = self.read(&mut response, MAX_TOKEN_BYTES, &what).await?;
        bearer(&answer).ok_or_else(|| {
            Lost::For(OciError::Answer {
                registry: self.registry(),
                what: what.to_string(),
                problem: "no token".to_owned(),
            })
        })
    }

    /// Why something was not done. Of what the registry says only a word is told.
    async fn refused(&self, what: &What, mut response: Response) -> OciError {
        let status = response.status();
        let (registry, what_told) = (self.registry(), what.to_string());
        let said = self.read(&mut response, MAX_ERROR_BYTES, what).await.ok();
        let word = said.and_then(|it| word(&it)).map(|word| format!(" ({word})"));
        match status {
            StatusCode::UNAUTHORIZED => {
                self.unauthorized("does so from another address, where none are shown".to_owned())
            }
            StatusCode::FORBIDDEN => OciError::Denied {
                registry,
                what: what_told,
            },
            _ => OciError::Answer {
                registry,
                what: what_told,
                problem: format!("status {}{}", status.as_u16(), word.unwrap_or_default()),
            },
        }
    }

    /// All of an answer that is no longer than `most`.
    pub(super) async fn read(
        &self,
        response: &mut Response,
        most: u64,
        what: &What,
    ) -> Result<Vec<u8>, Lost> {
        let too_large = |bytes| {
            Lost::For(OciError::TooLarge {
                what: what.to_string(),
                bytes,
                most,
            })
        };
        if let Some(bytes) = response.content_length().filter(|bytes| *bytes > most) {
            return Err(too_large(bytes));
        }
        let mut read = Vec::new();
        loop {
            match response.chunk().await {
                Ok(None) => return Ok(read),
                Ok(Some(chunk)) => read.extend_from_slice(&chunk),
                Err(error) => return Err(Lost::Connection(plain(&error))),
            }
            if read.len() as u64 > most {
                return Err(too_large(read.len() as u64));
            }
        }
    }
}

/// There is no answer.
pub(super) enum Lost {
    /// Now; there may be one when it is asked again.
    Connection(String),
    /// The registry says so itself, with this status.
    Busy(u16),
    /// And there will be none.
    For(OciError),
}

impl From<OciError> for Lost {
    fn from(error: OciError) -> Self {
        Self::For(error)
    }
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
}

/// What is wrong with a connection, without its address: that may hold what lets somebody
/// read or write.
pub(super) fn plain(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let kind = if error.is_timeout() {
        "it takes too long"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection was lost"
    };
    // The whole error names the address, its innermost cause does not.
    match error.source() {
        Some(_) => format!("{kind} ({})", crate::signing::shown(&cause.to_string())),
        None => kind.to_owned(),
    }
}

/// The word of the specification for what is wrong.
fn word(said: &[u8]) -> Option<String> {
    let said: serde_json::Value = serde_json::from_slice(said).ok()?;
    let word = said.pointer("/errors/0/code")?.as_str()?;
    let harmless = word.len() <= 40 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    harmless.then(|| word.to_owned())
}

/// Which redirections are followed: what was asked for with TLS is not fetched without
/// it, and whoever asks a registry on this machine has no certificates for others.
fn followed(local: bool) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many");
        }
        let url = attempt.url();
        let allowed = match local {
            true => url.scheme() == "http" && url.host_str().is_some_and(is_loopback),
            false => url.scheme() == "https",
        };
        match allowed {
            true => attempt.follow(),
            false => attempt.error("to where nothing is asked"),
        }
    })
}

fn client(local: bool, patience: Patience, redirects: redirect::Policy) -> Result<Client, OciError> {
    // There is one provider of cryptography in this program; who came first has set it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .user_agent(concat!("cavra/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .referer(false)
        .connect_timeout(patience.connect)
        .read_timeout(patience.silence);
    // A registry on this machine needs neither a proxy nor the system's certificates.
    let client = if local {
        client.no_proxy().tls_certs_only([])
    } else {
        client.https_only(true)
    };
    client
        .build()
        .map_err(|e| OciError::Local(format!("no connection can be made: {}", plain(&e))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_registry_says_a_word_is_told() {
        let said = |code: &str| {
            word(format!(r#"{{"errors":[{{"code":"{code}","message":"planted"}}]}}"#).as_bytes())
        };
        assert_eq!(said("MANIFEST_INVALID").as_deref(), Some("MANIFEST_INVALID"));
        assert_eq!(said("Bearer planted"), None);
        assert_eq!(word(b"<html>planted"), None);
    }
}
