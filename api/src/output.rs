//! What the process says on stderr and stdout: a thread writes for each, so that nobody who serves waits for a reader, and what
//! cannot be written is counted and left out, whatever the reason: a full disk, a reader that went away or one that has stopped.

use std::{
    fmt::Display,
    io::{self, Write},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for their reader.
const WAITING: usize = 4096;
/// How long a reader that takes no more now is given, line by line, where its pipe does not make the writer wait.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long an ending process waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// One of the process's two outputs.
pub struct Output {
    lines: Option<SyncSender<Piece>>,
    lost: &'static AtomicU64,
}

enum Piece {
    Line(Vec<u8>),
    /// Dropped when all before it is written.
    End(#[expect(dead_code, reason = "its end is what is waited for")] SyncSender<()>),
}

static LOST: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
static STDOUT: LazyLock<Output> = LazyLock::new(|| Output::new("stdout", &LOST[0], io::stdout()));
static STDERR: LazyLock<Output> = LazyLock::new(|| Output::new("stderr", &LOST[1], io::stderr()));

pub fn stdout() -> &'static Output {
    &STDOUT
}

pub fn stderr() -> &'static Output {
    &STDERR
}

/// Lines that could not be written since the start: of stdout, of stderr.
pub fn lost() -> [u64; 2] {
    LOST.each_ref().map(|lost| lost.load(Relaxed))
}

/// Waits for what was said to be written: a moment, for nobody may be reading it.
pub fn finish() {
    for output in [&STDOUT, &STDERR] {
        if let Some(output) = LazyLock::get(output) {
            output.finish(LAST_LINES);
        }
    }
}

impl Output {
    fn new(name: &'static str, lost: &'static AtomicU64, to: impl Write + Send + 'static) -> Self {
        let (sender, lines) = mpsc::sync_channel(WAITING);
        let writing = thread::Builder::new().name(name.to_owned()).spawn(move || write(name, &lines, to, lost));
        Self { lines: writing.is_ok().then_some(sender), lost }
    }

    /// A line, with the line break at its end.
    pub fn line(&self, line: Vec<u8>) {
        let taken = self.lines.as_ref().is_some_and(|lines| lines.try_send(Piece::Line(line)).is_ok());
        if !taken {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    pub fn say(&self, text: impl Display) {
        self.line(format!("{text}\n").into_bytes());
    }

    fn finish(&self, patience: Duration) {
        let (sender, end) = mpsc::sync_channel(0);
        let Some(lines) = &self.lines else { return };
        if lines.try_send(Piece::End(sender)).is_ok() {
            // An error is what is waited for: the other side is dropped.
            let _ = end.recv_timeout(patience);
        }
    }
}

fn write(name: &'static str, lines: &Receiver<Piece>, mut to: impl Write, lost: &'static AtomicU64) {
    let mut told = 0;
    // Whether the last line broke off in its middle.
    let mut torn = false;
    for piece in lines {
        let Piece::Line(mut line) = piece else { continue };
        if torn {
            line.insert(0, b'\n');
        }
        match whole(&mut to, &line) {
            Ok(()) => torn = false,
            Err(written) => {
                torn |= written > 0;
                lost.fetch_add(1, Relaxed);
                continue;
            }
        }
        let so_far = lost.load(Relaxed);
        if so_far > told {
            tracing::warn!(output = name, lines = so_far - told, "lines could not be written and are left out");
            // Unless that line was left out, too.
            if lost.load(Relaxed) == so_far {
                told = so_far;
            }
        }
    }
}

/// All of a line, or how much of it.
fn whole(to: &mut impl Write, line: &[u8]) -> Result<(), usize> {
    let until = Instant::now() + PATIENCE;
    let mut written = 0;
    while written < line.len() {
        match to.write(&line[written..]) {
            Ok(0) => return Err(written),
            Ok(some) => written += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(_) => return Err(written),
        }
    }
    to.flush().map_err(|_| written)
}

/// Where the log's lines go.
#[derive(Clone, Copy)]
pub struct LogLines;

impl MakeWriter<'_> for LogLines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        stderr().line(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a command prints, whose reader it waits for.
///
/// # Errors
/// `BrokenPipe` where the reader has heard enough.
pub fn print(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A disk of so many bytes.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Disk {
        fn write(&mut self, some: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let room = some.len().min(disk.1 - disk.0.len());
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.0.extend_from_slice(&some[..room]);
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_the_rest_is_whole_lines() {
        static LOST: AtomicU64 = AtomicU64::new(0);
        let disk = Disk::default();
        disk.0.lock().unwrap().1 = 9;
        let output = Output::new("test", &LOST, disk.clone());
        let long = Duration::from_secs(60);
        ["first", "second", "third"].iter().for_each(|line| output.say(line));
        output.finish(long);
        assert_eq!(LOST.load(Relaxed), 2);
        disk.0.lock().unwrap().1 = 100;
        output.say("fourth");
        output.finish(long);
        assert_eq!(String::from_utf8_lossy(&disk.0.lock().unwrap().0), "first\nsec\nfourth\n");
        assert_eq!(LOST.load(Relaxed), 2);
    }

    /// Takes nothing, and never says so.
    struct Stopped(mpsc::Receiver<()>);

    impl Write for Stopped {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_holds_nobody_up() {
        static LOST: AtomicU64 = AtomicU64::new(0);
        let (go, stopped) = mpsc::channel();
        let output = Output::new("test", &LOST, Stopped(stopped));
        (0..2 * WAITING).for_each(|n| output.say(n));
        output.finish(Duration::ZERO);
        assert!(LOST.load(Relaxed) >= WAITING as u64 - 1);
        drop(go);
        while LOST.load(Relaxed) < 2 * WAITING as u64 {
            thread::yield_now();
        }
    }
}
