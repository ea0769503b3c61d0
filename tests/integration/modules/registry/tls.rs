//! A registry on another machine is spoken to with TLS. Here a proxy stands for the way
//! to it, so that nothing leaves this one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use integration_tests::front::{Act, Asked, Front};
use integration_tests::{Cavra, Output};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Market, REPOSITORY, TAGGED};

const HOST: &str = "registry.example.com";

/// The way to [`HOST`]: takes `CONNECT`, speaks TLS, and asks `to` in the clear. It ends
/// with the process.
fn way(it: &Market, to: SocketAddr) -> SocketAddr {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    std::fs::write(it.shop.path("ca.pem"), cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            // Whoever does not trust the certificate ends it.
            std::thread::spawn(move || drop(lead(stream, to, config)));
        }
    });
    addr
}

fn lead(mut stream: TcpStream, to: SocketAddr, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    head.read_line(&mut line)?;
    assert!(line.starts_with(&format!("CONNECT {HOST}:443 ")), "{line}");
    while line.trim_end() != "" {
        line.clear();
        head.read_line(&mut line)?;
    }
    stream.write_all(b"HTTP/1.1 200 X\r\n\r\n")?;
    let tls = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut tls = BufReader::new(StreamOwned::new(tls, stream));
    let Some(asked) = Asked::read(&mut tls)? else {
        return Ok(());
    };
    let mut registry = TcpStream::connect(to)?;
    registry.write_all(&asked.sent())?;
    let mut answer = Vec::new();
    registry.read_to_end(&mut answer)?;
    tls.get_mut().write_all(&answer)?;
    tls.get_mut().conn.send_close_notify();
    tls.get_mut().flush()
}

fn pull(it: &Market, way: SocketAddr, certificates: &str) -> Cavra {
    it.cavra(&["module", "pull", &format!("oci://{HOST}/{TAGGED}"), "--json"])
        .args(["--trust-policy", &it.shop.text("trust.toml")])
        .env("HTTPS_PROXY", format!("http://{way}"))
        .env("SSL_CERT_FILE", it.shop.path(certificates))
}

fn assert_refused(it: &Market, output: &Output, says: &str) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
    assert!(output.stderr.contains(says), "{says}: {output:?}");
    assert!(it.stored().is_empty());
}

#[test]
fn a_registry_elsewhere_needs_a_certificate_that_is_trusted() {
    let it = Market::new();
    let by_digest = it.push();
    let first = way(&it, it.registry.addr());
    std::fs::rename(it.shop.path("ca.pem"), it.shop.path("other.pem")).unwrap();
    let second = way(&it, it.registry.addr());
    assert_refused(
        &it,
        &pull(&it, second, "other.pem").run(),
        "invalid peer certificate",
    );
    for (way, certificates) in [(first, "other.pem"), (second, "ca.pem")] {
        let pulled = pull(&it, way, certificates).run();
        assert_eq!(pulled.code, Some(0), "{pulled:?}");
        let digest = by_digest.split_once('@').unwrap().1;
        assert_eq!(
            pulled.json()["runtime_path"],
            format!("oci://{HOST}/{REPOSITORY}@{digest}")
        );
    }
}

#[test]
fn what_is_asked_with_tls_is_not_fetched_without() {
    let it = Market::new();
    it.push();
    let elsewhere = Front::start(it.registry.addr(), |_, _| Act::Pass);
    let to = elsewhere.addr();
    let front = Front::start(it.registry.addr(), move |asked, _| {
        Act::Answer(
            307,
            format!("location: http://{to}{}\r\n", asked.path),
            Vec::new(),
        )
    });
    let redirected = pull(&it, way(&it, front.addr()), "ca.pem").run();
    assert_refused(&it, &redirected, "a redirection that is not followed");
    // Nor is a service asked that has none, on this machine neither.
    let front = Front::start(it.registry.addr(), move |_, _| {
        let challenge = format!("www-authenticate: Bearer realm=\"http://{to}/token\"\r\n");
        Act::Answer(401, challenge, Vec::new())
    });
    let sent = pull(&it, way(&it, front.addr()), "ca.pem").run();
    assert_refused(&it, &sent, "a token service without TLS");
    assert!(elsewhere.asked().is_empty(), "{:?}", elsewhere.asked());
}
