//! Pages that call the gateway (CORS, Fetch section 3.2), where staff allow their origins: preflights are answered before anybody
//! is asked who they are, and every answer, a refusal too, may be read by the page. Where no origins are set nothing is said, and
//! what the upstream says passes.

use std::sync::Arc;

use domain::rules::{
    cors::{Allowed, Origins, are_sane},
    method::Methods,
    path,
    routes::Found,
    view::{Product, View, place},
};
use entities::enums::Environment;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, ORIGIN, VARY,
    },
};

use super::{
    Core,
    answer::Answer,
    came::Came,
    refusal::{NO_STORE, REQUEST_ID},
    request_id,
};

/// What the gateway's answers have that a page could not read else. What an upstream exposes besides is kept.
const EXPOSED: &str = "X-Request-ID, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, Allow, ETag, Link, Location, \
                       X-Portico-Mock";
/// How long a browser may remember a preflight's answer, in seconds: what is allowed no longer is asked for again after that.
const REMEMBER: HeaderValue = HeaderValue::from_static("600");
const YES: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// What an upstream may have said of it; ours stands in its place.
static SAID: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// A call that pages may make.
pub struct Page {
    product: Arc<Product>,
    origin: Option<HeaderValue>,
}

impl Page {
    /// Of a request that comes from a page; `None` where its path leads to no product with origins.
    pub(super) fn of(core: &Core, target: &Uri, headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(ORIGIN) {
            return None;
        }
        let read = path::read(target.path()).ok()?;
        let product = core.live.snapshot().product(read.base)?;
        has_origins(&product).then(|| Self { product, origin: only(headers, &ORIGIN).cloned() })
    }

    /// Of one that comes from a program: a cache has to know that pages would be told more.
    pub fn of_program(product: &Arc<Product>) -> Option<Self> {
        has_origins(product).then(|| Self { product: product.clone(), origin: None })
    }

    /// Says what a page may read. `environment`: whose answer it is; where that is not known, any of the product's says it.
    pub fn tell(&self, environment: Option<Environment>, fields: &mut HeaderMap) {
        let of: &[Environment] = environment.as_slice();
        let of = if of.is_empty() { &Environment::ALL[..] } else { of };
        let set = || of.iter().map(|environment| origins(&self.product, *environment)).filter(|origins| origins.is_set());
        if set().next().is_none() {
            return;
        }
        let exposed = exposed(fields);
        for name in &SAID {
            fields.remove(name);
        }
        if set().any(|origins| *origins != Origins::Any) {
            vary(fields);
        }
        let Some(origin) = &self.origin else { return };
        let allowed = set().map(|origins| origins.allow(origin.as_bytes())).max_by_key(|allowed| *allowed as u8);
        if allow(allowed.unwrap_or(Allowed::No), origin, fields) {
            fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    /// What a preflight is told; `None` where this is none, or nothing of ours to answer.
    pub fn preflight(&self, method: &Method, target: &Uri, headers: &HeaderMap) -> Option<HeaderMap> {
        let (Some(origin), true) = (&self.origin, *method == Method::OPTIONS) else { return None };
        only(headers, &ACCESS_CONTROL_REQUEST_METHOD)?;
        if !self.product.callable {
            return None;
        }
        let read = path::read(target.path()).ok()?;
        let mut fields = HeaderMap::new();
        let (mut found, mut methods, mut best) = (false, Methods::NONE, Allowed::No);
        for environment in Environment::ALL {
            let Found::OtherMethods(there) = self.product.routes(environment).find(read.rest, None).ok()? else { continue };
            let origins = origins(&self.product, environment);
            found |= origins.is_set();
            let allowed = origins.allow(origin.as_bytes());
            if allowed != Allowed::No {
                methods = methods.union(there);
                best = if allowed as u8 > best as u8 { allowed } else { best };
            }
        }
        if !found {
            return None;
        }
        vary(&mut fields);
        if allow(best, origin, &mut fields) {
            if let Ok(methods) = HeaderValue::try_from(methods.to_string()) {
                fields.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            let asked = only(headers, &ACCESS_CONTROL_REQUEST_HEADERS).filter(|asked| are_sane(asked.as_bytes()));
            if let Some(asked) = asked {
                fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
            fields.insert(ACCESS_CONTROL_MAX_AGE, REMEMBER);
        }
        fields.insert(CACHE_CONTROL, NO_STORE);
        Some(fields)
    }
}

/// The answer to a preflight. It is metered, and not logged: it is nobody's call.
pub(super) fn answer(core: &Core, came: Came, fields: HeaderMap) -> Response<Answer> {
    let id = request_id::header(came.id);
    core.meter.count(StatusCode::NO_CONTENT);
    let mut response = Response::new(Answer::text("", came.unnoted()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = fields;
    response.headers_mut().insert(&REQUEST_ID, id);
    response
}

fn has_origins(product: &Product) -> bool {
    Environment::ALL.iter().any(|environment| origins(product, *environment).is_set())
}

fn origins(product: &Product, environment: Environment) -> &Origins {
    const UNSET: &Origins = &Origins::Unset;
    product.upstreams[place(environment)].as_ref().map_or(UNSET, |upstream| &upstream.origins)
}

/// Whether the page may read the answer. Never with the browser's own credentials where any page may.
fn allow(allowed: Allowed, origin: &HeaderValue, fields: &mut HeaderMap) -> bool {
    match allowed {
        Allowed::No => return false,
        Allowed::LikeAny => fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY),
        Allowed::Itself => {
            fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, YES);
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())
        }
    };
    true
}

/// The value of a field that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn exposed(fields: &HeaderMap) -> HeaderValue {
    let theirs = fields.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter().filter(|value| are_sane(value.as_bytes()));
    let mut all = EXPOSED.to_owned();
    for name in theirs.filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim) {
        // A star is a name here, for it allows nothing where credentials come along.
        if !name.is_empty() && name != "*" && !all.split(", ").any(|known| known.eq_ignore_ascii_case(name)) {
            all.push_str(", ");
            all.push_str(name);
        }
    }
    HeaderValue::try_from(all).unwrap_or(HeaderValue::from_static(EXPOSED))
}

fn vary(fields: &mut HeaderMap) {
    let named = |value: &HeaderValue| {
        let names = value.to_str().unwrap_or_default().split(',').map(str::trim);
        names.into_iter().any(|name| name == "*" || name.eq_ignore_ascii_case(ORIGIN.as_str()))
    };
    if !fields.get_all(VARY).iter().any(named) {
        fields.append(VARY, HeaderValue::from_static("Origin"));
    }
}
