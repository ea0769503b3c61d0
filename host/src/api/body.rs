//! Reading a body: how much, how long, and of which type.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, header};
use http_body_util::BodyExt;

use super::{Problem, ProblemKind};

/// How long a body may take to arrive.
const TIME: Duration = Duration::from_secs(10);

/// How much more than is read is thrown away before the answer, in bytes: a client that
/// sends all before it listens gets to hear why. From one that sends more still, the
/// connection is taken.
const SWALLOWED: usize = 8 * 1024 * 1024;

/// Reads the whole body of a request that is to hold JSON.
///
/// # Errors
/// The problem to answer with.
pub(super) async fn read(request: Request<Body>, limit: usize) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    check_origin(&head.headers)?;
    check_type(&head.headers)?;
    match tokio::time::timeout(TIME, collect(body, limit)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(
            ProblemKind::TooSlow,
            format!("the body was not there within {} s", TIME.as_secs()),
        )),
    }
}

/// A page in a browser may send a `POST` to any address, loopback included, and its
/// browser tells by this header. No page is a caller of this service.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::ORIGIN) {
        None => Ok(()),
        Some(_) => Err(Problem::of(ProblemKind::FromBrowser)),
    }
}

/// JSON; nothing said; or what `curl -d` says of its own accord.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = given
        .to_str()
        .unwrap_or("?")
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let json = essence
        .strip_prefix("application/")
        .is_some_and(|kind| kind == "json" || kind == "x-www-form-urlencoded" || kind.ends_with("+json"));
    if json {
        Ok(())
    } else {
        Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            "the body must be JSON; send it as `content-type: application/json`",
        ))
    }
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut all: Vec<u8> = Vec::new();
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let data = frame
            .map_err(|_| Problem::new(ProblemKind::InvalidJson, "the body ended before its end"))?
            .into_data();
        let Ok(data) = data else { continue };
        let before = length;
        length = length.saturating_add(data.len());
        if length > limit.saturating_add(SWALLOWED) {
            break;
        }
        // The usual body is one piece, which is taken as it is.
        if before == 0 {
            first = data;
        } else if length <= limit {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    if length > limit {
        return Err(Problem::new(
            ProblemKind::TooLarge,
            format!("the body is longer than {limit} bytes"),
        ));
    }
    Ok(if all.is_empty() { first } else { all.into() })
}
