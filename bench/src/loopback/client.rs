//! Clients that keep their connections: as little work as there can be between a
//! request and the next, so that the servers have the processors.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

/// What is asked.
pub(crate) const ROUTE: &str = "/runtime/go-pilot/evaluate";

/// A connection that is kept.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    line: Vec<u8>,
    body: Vec<u8>,
}

/// A request as it goes over the wire.
pub(crate) fn request(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {ROUTE} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

impl Connection {
    /// A connection to a server.
    pub(crate) fn open(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            stream: BufReader::with_capacity(16 * 1024, stream),
            line: Vec::new(),
            body: Vec::new(),
        })
    }

    /// Asks and returns the body of the answer, which must be 200.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.get_mut().write_all(request)?;
        self.next_line()?;
        let status = self.line.get(9..12).context("no status")?;
        ensure!(status == b"200", "status {}", String::from_utf8_lossy(status));
        let mut length = 0_usize;
        loop {
            self.next_line()?;
            if self.line == b"\r\n" {
                break;
            }
            let name = b"content-length: ";
            if let Some((head, rest)) = self.line.split_at_checked(name.len())
                && head.eq_ignore_ascii_case(name)
            {
                length = std::str::from_utf8(rest)?.trim().parse()?;
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        Ok(&self.body)
    }

    fn next_line(&mut self) -> Result<()> {
        self.line.clear();
        let read = self.stream.read_until(b'\n', &mut self.line)?;
        ensure!(read > 0, "the server has closed the connection");
        Ok(())
    }
}

/// Answers a second where `connections` ask as fast as they are answered.
pub(crate) fn throughput(
    addr: SocketAddr,
    connections: usize,
    time: Duration,
    requests: &[Vec<u8>],
) -> Result<f64> {
    let started = Instant::now();
    let counts = each(connections, |first| {
        let mut connection = Connection::open(addr)?;
        let mut count = 0_usize;
        while started.elapsed() < time {
            connection.ask(numbered(requests, first.wrapping_add(count))?)?;
            count = count.saturating_add(1);
        }
        Ok(count)
    })?;
    Ok(counts.into_iter().sum::<usize>() as f64 / started.elapsed().as_secs_f64())
}

/// Nanoseconds from when a request was due until it was answered, with `rate` requests
/// a second over `connections`. One that is answered late delays the next on its
/// connection, and that counts.
pub(crate) fn latencies(
    addr: SocketAddr,
    connections: usize,
    time: Duration,
    rate: f64,
    requests: &[Vec<u8>],
) -> Result<Vec<f64>> {
    let pause = Duration::from_secs_f64(connections as f64 / rate);
    let started = Instant::now();
    let taken = each(connections, |number| {
        let mut connection = Connection::open(addr)?;
        let mut samples = Vec::new();
        // Connections are due one after the other, not all at once.
        let mut due = pause.mul_f64(number as f64 / connections as f64);
        while due < time {
            std::thread::sleep(due.saturating_sub(started.elapsed()));
            connection.ask(numbered(requests, number.wrapping_add(samples.len()))?)?;
            samples.push(started.elapsed().saturating_sub(due).as_nanos() as f64);
            due = due.saturating_add(pause);
        }
        Ok(samples)
    })?;
    Ok(taken.into_iter().flatten().collect())
}

fn numbered(requests: &[Vec<u8>], number: usize) -> Result<&[u8]> {
    let place = number.checked_rem(requests.len()).unwrap_or_default();
    Ok(requests.get(place).context("no requests")?)
}

/// What each of `count` threads gives.
fn each<T: Send>(count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    })
}
