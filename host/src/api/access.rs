//! Who calls, and may they: before a request reaches its route.
//!
//! Without tokens whoever can reach the service may call; that is why it then listens
//! on loopback alone, and why a page in a browser, which can reach loopback too, is
//! told apart by its headers.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{HeaderMap, HeaderValue, Request, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::{App, Problem, ProblemKind};
use crate::access::{Refusal, Role, TokenEntry, TokenFile, TokenFileError, Tokens};
use crate::clock::Clock;
use crate::gates::ApiAccess;
use crate::telemetry::AccessReason;

/// The most that one request can spend at once: what a batch may hold.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: probes ask, which have no secrets.
    Nothing,
    /// Any valid token.
    Token,
    /// A token with this role.
    Role(Role),
}

impl Need {
    /// What the route with this template asks; of a path without a route, a token.
    pub fn of(template: Option<&str>) -> Self {
        match template {
            Some("/livez" | "/readyz" | "/health") => Self::Nothing,
            None | Some("/version" | super::openapi::PATH) => Self::Token,
            Some(path) if path.starts_with("/runtime/go-pilot/evaluate") => Self::Role(Role::Evaluate),
            Some("/runtime/go-pilot/reload" | "/runtime/go-pilot/rollback") => Self::Role(Role::Operate),
            Some(_) => Self::Role(Role::Read),
        }
    }
}

/// The tokens, as they are now.
pub struct Access {
    file: Option<TokenFile>,
    rate: NonZeroU32,
    clock: Arc<dyn Clock>,
    keyring: ArcSwap<Keyring>,
}

/// The tokens of one reading of the file, and what each has left.
#[derive(Default)]
pub(super) struct Keyring {
    tokens: Tokens,
    limits: BTreeMap<String, Arc<DefaultDirectRateLimiter>>,
}

/// Whose request it is: in its extensions, for routes that spend more than one
/// request's worth.
#[derive(Clone)]
pub struct Caller {
    /// The token's id; none without tokens.
    pub id: Option<Arc<str>>,
    limit: Option<Arc<DefaultDirectRateLimiter>>,
}

impl Caller {
    /// Spends `count` of what the token may have.
    ///
    /// # Errors
    /// [`TooOften`] when it has not that much left.
    pub fn spend(&self, count: NonZeroU32) -> Result<(), TooOften> {
        let Some(limit) = &self.limit else {
            return Ok(());
        };
        match limit.check_n(count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                // Whole seconds, upwards: who comes back earlier comes for nothing.
                Err(TooOften {
                    seconds: wait.as_secs().saturating_add(1),
                })
            }
            Err(_) => Err(TooOften { seconds: 1 }),
        }
    }
}

/// A token asks more often than it may.
#[derive(Clone, Copy, Debug)]
pub struct TooOften {
    seconds: u64,
}

impl IntoResponse for TooOften {
    fn into_response(self) -> Response {
        let mut response = Problem::of(ProblemKind::RateLimited).into_response();
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(self.seconds));
        response
    }
}

impl Access {
    /// Reads the tokens; without a file there are none, and whoever can reach the
    /// service may call. Each token may have `rate` a second.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(
        file: Option<TokenFile>,
        rate: NonZeroU32,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TokenFileError> {
        let access = Self {
            file,
            rate,
            clock,
            keyring: ArcSwap::default(),
        };
        if let Some(keyring) = access.read()? {
            access.replace(keyring);
        }
        Ok(access)
    }

    /// What the production report says of it: without tokens the service listens on
    /// loopback alone, or does not start.
    pub fn kind(&self) -> ApiAccess {
        match self.file {
            Some(_) => ApiAccess::Tokens,
            None => ApiAccess::Loopback,
        }
    }

    /// How many tokens there are.
    pub fn count(&self) -> usize {
        self.keyring.load().tokens.len()
    }

