//! Encoded slashes, by a product's choice: what is decided on is what is forwarded.

use domain::{
    Tx,
    tx::{Touch, Unaudited},
};
use entities::product;
use sea_orm::{EntityTrait, sea_query::Expr};

use super::{Behind, Front, PlanLimits, upstream};

async fn take_encoded_slashes(front: &Front) {
    let tx = Tx::begin(&front.ctx).await.unwrap();
    let taken = Expr::value(true);
    product::Entity::update_many().col_expr(product::Column::EncodedSlashes, taken).exec(tx.db()).await.unwrap();
    tx.touch_gateway(Touch::Product(front.catalog.product));
    tx.commit_unaudited(Unaudited::Mark).await.unwrap();
    let changed = std::time::Instant::now();
    while front.call("GET /pay/echo/a%2Fb", "").await.status != 200 {
        assert!(changed.elapsed().as_secs() < 10);
    }
}

#[tokio::test]
async fn an_encoded_slash_is_a_part_of_a_parameter_where_the_product_takes_it() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    let refused = front.call("GET /pay/echo/a%2Fb", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (400, "MALFORMED_REQUEST"));
    assert_eq!(front.logged(&refused).await.denial_detail.as_deref(), Some("an encoded slash in the path"));
    take_encoded_slashes(&front).await;
    for (path, template) in
        [("/echo/a%2Fb", "/echo/{a}"), ("/echo/a%2fb/c", "/echo/{a}/{b}"), ("/echo/https%3A%2F%2Fa.example%2Fx", "/echo/{a}")]
    {
        let reply = front.call(&format!("GET /pay{path}"), "").await;
        assert!(reply.text().starts_with(&format!("GET {path}\n")), "{}", reply.text());
        assert_eq!(front.logged(&reply).await.endpoint.as_deref(), Some(template));
    }
    let before = seen.requests.load(std::sync::atomic::Ordering::SeqCst);
    for path in [
        "/pay%2Fecho",
        "/pay%2Fecho/x",
        "/pay/echo%2F7",
        "/pay%2F..%2Fadmin",
        "/pay/echo/..%2Fadmin",
        "/pay/echo/a%2F..%2F..%2Fadmin",
        "/pay/echo/a%2F%2e%2e",
        "/pay/echo/a%252Fb",
        "/pay/echo/a%2Fb%5Cc",
        "/pay/%2Fadmin",
    ] {
        let reply = front.call(&format!("GET {path}"), "").await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.status);
    }
    // The scope of what is called holds, and no other spelling of it leads around.
    assert_eq!(front.call("GET /pay/admin", "").await.code(), "SCOPE_MISSING");
    assert_eq!(seen.requests.load(std::sync::atomic::Ordering::SeqCst), before);
}

#[tokio::test]
async fn a_gateway_in_front_hears_the_same() {
    let (address, _) = upstream::behaving().await;
    let trusting = |settings: &mut api::gateway::Settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let front = Front::with(Behind::at(address), PlanLimits::default(), trusting).await;
    let asked = "X-Original-Method: GET\r\nX-Original-URI: /pay/echo/a%2Fb\r\n";
    assert_eq!(front.call("GET /_portico/authorize", asked).await.status, 400);
    take_encoded_slashes(&front).await;
    assert_eq!(front.call("GET /_portico/authorize", asked).await.status, 200);
}
