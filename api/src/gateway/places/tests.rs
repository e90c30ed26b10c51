use std::sync::Arc;

use domain::rules::{method::Method, routes::Endpoint};
use entities::id::EndpointId;
use tokio_rustls::TlsConnector;

use super::{
    super::upstream::{Means, UpstreamLimits},
    *,
};
use crate::dial::{Dialer, SystemNames};

/// A product `orders` behind this upstream, at `https://api.example.com/gw`, that has these paths.
struct World {
    upstream: Upstream,
    outside: Outside,
    routes: Routes,
}

fn world(upstream: &str, outside: &str, templates: &[&str]) -> World {
    let means = Means {
        tls: TlsConnector::from(Arc::new(crate::tls::client(&[]).unwrap())),
        names: Arc::new(SystemNames),
        dialer: Dialer::default(),
        said: Arc::default(),
    };
    let upstream = Upstream::new(&upstream.parse().unwrap(), UpstreamLimits::default(), means, Arc::default()).unwrap();
    let mut routes = Routes::default();
    for (at, template) in templates.iter().enumerate() {
        let id = EndpointId(uuid::Uuid::from_u128(at as u128));
        routes.add(Endpoint { id, method: Method::Get, template: (*template).into(), scopes: Box::default() });
    }
    World { upstream, outside: Outside::new(outside), routes }
}

impl World {
    fn tell(&self, name: HeaderName, value: &str) -> String {
        let asked = HeaderValue::from_static("api.example.com");
        let mut answer = HeaderMap::new();
        answer.insert(&name, value.parse().unwrap());
        let (outside, routes, upstream) = (&self.outside, &self.routes, &self.upstream);
        Places { outside, base_path: "orders", routes, upstream, asked: Some(&asked) }.tell(&mut answer);
        answer[&name].to_str().unwrap().to_owned()
    }
}

#[test]
fn an_upstream_that_names_itself_is_told_as_the_gateway() {
    let world = world("http://10.0.0.7:8080/base", "https://api.example.com/gw", &["/", "/things/{id}"]);
    for (said, told) in [
        ("http://10.0.0.7:8080/base/things/7?a=b#c", "https://api.example.com/gw/orders/things/7?a=b#c"),
        ("HTTP://10.0.0.7:8080/base", "https://api.example.com/gw/orders"),
        ("https://10.0.0.7:8080/base/", "https://api.example.com/gw/orders/"),
        ("http://user@10.0.0.7:8080/base?x", "https://api.example.com/gw/orders/?x"),
        ("//10.0.0.7:8080/base/x", "https://api.example.com/gw/orders/x"),
        ("/base/things/7", "/gw/orders/things/7"),
        ("/base", "/gw/orders"),
        // What the gateway does not serve, and what is not the upstream.
        ("http://10.0.0.7:8080/based/x", "http://10.0.0.7:8080/based/x"),
        ("http://10.0.0.7:8080/", "http://10.0.0.7:8080/"),
        ("http://10.0.0.7/base/x", "http://10.0.0.7/base/x"),
        ("http://10.0.0.7:80801/base/x", "http://10.0.0.7:80801/base/x"),
        ("http://10.0.0.7:8080@evil.example/base/x", "http://10.0.0.7:8080@evil.example/base/x"),
        ("http://10.0.0.7:8080.evil.example/base", "http://10.0.0.7:8080.evil.example/base"),
        ("https://login.example/base/x", "https://login.example/base/x"),
        ("//login.example/base", "//login.example/base"),
        ("/login", "/login"),
        ("things/7", "things/7"),
        ("../7", "../7"),
        ("?page=2", "?page=2"),
        ("#top", "#top"),
        ("", ""),
        ("mailto:a@10.0.0.7", "mailto:a@10.0.0.7"),
        // One that goes by what it was told of its caller.
        ("/gw/orders/things/7", "/gw/orders/things/7"),
        ("https://api.example.com/gw/orders/things/7", "https://api.example.com/gw/orders/things/7"),
        ("https://api.example.com/base/things/7", "https://api.example.com/gw/orders/things/7"),
        ("https://api.example.com/gw/others/things", "https://api.example.com/gw/others/things"),
    ] {
        assert_eq!(world.tell(LOCATION, said), told, "{said}");
        assert_eq!(world.tell(CONTENT_LOCATION, said), told, "{said}");
    }
    assert_eq!(
        world.tell(
            LINK,
            r#"<http://10.0.0.7:8080/base/x?page=2>; rel="next", </base/x>; rel=first, <https://a.example/>; rel=help"#
        ),
        r#"<https://api.example.com/gw/orders/x?page=2>; rel="next", </gw/orders/x>; rel=first, <https://a.example/>; rel=help"#
    );
}