    /// Reads the tokens anew. A token that stays keeps what it has spent.
    pub(super) fn read(&self) -> Result<Option<Keyring>, TokenFileError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let tokens = file.read()?;
        let old = self.keyring.load();
        let limits = tokens.iter().map(|entry| {
            let kept = old.limits.get(&entry.id).map(Arc::clone);
            (entry.id.clone(), kept.unwrap_or_else(|| Arc::new(self.limiter())))
        });
        Ok(Some(Keyring {
            limits: limits.collect(),
            tokens,
        }))
    }

    /// Uses what [`Self::read`] has read.
    pub(super) fn replace(&self, keyring: Keyring) {
        self.keyring.store(Arc::new(keyring));
    }

    fn limiter(&self) -> DefaultDirectRateLimiter {
        RateLimiter::direct(Quota::per_second(self.rate).allow_burst(self.rate.max(BURST)))
    }

    /// Lets a request in, or says why not.
    fn admit(&self, need: Need, headers: &HeaderMap, uri: &Uri) -> Result<Caller, Refused> {
        let nobody = Caller {
            id: None,
            limit: None,
        };
        if self.file.is_none() {
            return if need == Need::Nothing || asks_for_loopback(headers, uri) {
                Ok(nobody)
            } else {
                Err(Refused::Origin)
            };
        }
        let keyring = self.keyring.load();
        let entry = match (presented(headers), need) {
            (Presented::Nothing, Need::Nothing) => return Ok(nobody),
            (Presented::Nothing, _) => return Err(Refused::Missing),
            (Presented::Garbage, _) => return Err(Refused::Token(Refusal::Unknown)),
            (Presented::Token(token), _) => keyring
                .tokens
                .verify(token, self.clock.now())
                .map_err(Refused::Token)?,
        };
        if let Need::Role(role) = need
            && !entry.roles.allow(role)
        {
            return Err(Refused::Role(role));
        }
        let caller = keyring.caller(entry);
        caller.spend(NonZeroU32::MIN).map_err(Refused::TooOften)?;
        Ok(caller)
    }
}

impl Keyring {
    fn caller(&self, entry: &TokenEntry) -> Caller {
        Caller {
            id: Some(entry.id.as_str().into()),
            limit: self.limits.get(&entry.id).map(Arc::clone),
        }
    }
}

enum Presented<'a> {
    Nothing,
    Garbage,
    Token(&'a str),
}

/// What a caller presents: exactly one `Authorization: Bearer`.
fn presented(headers: &HeaderMap) -> Presented<'_> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (all.next(), all.next());
    let Some(value) = first else {
        return Presented::Nothing;
    };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    match token {
        Some(token) if second.is_none() => Presented::Token(token),
        _ => Presented::Garbage,
    }
}

/// Whether a request is for a name of this machine. A page can make its browser
/// believe that the page's own host is at 127.0.0.1, and then reads answers; but the
/// browser goes on calling it by that name.
fn asks_for_loopback(headers: &HeaderMap, uri: &Uri) -> bool {
    let named = headers
        .get(header::HOST)
        .map(|host| host.to_str().unwrap_or("?"))
        .or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
    let Some(named) = named else {
        return true;
    };
    let host = match named.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => host,
        _ => named,
    };
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || ip.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Why a request is not let in.
enum Refused {
    Missing,
    Token(Refusal),
    Role(Role),
    Origin,
    TooOften(TooOften),
}

impl Refused {
    fn reason(&self) -> AccessReason {
        match self {
            Self::Missing => AccessReason::Missing,
            Self::Token(Refusal::Unknown) => AccessReason::Unknown,
            Self::Token(Refusal::Expired) => AccessReason::Expired,
            Self::Token(Refusal::Revoked) => AccessReason::Revoked,
            Self::Role(_) => AccessReason::Role,
            Self::Origin => AccessReason::Origin,
            Self::TooOften(_) => AccessReason::Rate,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let challenge = match &self {
            Self::Missing => HeaderValue::from_static("Bearer realm=\"cavra\""),
            // Expired, revoked or never there: whoever holds it learns only that it is none.
            Self::Token(_) => HeaderValue::from_static("Bearer realm=\"cavra\", error=\"invalid_token\""),
            Self::Role(role) => {
                let problem = format!("the token has not the role `{role}`, which this route needs");
                return Problem::new(ProblemKind::Forbidden, problem).into_response();
            }
            Self::Origin => {
                let problem =
                    "without tokens the service is called by a name of this machine, such as 127.0.0.1";
                return Problem::new(ProblemKind::FromBrowser, problem).into_response();
            }
            Self::TooOften(often) => return often.into_response(),
        };
        let mut response = Problem::of(ProblemKind::Unauthorized).into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }
}

/// The middleware.
pub(super) async fn admit(State(app): State<Arc<App>>, mut request: Request<Body>, next: Next) -> Response {
    let need = Need::of(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    match app.access.admit(need, request.headers(), request.uri()) {
        Ok(caller) => {
            // The secret goes no further.
            request.headers_mut().remove(header::AUTHORIZATION);
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            if let Some(reason) = response.extensions().get::<AccessReason>() {
                app.metrics.access_refused(*reason);
            }
            response.extensions_mut().insert(caller);
            response
        }
        Err(refused) => {
            let reason = refused.reason();
            app.metrics.access_refused(reason);
            let mut response = refused.into_response();
            response.extensions_mut().insert(reason);
            response
        }
    }
}
