//! TLS: versions, a certificate that is swapped, clients that are slow.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use integration_tests::http2::{self, Http2};
use integration_tests::service::Service;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use serde_json::json;

use super::{EVALUATE, RELOAD, serve, signal, soon};

type Stream = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// Writes a new certificate and its key, and returns the certificate.
fn certificate(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    for (name, text) in [("cert.pem", cert.pem()), ("key.pem", signing_key.serialize_pem())] {
        std::fs::write(dir.join("new"), text).unwrap();
        std::fs::rename(dir.join("new"), dir.join(name)).unwrap();
    }
    cert.der().clone()
}

fn service(dir: &Path) -> Service {
    Service::start(
        serve(&dir.join("state"))
            .args(["--tls-cert".as_ref(), dir.join("cert.pem").as_os_str()])
            .args(["--tls-key".as_ref(), dir.join("key.pem").as_os_str()]),
    )
}

fn trusting(
    certificate: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn connect(
    service: &Service,
    certificate: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<Stream> {
    let config = trusting(certificate, version);
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(service.addr)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    while client.is_handshaking() {
        client.complete_io(&mut socket)?;
    }
    Ok(BufReader::new(StreamOwned::new(client, socket)))
}

fn get(stream: &mut Stream, path: &str) -> u16 {
    write!(stream.get_mut(), "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    answer(stream)
}

fn answer(stream: &mut Stream) -> u16 {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some(("content-length", text)) => length = text.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    stream.read_exact(&mut vec![0; length]).unwrap();
    status
}

#[test]
fn both_versions_are_spoken_and_nothing_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certificate(dir.path());
    let service = service(dir.path());
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut stream = connect(&service, &certificate, version).unwrap();
        assert_eq!(get(&mut stream, "/health"), 200);
        assert_eq!(get(&mut stream, "/version"), 200, "the connection is kept");
    }
    let mut plain = TcpStream::connect(service.addr).unwrap();
    plain
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
}

#[test]
fn http2_is_spoken_where_the_client_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certificate(dir.path());
    let service = service(dir.path());
    let mut config = trusting(&certificate, &rustls::version::TLS13);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let answer = http2::runtime().block_on(async {
        let socket = tokio::net::TcpStream::connect(service.addr).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, socket).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        let request = json!({"action_type": "read_file", "target": "notes/today.md"});
        let connection = Http2::over(stream).await;
        connection.post(EVALUATE, request.to_string()).await.unwrap()
    });
    assert_eq!(
        answer.json()["effective_decision"]["decision"],
        "allow",
        "{answer:?}"
    );
}

#[test]
fn a_certificate_is_swapped_under_open_connections() {
    let dir = tempfile::tempdir().unwrap();
    let old = certificate(dir.path());
    let service = service(dir.path());
    let version = &rustls::version::TLS13;
    let mut open = connect(&service, &old, version).unwrap();
    assert_eq!(get(&mut open, "/health"), 200);
    let new = certificate(dir.path());
    let took = soon("swapped", || connect(&service, &new, version).is_ok());
    println!("the new certificate was used after {took:?}");
    assert!(connect(&service, &old, version).is_err());
    assert_eq!(get(&mut open, "/health"), 200, "the open connection goes on");
    // One that cannot be used changes nothing, whoever asks.
    std::fs::write(dir.path().join("key.pem"), "no key").unwrap();
    write!(
        open.get_mut(),
        "POST {RELOAD} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"
    )
    .unwrap();
    assert_eq!(answer(&mut open), 409);
    let mut fresh = connect(&service, &new, version).unwrap();
    assert_eq!(get(&mut fresh, "/health"), 200);
}

#[test]
fn what_does_not_go_together_is_no_start() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    std::fs::rename(dir.path().join("key.pem"), dir.path().join("other.pem")).unwrap();
    certificate(dir.path());
    std::fs::write(dir.path().join("none.pem"), "no PEM").unwrap();
    let run = |cert: &str, key: &str| {
        let path = |name: &str| dir.path().join(name).into_os_string();
        serve(&dir.path().join("state"))
            .args(["--addr", "127.0.0.1:0", "--tls-cert"])
            .args([path(cert)])
            .args(["--tls-key"])
            .args([path(key)])
            .run()
    };
    for (cert, key, part) in [
        ("cert.pem", "other.pem", "cannot be used together"),
        ("none.pem", "key.pem", "certificate in PEM"),
        ("cert.pem", "none.pem", "private key in PEM"),
        ("missing.pem", "key.pem", "missing.pem"),
    ] {
        let output = run(cert, key);
        assert_eq!(output.code, Some(3), "{output:?}");
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    let half = serve(&dir.path().join("state")).args(["--tls-cert", "x"]).run();
    assert_eq!(half.code, Some(3));
    assert!(
        half.stderr.contains("--tls-key (CAVRA_TLS_KEY)"),
        "{}",
        half.stderr
    );
}

/// Clients that begin a handshake and do not go on are let go, and meanwhile others
/// are served.
#[test]
fn who_is_slow_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certificate(dir.path());
    let service = service(dir.path());
    let begun = Instant::now();
    let mut slow: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut socket = TcpStream::connect(service.addr).unwrap();
            socket.write_all(&[22, 3, 1]).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            socket
        })
        .collect();
    let mut stream = connect(&service, &certificate, &rustls::version::TLS13).unwrap();
    assert_eq!(get(&mut stream, "/livez"), 200);
    for socket in &mut slow {
        assert!(matches!(socket.read(&mut [0; 16]), Ok(0) | Err(_)));
    }
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
    let mut stream = connect(&service, &certificate, &rustls::version::TLS13).unwrap();
    assert_eq!(get(&mut stream, "/livez"), 200);
}

#[test]
fn what_is_in_flight_is_answered_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certificate(dir.path());
    let service = service(dir.path());
    let body = r#"{"action_type":"read_file","target":"a"}"#;
    let mut stream = connect(&service, &certificate, &rustls::version::TLS13).unwrap();
    let length = body.len();
    write!(
        stream.get_mut(),
        "POST {EVALUATE} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{}",
        &body[..10]
    )
    .unwrap();
    // The head is there once another request over another connection was answered.
    let mut other = connect(&service, &certificate, &rustls::version::TLS13).unwrap();
    assert_eq!(get(&mut other, "/health"), 200);
    drop(other);
    std::thread::sleep(Duration::from_millis(200));
    signal(&service, Signal::TERM);
    soon("closed", || TcpStream::connect(service.addr).is_err());
    stream.get_mut().write_all(&body.as_bytes()[10..]).unwrap();
    assert_eq!(answer(&mut stream), 200);
    assert_eq!(service.wait(), Some(0));
}

/// Who has not finished a handshake has asked nothing.
#[test]
fn the_end_does_not_wait_for_handshakes() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certificate(dir.path());
    let service = service(dir.path());
    let mut slow = TcpStream::connect(service.addr).unwrap();
    slow.write_all(&[22, 3, 1]).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // It was accepted once a connection that came later is served.
    let mut stream = connect(&service, &certificate, &rustls::version::TLS13).unwrap();
    assert_eq!(get(&mut stream, "/health"), 200);
    let told = Instant::now();
    signal(&service, Signal::TERM);
    assert_eq!(service.wait(), Some(0));
    // A handshake may take ten.
    assert!(told.elapsed() < Duration::from_secs(8), "{:?}", told.elapsed());
    assert!(matches!(slow.read(&mut [0; 16]), Ok(0) | Err(_)));
}
