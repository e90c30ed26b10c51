use std::{cell::RefCell, future::pending};

use super::*;

const LONG: Duration = Duration::from_secs(3600);

fn addresses(list: &[&str]) -> Vec<SocketAddr> {
    list.iter().map(|address| address.parse().unwrap()).collect()
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

/// Connects by a rule: what an address does. The winner, and the addresses that were tried.
async fn dialed(
    dialer: &Dialer,
    list: &[SocketAddr],
    stagger: Duration,
    does: impl AsyncFn(SocketAddr) -> io::Result<SocketAddr>,
) -> (Result<SocketAddr, Unconnected>, Vec<SocketAddr>) {
    let tried = RefCell::new(Vec::new());
    let attempt = |address| {
        tried.borrow_mut().push(address);
        does(address)
    };
    let winner = dialer.race(dialer.ordered(list, Instant::now()), LONG, stagger, attempt).await;
    (winner, tried.into_inner())
}

#[tokio::test]
async fn families_take_turns() {
    let list = addresses(&["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"]);
    let (failed, tried) = dialed(&Dialer::default(), &list, LONG, async |_| Err(refused())).await;
    assert_eq!(tried, [list[0], list[2], list[1], list[3], list[4]]);
    let failed = failed.unwrap_err();
    assert!(!failed.timed_out && failed.tried.len() == 5);
    assert!(failed.to_string().starts_with("[2001:db8::1]:1: connection refused; 192.0.2.1:1: "), "{failed}");
    assert!(dialed(&Dialer::default(), &[], LONG, async |_| Err(refused())).await.0.is_err());
}

#[test]
fn the_next_attempt_waits_for_a_quarter_of_a_second_where_there_is_time() {
    let milliseconds = |addresses, limit| stagger(addresses, Duration::from_millis(limit)).as_millis();
    assert_eq!([milliseconds(2, 10_000), milliseconds(4, 100), milliseconds(16, 50)], [250, 20, 10]);
    let part = |whole| part_of(Duration::from_millis(whole)).as_millis();
    assert_eq!([part(200), part(8_000), part(30_000)], [150, 6_000, 10_000]);
}

#[tokio::test]
async fn the_first_that_connects_wins_and_the_silent_one_is_tried_last_for_a_while() {
    let list = addresses(&["127.0.0.2:1", "127.0.0.3:1"]);
    let (dialer, dead) = (Dialer::default(), RefCell::new(list[0]));
    let one_is_dead = async |address| {
        let is_dead = address == *dead.borrow();
        if is_dead { pending().await } else { Ok(address) }
    };
    let (winner, tried) = dialed(&dialer, &list, STAGGER, one_is_dead).await;
    assert_eq!((winner.unwrap(), tried), (list[1], list.clone()));
    // It is remembered: the other is the first now, and is enough.
    let (winner, tried) = dialed(&dialer, &list, LONG, one_is_dead).await;
    assert_eq!((winner.unwrap(), tried), (list[1], vec![list[1]]));
    let later = Instant::now() + REMEMBERED;
    assert_eq!(dialer.ordered(&list, later), list, "after a while it is tried in its turn");
    // The other one dies and the first is back: it is found, and is the first again.
    *dead.borrow_mut() = list[1];
    let (winner, _) = dialed(&dialer, &list, STAGGER, one_is_dead).await;
    assert_eq!(winner.unwrap(), list[0]);
    let (winner, tried) = dialed(&dialer, &list, LONG, one_is_dead).await;
    assert_eq!((winner.unwrap(), tried.len()), (list[0], 1));
}

#[tokio::test]
async fn after_a_refusal_the_next_is_tried_at_once() {
    let list = addresses(&["127.0.0.2:1", "127.0.0.3:1", "127.0.0.4:1"]);
    let (winner, tried) =
        dialed(&Dialer::default(), &list, LONG, async |address| if address == list[2] { Ok(address) } else { Err(refused()) })
            .await;
    assert_eq!((winner.unwrap(), tried), (list[2], list));
}

#[tokio::test]
async fn silence_ends_with_the_time_and_a_slow_one_still_wins() {
    let list = addresses(&["127.0.0.2:1", "127.0.0.3:1"]);
    let dialer = Dialer::default();
    let silent = async |_| pending::<io::Result<SocketAddr>>().await;
    let failed = dialer.connect(&list, Duration::from_millis(60), silent).await.unwrap_err();
    assert!(failed.timed_out);
    assert_eq!(failed.to_string(), "127.0.0.2:1: silent; 127.0.0.3:1: silent");
    let slow = async |address| {
        if address == list[1] {
            return pending().await;
        }
        tokio::time::sleep(STAGGER * 2).await;
        Ok(address)
    };
    let (winner, tried) = dialed(&Dialer::default(), &list, STAGGER, slow).await;
    assert_eq!((winner.unwrap(), tried), (list[0], list));
}
