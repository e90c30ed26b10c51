//! Who a caller says it is, in headers that occur once each.

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

static CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
static PROFILE_ID: HeaderName = HeaderName::from_static("x-profile-id");
pub static API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a call says of itself in its headers.
#[derive(Default)]
pub struct Claims<'a> {
    pub client_id: Option<&'a str>,
    pub profile_id: Option<&'a str>,
    pub api_key: Option<&'a str>,
    pub bearer: Option<&'a str>,
    pub fault: Option<&'static str>,
}

impl<'a> Claims<'a> {
    pub fn read(headers: &'a HeaderMap) -> Self {
        let mut fault = None;
        let mut one = |name: &HeaderName, doubled: &'static str, unreadable: &'static str| {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?;
            if values.next().is_some() {
                fault = Some(doubled);
            }
            let text = value.to_str().ok();
            if text.is_none() {
                fault = Some(unreadable);
            }
            text
        };
        let client_id = one(&CLIENT_ID, "several X-Client-ID headers", "an X-Client-ID that is not ASCII");
        let profile_id = one(&PROFILE_ID, "several X-Profile-ID headers", "an X-Profile-ID that is not ASCII");
        let api_key = one(&API_KEY, "several X-API-Key headers", "an X-API-Key that is not ASCII");
        let authorization = one(&AUTHORIZATION, "several Authorization headers", "an Authorization that is not ASCII");
        Self { client_id, profile_id, api_key, bearer: authorization.and_then(bearer), fault }
    }
}

/// The same headers of a call without a fault, for as long as it is open. Shares their bytes.
pub struct Kept {
    client_id: Option<HeaderValue>,
    profile_id: Option<HeaderValue>,
    api_key: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
}

impl Kept {
    pub fn of(headers: &HeaderMap) -> Self {
        let one = |name: &HeaderName| headers.get(name).cloned();
        Self {
            client_id: one(&CLIENT_ID),
            profile_id: one(&PROFILE_ID),
            api_key: one(&API_KEY),
            authorization: one(&AUTHORIZATION),
        }
    }

    pub fn claims(&self) -> Claims<'_> {
        fn text(value: &Option<HeaderValue>) -> Option<&str> {
            value.as_ref()?.to_str().ok()
        }
        Claims {
            client_id: text(&self.client_id),
            profile_id: text(&self.profile_id),
            api_key: text(&self.api_key),
            bearer: text(&self.authorization).and_then(bearer),
            fault: None,
        }
    }
}

/// The token of a `Bearer` authorization; the scheme's case does not matter.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}
