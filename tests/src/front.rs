//! What stands in front of a registry and does to its answers what a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Such as `GET`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Asked {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The next request of a connection; none at its end.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        let mut asked = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        };
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            asked.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = asked.header("content-length").and_then(|it| it.parse().ok());
        asked.body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut asked.body)?;
        Ok(Some(asked))
    }

    /// The request as it goes on: the last of its connection.
    pub fn sent(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            if name != "connection" {
                head += &format!("{name}: {value}\r\n");
            }
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// The registry answers.
    Pass,
    /// The same, with another header line.
    Add(String),
    /// The same, and the connection is lost after so many bytes of the answer.
    Cut(usize),
    /// This is answered: status, header lines, body.
    Answer(u16, String, Vec<u8>),
    /// An answer that never ends, of no length that was said before.
    Endless,
    /// No answer, for so long.
    Silence(Duration),
}

/// What stands in front. Ends with its value.
#[derive(Debug)]
pub struct Front {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[expect(clippy::expect_used, reason = "without a port there is no test")]
impl Front {
    /// In front of what listens at `to`. The rule is told the address of the front itself.
    pub fn start(to: SocketAddr, rule: impl Fn(&Asked, SocketAddr) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let addr = listener.local_addr().expect("it has an address");
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let over: Arc<AtomicBool> = Arc::default();
        let (all, ends, rule) = (Arc::clone(&asked), Arc::clone(&over), Arc::new(rule));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let (all, rule, ends) = (Arc::clone(&all), Arc::clone(&rule), Arc::clone(&ends));
                std::thread::spawn(move || {
                    // Whoever is cut off, or cuts off, ends this connection and no other.
                    let _ = serve(stream, to, &ends, |it| {
                        all.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(it.clone());
                        rule(it, addr)
                    });
                });
            }
        });
        Self {
            addr,
            asked,
            over,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Something in the registry behind it, as `oci://…`.
    pub fn name(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.addr)
    }

    /// Everything that was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One request; the connection ends with its answer.
fn serve(
    stream: TcpStream,
    to: SocketAddr,
    over: &AtomicBool,
    rule: impl FnOnce(&Asked) -> Act,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut client = stream;
    let Some(asked) = Asked::read(&mut reader)? else {
        return Ok(());
    };
    match rule(&asked) {
        Act::Answer(status, headers, body) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
                body.len()
            );
            client.write_all(head.as_bytes())?;
            if asked.method != "HEAD" {
                client.write_all(&body)?;
            }
            Ok(())
        }
        Act::Endless => {
            client.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            while !over.load(Ordering::SeqCst) {
                client.write_all(&[b' '; 64 * 1024])?;
            }
            Ok(())
        }
        Act::Silence(time) => {
            std::thread::sleep(time);
            Ok(())
        }
        Act::Pass => pass(&asked, to, client, "", usize::MAX),
        Act::Add(line) => pass(&asked, to, client, &line, usize::MAX),
        Act::Cut(after) => pass(&asked, to, client, "", after),
    }
}

fn pass(
    asked: &Asked,
    to: SocketAddr,
    mut client: TcpStream,
    line: &str,
    most: usize,
) -> std::io::Result<()> {
    let mut registry = TcpStream::connect(to)?;
    registry.write_all(&asked.sent())?;
    let mut answer = Vec::new();
    registry.read_to_end(&mut answer)?;
    if !line.is_empty() {
        let end = answer.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        answer.splice(
            end.saturating_add(1)..end.saturating_add(1),
            format!("{line}\r\n").into_bytes(),
        );
    }
    client.write_all(answer.get(..most.min(answer.len())).unwrap_or_default())
}
