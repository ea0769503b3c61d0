//! A registry of a test's own, on a free port of the loopback address: Debian's.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::service::head;

/// How long a registry may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who may use a registry with accounts.
pub const USER: &str = "planted-user";
/// With which password.
pub const PASSWORD: &str = "planted-password-91c2";
/// That as bcrypt has it.
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuur4TUBy/f8.bpvVMKHjiVFDX.reG73iu";

/// A registry. Ends with its value.
#[derive(Debug)]
pub struct Registry {
    place: TempDir,
    port: u16,
    accounts: bool,
    server: Option<Child>,
}

#[expect(
    clippy::expect_used,
    reason = "a test whose registry does not do what it must cannot go on"
)]
impl Registry {
    /// One that everybody may use.
    pub fn start() -> Self {
        Self::with(false)
    }

    /// One that only [`USER`] may use.
    pub fn with_accounts() -> Self {
        Self::with(true)
    }

    fn with(accounts: bool) -> Self {
        let mut it = Self {
            place: TempDir::new().expect("there is room"),
            port: 0,
            accounts,
            server: None,
        };
        fs::write(it.place.path().join("accounts"), format!("{USER}:{HASH}\n")).expect("there is room");
        let started = Instant::now();
        while !it.try_on(free_port()) {
            assert!(started.elapsed() < PATIENCE, "the registry does not start");
        }
        it
    }

    /// Whether the registry runs on this port; a port may be taken meanwhile.
    fn try_on(&mut self, port: u16) -> bool {
        self.port = port;
        let place = self.place.path();
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    \
             rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n",
            place.join("data").display()
        );
        if self.accounts {
            config += &format!(
                "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                place.join("accounts").display()
            );
        }
        let file = place.join("config.yml");
        fs::write(&file, config).expect("there is room");
        let log = fs::File::create(place.join("log")).expect("there is room");
        let mut server = Command::new(program())
            .env_clear()
            .env("OTEL_TRACES_EXPORTER", "none")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("docker-registry starts");
        let started = Instant::now();
        loop {
            if server.try_wait().expect("a child can be waited for").is_some() {
                return false;
            }
            if TcpStream::connect(self.addr()).is_ok() {
                self.server = Some(server);
                return true;
            }
            if started.elapsed() >= PATIENCE {
                let _ = server.kill();
                let _ = server.wait();
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it; what it has stays.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Something in it, as `oci://…`.
    pub fn name(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.addr())
    }

    /// Where the bytes of a blob or a manifest lie.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let data = self.place.path().join("data/docker/registry/v2/blobs/sha256");
        data.join(hex.get(..2).unwrap_or_default()).join(hex).join("data")
    }

    /// Where a tag of a repository lies.
    pub fn tag(&self, repository: &str, tag: &str) -> PathBuf {
        let data = self.place.path().join("data/docker/registry/v2/repositories");
        data.join(repository).join("_manifests/tags").join(tag)
    }

    /// The tags of a repository, those that stand for lists of referrers among them.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let data = self.place.path().join("data/docker/registry/v2/repositories");
        let tags = fs::read_dir(data.join(repository).join("_manifests/tags"));
        let names = tags.into_iter().flatten().flatten();
        let mut names: Vec<String> = names
            .map(|it| it.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// A manifest as it is.
    pub fn manifest(&self, repository: &str, name: &str) -> (String, Value) {
        const ALL: &str =
            "accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json\r\n";
        let path = format!("/v2/{repository}/manifests/{name}");
        let (status, text) = self.call("GET", &path, ALL, b"");
        assert_eq!(status, 200, "{text}");
        let digest = header(&text, "docker-content-digest");
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (digest, serde_json::from_str(body).expect("a manifest is JSON"))
    }

    /// Puts a manifest there.
    pub fn put_manifest(&self, repository: &str, name: &str, manifest: &Value) -> String {
        let kind = manifest
            .get("mediaType")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let body = manifest.to_string();
        let path = format!("/v2/{repository}/manifests/{name}");
        let headers = format!("content-type: {kind}\r\n");
        let (status, text) = self.call("PUT", &path, &headers, body.as_bytes());
        assert_eq!(status, 201, "{text}");
        header(&text, "docker-content-digest")
    }

    /// Puts a blob there.
    pub fn put_blob(&self, repository: &str, digest: &str, bytes: &[u8]) {
        let (status, text) = self.call("POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
        assert_eq!(status, 202, "{text}");
        let location = header(&text, "location");
        let path = location.splitn(4, '/').nth(3).unwrap_or_default();
        let path = format!("/{path}&digest={digest}");
        let octets = "content-type: application/octet-stream\r\n";
        let (status, text) = self.call("PUT", &path, octets, bytes);
        assert_eq!(status, 201, "{text}");
    }

    fn call(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.addr()).expect("the registry listens");
        let headers = format!("connection: close\r\ncontent-length: {}\r\n{headers}", body.len());
        stream
            .write_all(head(method, path, &headers).as_bytes())
            .expect("the registry takes what is sent");
        stream.write_all(body).expect("the registry takes what is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the registry answers");
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        (status.expect("an answer has a status"), text)
    }
}

fn header(answer: &str, name: &str) -> String {
    let lines = answer.lines().take_while(|line| !line.is_empty());
    let mut values = lines.filter_map(|line| line.split_once(": "));
    let found = values.find(|(it, _)| it.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

#[expect(clippy::expect_used, reason = "without a port there is no test")]
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

#[expect(clippy::panic, reason = "without the program there is no test")]
fn program() -> PathBuf {
    let unpacked = crate::root().join("target/tools/registry/usr/bin/docker-registry");
    let installed = Path::new("/usr/bin/docker-registry");
    match (unpacked.exists(), installed.exists()) {
        (true, _) => unpacked,
        (false, true) => installed.to_owned(),
        (false, false) => panic!("docker-registry is missing; run scripts/registry.sh"),
    }
}
