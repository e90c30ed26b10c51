//! Connections to names with several addresses (RFC 8305): attempts begin a moment after each other, both families in turn, and
//! the first that connects wins. An address that did not answer is remembered for a while, and tried last.

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until},
};

/// Between the beginnings of two attempts, where there is time for it (section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// The least of it.
const LEAST_STAGGER: Duration = Duration::from_millis(10);
/// For so long an address that did not answer is tried last.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Addresses that are remembered.
const MOST: usize = 10_000;
/// Addresses of one name that are tried, and told.
const MOST_TRIED: usize = 16;
/// Of the time that a call has, its connection takes three quarters at most, and no more than this.
const LONGEST: Duration = Duration::from_secs(10);

/// Where names lead to.
#[async_trait]
pub trait Names: fmt::Debug + Send + Sync {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// As the system says.
#[derive(Debug)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Connects, and remembers which addresses do not answer. Clones share what they remember.
#[derive(Debug, Clone, Default)]
pub struct Dialer(Arc<Mutex<HashMap<SocketAddr, Instant>>>);

/// No address was connected to.
#[derive(Debug)]
pub struct Unconnected {
    /// In the order of their ends; without an error: it gave no answer.
    pub tried: Vec<(SocketAddr, Option<io::Error>)>,
    /// The time was over before all of them had ended.
    pub timed_out: bool,
}

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (address, error)) in self.tried.iter().enumerate() {
            let comma = if at == 0 { "" } else { "; " };
            match error {
                Some(error) => write!(f, "{comma}{address}: {error}")?,
                None => write!(f, "{comma}{address}: silent")?,
            }
        }
        Ok(())
    }
}

/// How much of the time that a whole exchange has is its connection's.
pub fn part_of(whole: Duration) -> Duration {
    (whole * 3 / 4).min(LONGEST)
}

fn stagger(addresses: usize, limit: Duration) -> Duration {
    let share = limit / u32::try_from(addresses + 1).unwrap_or(u32::MAX);
    STAGGER.min(share).max(LEAST_STAGGER)
}

/// A plain connection.
pub async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Dialer {
    /// The first of the attempts that succeeds, within `limit`. An attempt may be more than a plain connection: a server whose
    /// TLS is silent or wrong is passed over like one that does not take connections.
    pub async fn connect<T, F: Future<Output = io::Result<T>>>(
        &self,
        addresses: &[SocketAddr],
        limit: Duration,
        attempt: impl Fn(SocketAddr) -> F,
    ) -> Result<T, Unconnected> {
        let ordered = self.ordered(addresses, Instant::now());
        let stagger = stagger(ordered.len(), limit);
        self.race(ordered, limit, stagger, attempt).await
    }

    async fn race<T, F: Future<Output = io::Result<T>>>(
        &self,
        mut waiting: VecDeque<SocketAddr>,
        limit: Duration,
        stagger: Duration,
        attempt: impl Fn(SocketAddr) -> F,
    ) -> Result<T, Unconnected> {
        let begun = Instant::now();
        let mut running = FuturesUnordered::new();
        let mut under_way: Vec<SocketAddr> = Vec::new();
        let mut tried = Vec::new();
        let mut next = begun;
        while !(waiting.is_empty() && running.is_empty()) {
            tokio::select! {
                biased;
                Some((address, ended)) = running.next() => {
                    under_way.retain(|other| *other != address);
                    match ended {
                        Ok(connection) => {
                            self.note(&[address], &under_way, &tried);
                            return Ok(connection);
                        }
                        Err(error) => tried.push((address, Some(error))),
                    }
                    next = Instant::now();
                }
                () = sleep_until(next), if !waiting.is_empty() => {
                    if let Some(address) = waiting.pop_front() {
                        let attempted = attempt(address);
                        under_way.push(address);
                        running.push(async move { (address, attempted.await) });
                    }
                    next = Instant::now() + stagger;
                }
                () = sleep_until(begun + limit) => {
                    self.note(&[], &under_way, &tried);
                    tried.extend(under_way.into_iter().map(|address| (address, None)));
                    return Err(Unconnected { tried, timed_out: true });
                }
            }
        }
        self.note(&[], &[], &tried);
        Err(Unconnected { tried, timed_out: false })
    }

    /// Both families in turn, beginning with the one that the system prefers; those that did not answer lately behind the others.
    fn ordered(&self, addresses: &[SocketAddr], now: Instant) -> VecDeque<SocketAddr> {
        let Some(first) = addresses.first() else { return VecDeque::new() };
        let (preferred, others): (Vec<_>, Vec<_>) =
            addresses.iter().copied().partition(|address| address.is_ipv4() == first.is_ipv4());
        let mut in_turn: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
        let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
        loop {
            let pair = [preferred.next(), others.next()];
            in_turn.extend(pair.into_iter().flatten());
            if pair == [None, None] {
                break;
            }
        }
        let lately = self.lock();
        let (dead, alive): (Vec<_>, Vec<_>) =
            in_turn.into_iter().partition(|address| lately.get(address).is_some_and(|since| now - *since < REMEMBERED));
        alive.into_iter().chain(dead).take(MOST_TRIED).collect()
    }

    fn note(&self, alive: &[SocketAddr], silent: &[SocketAddr], failed: &[(SocketAddr, Option<io::Error>)]) {
        let mut lately = self.lock();
        if lately.is_empty() && silent.is_empty() && failed.is_empty() {
            return;
        }
        let now = Instant::now();
        for address in alive {
            lately.remove(address);
        }
        if lately.len() >= MOST {
            lately.retain(|_, since| now - *since < REMEMBERED);
        }
        for address in silent.iter().chain(failed.iter().map(|(address, _)| address)) {
            if lately.len() < MOST {
                lately.insert(*address, now);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
