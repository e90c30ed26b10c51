//! Calls that would come back to the gateway: told by the address that they are sent to, and by the trace that they carry.

use std::sync::atomic::Ordering;

use super::{Front, upstream};

#[tokio::test]
async fn our_own_address_is_not_connected_to() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    front.ctx.itself.listens_at(address);
    let reply = front.call("GET /pay/echo", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (508, "LOOP_DETECTED"));
    assert_eq!(front.logged(&reply).await.status, 508);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_call_that_comes_through_for_the_third_time_is_ended() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    let mut trace = "Via: 1.1 somebody\r\n".to_owned();
    for pass in 1..=3 {
        let reply = front.call("GET /pay/echo", &trace).await;
        let told = reply.upstream_saw("via").join(", ");
        match pass {
            3 => assert_eq!((reply.status, reply.code().as_str()), (508, "LOOP_DETECTED")),
            _ => assert_eq!((reply.status, told.matches("1.1 portico-").count()), (200, pass), "{told}"),
        }
        trace = format!("Via: {told}\r\n");
    }
    assert_eq!(seen.requests.load(Ordering::SeqCst), 2);
}
