//! Rates and quotas as a caller sees them.

use entities::enums::{QuotaPeriod, RateWindow};

use super::{
    Behind, Front, PlanLimits,
    raw::{Raw, Reply},
    upstream,
};

#[tokio::test]
async fn a_rate_is_told_and_kept() {
    let (address, seen) = upstream::behaving().await;
    let limits = PlanLimits { rate: Some((3, RateWindow::Hour)), quota: Some((100, QuotaPeriod::Month)) };
    let front = Front::with(Behind::at(address), limits, |_| {}).await;
    for left in [2, 1, 0] {
        let reply = front.call("GET /pay/echo", "").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(
            reply.header("ratelimit").unwrap().starts_with(&format!(r#""rate";r={left};t="#)),
            "{:?}",
            reply.header("ratelimit")
        );
        let policy = reply.header("ratelimit-policy").unwrap();
        assert!(policy.starts_with(r#""rate";q=3;w=3600, "quota";q=100;w="#), "{policy}");
    }
    let over = front.call("GET /pay/echo", "").await;
    assert_eq!((over.status, over.code().as_str()), (429, "RATE_LIMITED"));
    let wait: u64 = over.header("retry-after").unwrap().parse().unwrap();
    // A call counts until its whole slot, a fiftieth of the window, has left it.
    assert!((1..=3672).contains(&wait) && over.header("ratelimit").unwrap().starts_with(r#""rate";r=0;"#));
    assert_eq!(seen.requests.load(std::sync::atomic::Ordering::SeqCst), 3);
    let other = front.ask(&format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", front.other_key)).await;
    assert_eq!(other.status, 200, "another client has limits of its own");
}

#[tokio::test]
async fn a_quota_is_never_exceeded_by_calls_at_once() {
    let (address, seen) = upstream::behaving().await;
    let limits = PlanLimits { rate: None, quota: Some((20, QuotaPeriod::Month)) };
    let front = Front::with(Behind::at(address), limits, |_| {}).await;
    let mut calls = futures_util::future::join_all((0..60).map(|_| front.call("GET /pay/echo", ""))).await;
    let served = |calls: &[Reply]| calls.iter().filter(|reply| reply.status == 200).count();
    // Where the database is slow, calls are refused for want of a lease, and the quota is spent by later ones.
    for _ in 0..500 {
        if served(&calls) == 20 {
            break;
        }
        calls.push(front.call("GET /pay/echo", "").await);
    }
    assert_eq!((served(&calls), seen.requests.load(std::sync::atomic::Ordering::SeqCst)), (20, 20));
    assert!(calls.iter().all(|reply| matches!(reply.status, 200 | 429 | 503)));
    for _ in 0..10 {
        assert_used_up(&front.call("GET /pay/echo", "").await);
    }
}

/// 429 until the period ends, and nothing else.
fn assert_used_up(reply: &Reply) {
    assert_eq!((reply.status, reply.code().as_str()), (429, "QUOTA_EXHAUSTED"));
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31 * 86_400).contains(&wait), "{wait}");
    let standing = reply.header("ratelimit").unwrap();
    assert!(standing.starts_with(&format!(r#""quota";r=0;t={wait}"#)), "{standing}");
}

#[tokio::test]
async fn the_first_call_beyond_a_quota_is_429_at_every_gateway() {
    let (address, _) = upstream::behaving().await;
    let limits = PlanLimits { rate: None, quota: Some((2, QuotaPeriod::Day)) };
    let front = Front::with(Behind::at(address), limits, |_| {}).await;
    let mut served = 0;
    for _ in 0..500 {
        let reply = front.call("GET /pay/echo", "").await;
        // For want of a lease, on a slow database.
        assert!(matches!(reply.status, 200 | 503), "{}", reply.status);
        served += usize::from(reply.status == 200);
        if served == 2 {
            break;
        }
    }
    assert_used_up(&front.call("GET /pay/echo", "").await);
    // One that knows nothing of the quota yet, as after a start.
    let another = front.another_gateway().await;
    let call = format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", front.catalog.key);
    let mut raw = Raw::connect(another.address()).await;
    let mut reply = None;
    for _ in 0..500 {
        raw.send(&call).await;
        reply = raw.reply().await;
        if reply.as_ref().is_some_and(|reply| reply.status != 503) {
            break;
        }
    }
    assert_used_up(&reply.expect("an answer"));
    another.stop().await;
}
