//! Where an answer sends its caller: the upstream's names become the gateway's.

use super::{Behind, Front, PlanLimits, raw::Reply, upstream};

async fn front(url: Option<&str>) -> Front {
    let (address, _) = upstream::behaving().await;
    let behind = Behind { upstream: format!("http://{address}/base"), ..Behind::at(address) };
    Front::with(behind, PlanLimits::default(), |settings| settings.url = url.map(str::to_owned)).await
}

fn told(reply: &Reply) -> [&str; 4] {
    ["location", "content-location", "link", "set-cookie"].map(|name| reply.header(name).unwrap())
}

#[tokio::test]
async fn what_names_the_upstream_names_the_gateway() {
    let front = front(Some("https://api.example.com/gw")).await;
    let own = front.call("GET /pay/places/own", "").await;
    let at = "https://api.example.com/gw/pay/echo/7?a=b";
    let cookie = "s=1; Domain=api.example.com; Path=/gw/pay/echo";
    assert_eq!((own.status, told(&own)), (201, [at, at, &format!("<{at}>; rel=next"), cookie]));
    let path = front.call("GET /pay/places/path", "").await;
    let at = "/gw/pay/echo/7";
    assert_eq!(told(&path), [at, at, &format!("<{at}>; rel=next"), "s=1; Path=/gw/pay"]);
    let other = front.call("GET /pay/places/other", "").await;
    let at = "https://login.example/base/echo";
    assert_eq!(told(&other), [at, at, &format!("<{at}>; rel=next"), "s=1; Domain=login.example; Path=/else"]);
    let logged = front.logged(&own).await;
    let location = logged.response_headers.iter().find(|header| header.name == "location").unwrap().value.clone();
    assert_eq!(location.as_deref(), Some("https://api.example.com/gw/pay/echo/7?a=b"), "what the caller was told");
}

#[tokio::test]
async fn a_caller_finds_what_it_is_sent_to() {
    let front = front(None).await;
    let made = front.call("GET /pay/places/own", "").await;
    let gateway = format!("http://{}", front.address);
    let target = made.header("location").unwrap().strip_prefix(&gateway).unwrap().to_owned();
    assert!(front.call(&format!("GET {target}"), "").await.text().starts_with("GET /base/echo/7?a=b\n"));
}

#[tokio::test]
async fn the_upstream_is_told_the_prefix_by_the_gateway_alone() {
    for (url, prefix) in [(None, "/pay"), (Some("https://api.example.com/gw/"), "/gw/pay")] {
        let front = front(url).await;
        let forged = "X-Forwarded-Prefix: /forged\r\nX_Forwarded_Prefix: /forged\r\n";
        assert_eq!(front.call("GET /pay/echo", forged).await.upstream_saw("x-forwarded-prefix"), [prefix]);
    }
}