#[test]
fn the_ports_that_a_scheme_implies_are_the_same_port() {
    let plain = world("http://Orders.internal", "http://127.0.0.1:8081", &[]);
    for said in
        ["http://orders.internal/a", "http://orders.internal:80/a", "http://ORDERS.internal./a", "https://orders.internal/a"]
    {
        assert_eq!(plain.tell(LOCATION, said), "http://127.0.0.1:8081/orders/a", "{said}");
    }
    assert_eq!(plain.tell(LOCATION, "https://orders.internal:8443/a"), "https://orders.internal:8443/a");
    let six = world("https://[fd00::7]:443", "https://api.example.com", &[]);
    assert_eq!(six.tell(LOCATION, "https://[fd00::7]/a"), "https://api.example.com/orders/a");
    assert_eq!(six.tell(LOCATION, "https://[fd00::8]/a"), "https://[fd00::8]/a");
    let nowhere = world("http://orders.internal", "http://0.0.0.0:8081", &[]);
    assert_eq!(nowhere.tell(LOCATION, "http://orders.internal/a"), "/orders/a");
}

#[test]
fn what_may_be_the_base_path_or_the_upstreams_own_is_settled_by_the_products_paths() {
    let own = world("http://orders:8080", "https://api.example.com", &["/orders/{id}"]);
    assert_eq!(own.tell(LOCATION, "/orders/7"), "/orders/orders/7");
    assert_eq!(own.tell(LOCATION, "http://orders:8080/orders/7"), "https://api.example.com/orders/orders/7");
    assert_eq!(own.tell(LOCATION, "https://api.example.com/orders/7"), "https://api.example.com/orders/orders/7");
    assert_eq!(own.tell(LOCATION, "/orders/orders/7"), "/orders/orders/7");
    let told = world("http://orders:8080", "https://api.example.com", &["/{id}"]);
    assert_eq!(told.tell(LOCATION, "/orders/7"), "/orders/7");
    assert_eq!(told.tell(LOCATION, "/7"), "/orders/7");
    assert_eq!(told.tell(LOCATION, "/undocumented/7"), "/orders/undocumented/7");
}

#[test]
fn cookies_are_for_the_product_at_the_gateway() {
    let world = world("http://a.internal:8080/base", "https://api.example.com/gw", &[]);
    for (said, told) in [
        ("s=1; Path=/base; HttpOnly", "s=1; Path=/gw/orders; HttpOnly"),
        ("s=1; path=/base/x/; Secure", "s=1; path=/gw/orders/x; Secure"),
        ("s=1; Path=/", "s=1; Path=/gw/orders"),
        ("s=1; Path=/other", "s=1; Path=/other"),
        ("s=1; Path=/gw/orders/x", "s=1; Path=/gw/orders/x"),
        ("s=1;Domain=A.internal;Path=/base", "s=1; Domain=api.example.com; Path=/gw/orders"),
        ("s=1; Domain=.internal", "s=1; Domain=api.example.com"),
        ("s=1; Domain=other.internal", "s=1; Domain=other.internal"),
        ("s=1; Domain=login.example", "s=1; Domain=login.example"),
        ("s=1; Domain=", "s=1; Domain="),
        ("domain=a.internal; Max-Age=5", "domain=a.internal; Max-Age=5"),
        ("__Host-s=1; Path=/; Secure", "__Host-s=1; Path=/; Secure"),
        ("__Secure-s=1; Path=/; Secure", "__Secure-s=1; Path=/gw/orders; Secure"),
        ("s=\"a;b\"", "s=\"a;b\""),
    ] {
        assert_eq!(world.tell(SET_COOKIE, said), told, "{said}");
    }
    let shared = world_of_one_domain();
    assert_eq!(shared.tell(SET_COOKIE, "s=1; Domain=example.com"), "s=1; Domain=example.com");
    let nowhere = self::world("http://a.internal", "http://[::]:8081", &[]);
    assert_eq!(nowhere.tell(SET_COOKIE, "s=1; Domain=a.internal; Path=/x"), "s=1; Path=/orders/x");
}

fn world_of_one_domain() -> World {
    world("http://orders-internal.example.com", "https://api.example.com", &[])
}
