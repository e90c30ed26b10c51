//! Requests as bytes, and answers as far as they come.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

pub struct Raw {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body came as far as the head said.
    pub whole: bool,
}

impl Reply {
    /// The values of each line of a field.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The problem's code.
    pub fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["requestId"].as_str(), self.header("x-request-id"));
        assert!(problem["detail"].as_str().unwrap().len() > 10 && problem["title"].is_string() && problem["type"].is_string());
        problem["code"].as_str().unwrap().to_owned()
    }

    /// What the upstream saw of a header, where it shows what it was sent.
    pub fn upstream_saw(&self, name: &str) -> Vec<&str> {
        let prefix = format!("{name}: ");
        self.text().lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next answer; `None` where the connection ended instead.
    pub async fn reply(&mut self) -> Option<Reply> {
        self.reply_to("GET").await
    }

    pub async fn reply_to(&mut self, method: &str) -> Option<Reply> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut reply = Reply { status, headers, body: Vec::new(), whole: true };
        if method != "HEAD" && status != 101 && status != 204 && status != 304 {
            reply.whole = if reply.header("transfer-encoding").is_some() {
                self.chunks(&mut reply.body).await
            } else {
                let length = reply.header("content-length").map_or(usize::MAX, |l| l.parse().unwrap());
                self.take(length, &mut reply.body).await || length == usize::MAX
            };
        }
        Some(reply)
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let at = loop {
                if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                    break at;
                }
                if !self.more().await {
                    return false;
                }
            };
            let line = String::from_utf8(self.buffer.drain(..at + 2).collect()).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = Vec::new();
            if !self.take(size + 2, &mut chunk).await {
                body.extend(chunk);
                return false;
            }
            if size == 0 {
                return true;
            }
            body.extend(&chunk[..size]);
        }
    }

    /// Bytes as they come, until there are so many that `enough` says so.
    pub async fn until(&mut self, enough: &[u8]) -> bool {
        loop {
            if let Some(at) = self.buffer.windows(enough.len()).position(|w| w == enough) {
                self.buffer.drain(..at + enough.len());
                return true;
            }
            if !self.more().await {
                return false;
            }
        }
    }

    async fn take(&mut self, length: usize, into: &mut Vec<u8>) -> bool {
        while self.buffer.len() < length && self.more().await {}
        let there = length.min(self.buffer.len());
        into.extend(self.buffer.drain(..there));
        there == length
    }

    async fn more(&mut self) -> bool {
        matches!(timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await.expect("no byte for too long"), Ok(1..))
    }

    /// Whether the other side ends the connection within this time.
    pub async fn is_closed_within(&mut self, limit: Duration) -> bool {
        timeout(limit, async { while matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {} }).await.is_ok()
    }
}
