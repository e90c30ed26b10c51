//! Rates and quotas as a caller sees them.

use entities::enums::{QuotaPeriod, RateWindow};

use super::{Behind, Front, PlanLimits, upstream};

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
    assert!(calls.iter().all(|reply| matches!(reply.status, 200 | 429 | 503)));
    // Where the database is slow, calls are refused for want of a lease, and the quota is spent by later ones.
    for _ in 0..500 {
        if calls.last().is_some_and(|reply| reply.status == 429) {
            break;
        }
        calls.push(front.call("GET /pay/echo", "").await);
    }
    assert_eq!(calls.last().map(|reply| reply.code()).as_deref(), Some("QUOTA_EXHAUSTED"));
    let served = calls.iter().filter(|reply| reply.status == 200).count();
    assert_eq!((served, seen.requests.load(std::sync::atomic::Ordering::SeqCst)), (20, 20));
}
