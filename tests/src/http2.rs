//! A client that asks over HTTP/2: as many requests at once as it likes, over one
//! connection.

use h2::client::SendRequest;
use hyper::Request;
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::service::{Answer, Service};

/// A connection that is kept. It ends with its last clone and what is open over it.
#[derive(Clone, Debug)]
pub struct Http2(SendRequest<Bytes>);

#[expect(
    clippy::expect_used,
    reason = "a test whose service does not answer cannot go on"
)]
impl Http2 {
    /// A connection without TLS, to a service that is known to speak HTTP/2.
    pub async fn connect(service: &Service) -> Self {
        let stream = TcpStream::connect(service.addr)
            .await
            .expect("the service listens");
        Self::over(stream).await
    }

    /// A connection over a stream that is open already.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (send, connection) = h2::client::handshake(stream)
            .await
            .expect("the service speaks HTTP/2");
        // How it ends is told to those who wait for answers.
        tokio::spawn(async move { drop(connection.await) });
        Self(send)
    }

    /// `POST` of JSON. Dropping the future takes the request back.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn post(self, path: &str, body: String) -> Result<Answer, h2::Error> {
        let request = Request::post(format!("http://localhost{path}"))
            .header("content-type", "application/json")
            .body(())
            .expect("a path is one");
        let (answer, mut sent) = self.0.ready().await?.send_request(request, false)?;
        sent.send_data(body.into(), true)?;
        let (head, mut parts) = answer.await?.into_parts();
        let mut body = Vec::new();
        while let Some(part) = parts.data().await {
            let part = part?;
            parts.flow_control().release_capacity(part.len())?;
            body.extend(part);
        }
        let headers = head.headers.iter().map(|(name, value)| {
            let value = value.to_str().expect("a header is text");
            (name.to_string(), value.to_owned())
        });
        Ok(Answer {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8(body).expect("a body is text"),
        })
    }
}

/// What such a client runs on.
#[expect(clippy::expect_used, reason = "a test that gets no timer cannot go on")]
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives what a runtime needs")
}
