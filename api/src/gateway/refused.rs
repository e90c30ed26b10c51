//! A refusal on its way out: noted with its call, told as problem JSON; and told again in headers where a gateway in front
//! understands nothing but a 403.

use std::{fmt::Write, net::IpAddr};

use domain::{
    limits,
    rules::{
        admission::Denial,
        denial::{self, Entry, Fixer},
        limits::Standing,
    },
};
use entities::id::RequestId;
use http::{HeaderName, HeaderValue, Response, StatusCode, header::AUTHORIZATION};

use super::{
    answer::Answer,
    claims::API_KEY,
    cors::Page,
    identity,
    meter::Call,
    refusal::{self, REQUEST_ID, Refusal},
    request_id,
};

static STATUS: HeaderName = HeaderName::from_static("x-portico-status");
static DENIAL: HeaderName = HeaderName::from_static("x-portico-denial");
static PROBLEM: HeaderName = HeaderName::from_static("x-portico-problem");

/// Who asks for decisions and may not. No denial of a call: what it describes is not looked at.
const UNTRUSTED: Entry = Entry {
    code: "UNTRUSTED_PROXY",
    status: 403,
    title: "Not a trusted proxy",
    explanation: "Only a gateway that is trusted may ask for decisions",
    remedy: "Call the API itself; or, if this address is your gateway's, list it in PORTICO_TRUSTED_PROXIES.",
    fixer: Fixer::Provider,
};

/// What will be answered, with the call that ends when it is.
pub struct Refused {
    response: Response<String>,
    code: &'static str,
    call: Call,
}

impl Refused {
    pub fn new(mut call: Call, refusal: &Refusal<'_>, standing: &Standing) -> Box<Self> {
        let mut response = Response::default();
        if let Some(record) = call.record() {
            response = refusal.answer(record.id);
            response.headers_mut().insert(&REQUEST_ID, record.id_header.clone());
        }
        refusal::tell_standing(standing, response.headers_mut());
        call.refused(refusal.reason, refusal.about);
        call.answered(response.status(), response.headers());
        Box::new(Self { response, code: denial::entry(refusal.reason).code, call })
    }

    /// Of one that asks for a decision without being trusted. It leaves no record: it was nobody's call.
    pub fn untrusted(id: RequestId, peer: IpAddr, unnoted: Call) -> Box<Self> {
        let mut response = refusal::turned_away(&UNTRUSTED, &peer.to_canonical().to_string(), id);
        response.headers_mut().insert(&REQUEST_ID, request_id::header(id));
        Box::new(Self { response, code: UNTRUSTED.code, call: unnoted })
    }

    /// The same, as a page may read it.
    pub fn to(mut self: Box<Self>, page: Option<&Page>) -> Box<Self> {
        if let Some(page) = page {
            let environment = self.call.record().and_then(|record| record.known.environment);
            page.tell(environment, self.response.headers_mut());
        }
        self
    }

    /// The same as a 403, whose headers tell the status, the code and the body. What was noted stays.
    pub fn as_403(mut self: Box<Self>) -> Box<Self> {
        let status = self.response.status();
        let problem = HeaderValue::try_from(ascii(self.response.body()));
        let headers = self.response.headers_mut();
        headers.insert(&STATUS, HeaderValue::from(status.as_u16()));
        headers.insert(&DENIAL, HeaderValue::from_static(self.code));
        if let Ok(problem) = problem {
            headers.insert(&PROBLEM, problem);
        }
        *self.response.status_mut() = StatusCode::FORBIDDEN;
        self
    }
}

impl From<Box<Refused>> for Response<Answer> {
    fn from(refused: Box<Refused>) -> Self {
        let Refused { response, call, .. } = *refused;
        response.map(|text| Answer::text(text, call))
    }
}

/// Notes and answers what the checks refused. `close`: the connection cannot be trusted to be in step any more.
pub fn denied(mut call: Call, denial: &Denial, close: bool) -> Box<Refused> {
    identity::note_denied(&mut call, &denial.known);
    let headers = call.record().map(|record| &record.request_headers);
    let presented = headers.is_some_and(|h| h.contains_key(&API_KEY) || h.contains_key(AUTHORIZATION));
    let about = denial.about.as_deref();
    let refusal = Refusal { allow: denial.allow, presented, close, ..Refusal::of(denial.reason, about) };
    Refused::new(call, &refusal, &Standing::default())
}

/// Notes and answers what the limits refused.
pub fn limited(call: Call, over: &limits::Refused) -> Box<Refused> {
    let refusal = Refusal { retry_after: Some(over.retry_after), ..Refusal::of(over.reason, None) };
    Refused::new(call, &refusal, &over.standing)
}

/// The same JSON in characters that a header can carry.
fn ascii(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        if c == ' ' || c.is_ascii_graphic() {
            line.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_a_header_is_the_same_json() {
        let value = serde_json::json!({ "detail": "für \u{1f511}\u{7f} \"a\\b\"\n" });
        let line = ascii(&value.to_string());
        assert!(HeaderValue::from_str(&line).is_ok() && line.is_ascii(), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }
}
