//! Log lines to standard error, written by a thread of their own: whoever judges never
//! waits for a terminal or a pipe.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt};

use super::RequestLog;
use crate::config::{LogFormat, LogLevel};

/// How many lines wait to be written. Where more come they are dropped and counted.
const WAITING: usize = 32 * 1024;

/// Writes log lines as long as it lives, and what waits when it is dropped.
pub struct Logs {
    dropped: ErrorCounter,
    requests: Option<RequestLog>,
    _writer: WorkerGuard,
}

impl Logs {
    /// Starts logging, for the whole process.
    ///
    /// # Errors
    /// When something else logs already.
    pub fn start(
        format: LogFormat,
        level: LogLevel,
    ) -> Result<Self, tracing::subscriber::SetGlobalDefaultError> {
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(WAITING)
            .thread_name("log")
            .finish(InBatches(BufWriter::new(io::stderr())));
        let dropped = writer.error_counter();
        let requests = writer.clone();
        let level = match level {
            LogLevel::Off => LevelFilter::OFF,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
        };
        // Of the libraries only what is wrong: their details may hold what requests held.
        let wanted = Targets::new()
            .with_target("cavra", level)
            .with_default(level.min(LevelFilter::WARN));
        let lines = fmt::layer().with_writer(writer).with_target(false);
        let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
            LogFormat::Json => lines
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .with_filter(wanted)
                .boxed(),
            LogFormat::Text => lines
                .compact()
                .with_ansi(io::stderr().is_terminal())
                .with_filter(wanted)
                .boxed(),
        };
        tracing::subscriber::set_global_default(Registry::default().with(lines))?;
        let requests = (format == LogFormat::Json).then_some(RequestLog {
            writer: requests,
            level,
        });
        Ok(Self {
            dropped,
            requests,
            _writer: guard,
        })
    }

    /// What writes the lines of requests; none where they are written as all others are.
    pub fn requests(&self) -> Option<RequestLog> {
        self.requests.clone()
    }

    /// What counts the lines that were dropped.
    pub fn dropped(&self) -> Dropped {
        Dropped(self.dropped.clone())
    }
}

/// How long lines wait for others at most, to be written together.
const BATCH: Duration = Duration::from_millis(5);

/// A writer that does not hurry after it has written. Its thread flushes when no line is
/// left; under load it would be woken for every line, and that costs whoever judges more
/// than the line.
struct InBatches<W>(W);

impl<W: Write> Write for InBatches<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        std::thread::sleep(BATCH);
        Ok(())
    }
}

/// Counts the log lines that were dropped.
#[derive(Clone)]
pub struct Dropped(ErrorCounter);

impl Dropped {
    /// How many were.
    pub fn count(&self) -> u64 {
        self.0.dropped_lines() as u64
    }
}
