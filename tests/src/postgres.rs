//! A PostgreSQL of a test's own, on a free port of the loopback address.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(120);

/// Who runs the server where the tests are run by root, to whom it refuses.
const NOBODY: u32 = 65534;

/// The password of the role `postgres`.
pub const PASSWORD: &str = "planted-password-7f3a";

/// A server with an empty database `evidence`. Ends with its value.
#[derive(Debug)]
pub struct Postgres {
    place: TempDir,
    port: u16,
    server: Option<Child>,
}

#[expect(
    clippy::expect_used,
    reason = "a test whose database does not do what it must cannot go on"
)]
impl Postgres {
    /// Makes and starts one.
    pub fn start() -> Self {
        let place = TempDir::new().expect("there is room");
        let password = place.path().join("password");
        fs::write(&password, PASSWORD).expect("there is room");
        for path in [place.path(), &password] {
            if is_root() {
                chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give away what it has");
            }
        }
        let mut it = Self {
            place,
            port: 0,
            server: None,
        };
        let made = it
            .program("initdb")
            .args([
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "--username=postgres",
            ])
            .args(["--auth=scram-sha-256", "--pwfile"])
            .arg(&password)
            .arg("--pgdata")
            .arg(it.data())
            .output()
            .expect("initdb runs");
        told("initdb", &made);
        let started = Instant::now();
        while !it.try_on(free_port()) {
            assert!(started.elapsed() < PATIENCE, "the database does not start");
        }
        it.sql("CREATE DATABASE evidence");
        it
    }

    fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(programs().join(name));
        command
            .env_clear()
            .env("LC_ALL", "C")
            .current_dir(self.place.path())
            .stdin(Stdio::null());
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Whether the server runs on this port; a port may be taken meanwhile.
    fn try_on(&mut self, port: u16) -> bool {
        self.port = port;
        let log = fs::File::create(self.place.path().join("log")).expect("there is room");
        let mut server = self
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F"])
            .args(["-c", "unix_socket_directories=", "-c", "shared_buffers=16MB"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres starts");
        let started = Instant::now();
        loop {
            if server.try_wait().expect("a child can be waited for").is_some() {
                return false;
            }
            if self.psql("postgres", "SELECT 1").status.success() {
                self.server = Some(server);
                return true;
            }
            if started.elapsed() >= PATIENCE {
                let _ = server.kill();
                let _ = server.wait();
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops the server; whoever is connected is cut off.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        let pid = server.id().cast_signed();
        let pid = rustix::process::Pid::from_raw(pid).expect("a child has a number");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        let started = Instant::now();
        while server.try_wait().is_ok_and(|status| status.is_none()) {
            if started.elapsed() >= PATIENCE {
                let _ = server.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts the server that was stopped, where it was.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "it runs");
        assert!(self.try_on(self.port), "the database does not start again");
    }

    /// The address of the database for a role.
    pub fn url(&self, role: &str, password: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/evidence", self.port)
    }

    /// The address of the database for its owner.
    pub fn owner(&self) -> String {
        self.url("postgres", PASSWORD)
    }

    fn psql(&self, database: &str, statement: &str) -> Output {
        self.program("psql")
            .env("PGPASSWORD", PASSWORD)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"])
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database])
            .args(["-c", statement])
            .output()
            .expect("psql runs")
    }

    /// What the owner is told by this statement; in the database `evidence`, if it is there.
    pub fn sql(&self, statement: &str) -> String {
        let making = statement.starts_with("CREATE DATABASE");
        let output = self.psql(if making { "postgres" } else { "evidence" }, statement);
        told(statement, &output);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What the owner is told instead.
    pub fn refusal(&self, statement: &str) -> String {
        let output = self.psql("evidence", statement);
        assert!(!output.status.success(), "{statement} is not refused");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[expect(clippy::expect_used, reason = "without a port there is no test")]
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it has an address").port()
}

#[expect(clippy::panic, reason = "without the programs there is no test")]
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let bins = versions.map(|version| version.path().join("bin"));
    let newest = bins.filter(|bin| Path::new(&bin.join("initdb")).exists()).max();
    newest.unwrap_or_else(|| panic!("PostgreSQL is missing; run scripts/postgres.sh"))
}

fn told(what: &str, output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {error}");
}
