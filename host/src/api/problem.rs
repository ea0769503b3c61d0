//! What is answered instead: RFC 9457 problems, with types of a closed list.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer;
use crate::host::HostError;
use crate::model::RequestError;
use crate::policy::PolicyError;
use crate::telemetry::AccessReason;

/// What problem types begin with.
const PREFIX: &str = "urn:cavra:problem:";

macro_rules! problems {
    ($($variant:ident $word:literal $status:ident $title:literal $meaning:literal,)*) => {
        /// The kinds of problems; the closed list that clients can rely on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemKind {
            $(#[doc = $meaning] $variant,)*
        }

        impl ProblemKind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The `type`: a URN that never changes.
            pub fn type_uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("urn:cavra:problem:", $word),)* }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The title, the same for every problem of this kind.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// When it is answered, for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

problems! {
    InvalidJson "invalid-json" BAD_REQUEST "The body is not JSON"
        "The body is not UTF-8, or not one JSON document.",
    InvalidRequest "invalid-request" UNPROCESSABLE_ENTITY "The body is not a request"
        "The body is JSON and not a request: no object, no `action_type`, a field of another type than a string, a field given twice, or NUL in a text; or a batch without `requests`, or with more than 1,000.",
    UnknownPolicyPack "unknown-policy-pack" NOT_FOUND "No such policy pack"
        "No pack has the id that `policy_pack` names.",
    PolicyPackUnusable "policy-pack-unusable" INTERNAL_SERVER_ERROR "The policy pack is unusable"
        "The pack that `policy_pack` names cannot be read or compiled; `cavra policy validate` says why.",
    TooLarge "too-large" PAYLOAD_TOO_LARGE "The body is too large"
        "The body is longer than this route reads.",
    TooSlow "too-slow" REQUEST_TIMEOUT "The body came too slowly"
        "The body was not there in time.",
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "The body is of another type"
        "The `content-type` is neither JSON nor what `curl -d` sends when it is told none.",
    FromBrowser "from-browser" FORBIDDEN "Pages may not call"
        "A `POST` or `DELETE` with an `Origin` header: a page in a browser has sent it, and none is a caller of this service. Or, without tokens, a request for a name that is not one of this machine.",
    Unauthorized "unauthorized" UNAUTHORIZED "A valid token is needed"
        "There is no `Authorization: Bearer` header, or its token is none, has expired or was revoked.",
    Forbidden "forbidden" FORBIDDEN "The token may not do this"
        "The token is valid and has not the role that this route needs.",
    RateLimited "rate-limited" TOO_MANY_REQUESTS "The token asks too often"
        "The token has used up what it may ask in a second; `retry-after` says when to ask again.",
    ReloadRefused "reload-refused" CONFLICT "The reload was refused"
        "Something that is configured cannot be used. Everything is as it was; the log says more.",
    RollbackNotKept "rollback-not-kept" INTERNAL_SERVER_ERROR "The rollback cannot be written down"
        "The state directory cannot be written to. A rollback is in effect all the same, until it is cleared or the service ends; what was to be cleared is not.",
    NotFound "not-found" NOT_FOUND "No such route"
        "The path is none of the service.",
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "Not with this method"
        "The path has another method; `allow` names those that it has.",
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too much at once"
        "Too many requests wait already. Nothing was decided; `retry-after` says when to ask again.",
    EvidenceUnavailable "evidence-unavailable" SERVICE_UNAVAILABLE "The decision could not be recorded"
        "The evidence log cannot be written, so no decision is answered (`--on-evidence-failure refuse`). What was asked must not be done.",
    Internal "internal" INTERNAL_SERVER_ERROR "Something failed that must not"
        "A defect of the service. Nothing was decided.",
}

impl ProblemKind {
    /// The last part of the `type`.
    pub fn word(self) -> &'static str {
        self.type_uri().strip_prefix(PREFIX).unwrap_or_default()
    }
}

/// One problem. It tells neither a path of this machine nor a value of the request.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Which.
    pub kind: ProblemKind,
    /// What is wrong this time, for people.
    pub detail: Cow<'static, str>,
}

/// `application/problem+json`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// `urn:cavra:problem:` and a word of the closed list.
    #[serde(rename = "type")]
    #[schema(pattern = "^urn:cavra:problem:[a-z-]+$")]
    pub type_uri: &'static str,
    /// The same for every problem of the type.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong this time, for people.
    pub detail: Cow<'static, str>,
}

impl Problem {
    /// A problem with words of its own.
    pub fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// A problem of which nothing is to be said but its meaning.
    pub fn of(kind: ProblemKind) -> Self {
        Self::new(kind, kind.meaning())
    }

    /// The document.
    pub fn document(self) -> ProblemDocument {
        ProblemDocument {
            type_uri: self.kind.type_uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: self.detail,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = self.kind;
        // Five texts and a number can always be written.
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        let mut response = answer::document(kind.status(), "application/problem+json", body);
        if kind == ProblemKind::Overloaded {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if kind == ProblemKind::FromBrowser {
            // Wherever it was found out, it is a caller who was not let in.
            response.extensions_mut().insert(AccessReason::Origin);
        }
        response
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        problem.into_response()
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let kind = match &error {
            RequestError::TooLarge => ProblemKind::TooLarge,
            RequestError::NotUtf8 { .. } => ProblemKind::InvalidJson,
            RequestError::NotAnObject(_) => ProblemKind::InvalidRequest,
            RequestError::Invalid(error) if error.is_data() => ProblemKind::InvalidRequest,
            RequestError::Invalid(_) => ProblemKind::InvalidJson,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<&HostError> for Problem {
    /// The words of the host name files: they are for its log.
    fn from(error: &HostError) -> Self {
        match error {
            HostError::Policy(PolicyError::InvalidId(_) | PolicyError::UnknownPack { .. }) => Self::new(
                ProblemKind::UnknownPolicyPack,
                "no pack has the id that `policy_pack` names; `cavra policy list` tells all ids",
            ),
            HostError::Policy(_) => Self::of(ProblemKind::PolicyPackUnusable),
            HostError::Unrecorded(_) => Self::of(ProblemKind::EvidenceUnavailable),
            HostError::Engine(_)
            | HostError::Restart { .. }
            | HostError::Unusable { .. }
            | HostError::Trust(_)
            | HostError::Evidence(_) => Self::of(ProblemKind::Internal),
        }
    }
}
