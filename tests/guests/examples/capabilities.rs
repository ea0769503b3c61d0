//! Tries everything that a program can do beside computing and says in its reason
//! what it got. The host must give it nothing of the machine: no arguments, no
//! environment, no input, no files, no network, and a clock and randomness that
//! are the same each time, so that two evaluations give the same reason.
//!
//! Waiting is another guest, `sleep_one_hour`: it can be refused only by a trap.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use test_guests::{Decision, EvaluateError, Module, Request, decide, guest};

/// A word for what came of an attempt; the words of its error depend on the host.
fn outcome<T>(attempt: io::Result<T>) -> &'static str {
    match attempt {
        Ok(_) => "granted",
        Err(_) => "refused",
    }
}

fn read_input() -> usize {
    let mut input = Vec::new();
    // A closed input is an empty one.
    let _ = io::stdin().read_to_end(&mut input);
    input.len()
}

#[expect(
    clippy::disallowed_methods,
    reason = "reading the clock is what this guest tries"
)]
fn clocks() -> String {
    let started = Instant::now();
    let date = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!("date {date} ns; elapsed {} ns", started.elapsed().as_nanos())
}

fn attempts() -> String {
    [
        format!("arguments {}", std::env::args_os().count()),
        format!("variables {}", std::env::vars_os().count()),
        format!("input {} bytes", read_input()),
        format!("read {}", outcome(File::open("/etc/passwd"))),
        format!("write {}", outcome(File::create("test-guest"))),
        format!("list {}", outcome(fs::read_dir("/"))),
        format!(
            "connect {}",
            outcome(TcpStream::connect((Ipv4Addr::LOCALHOST, 80)))
        ),
        format!("listen {}", outcome(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))),
        format!("datagram {}", outcome(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))),
        format!("resolve {}", outcome(("localhost", 80).to_socket_addrs())),
        clocks(),
        format!("random {:016x}", RandomState::new().hash_one(0)),
    ]
    .join("; ")
}

struct Guest;

impl Module for Guest {
    fn evaluate(request: Request) -> Result<Decision, EvaluateError> {
        Ok(Decision {
            reason: attempts(),
            ..decide(request)
        })
    }
}

guest!(Guest);
