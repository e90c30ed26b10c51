//! What is noted of a call, for the request log.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::ops::request_log::Used;
use entities::{
    enums::{DenialReason, Environment, LogSink},
    id::{ClientId, CredentialId, EndpointId, ProductId, ProfileId, RequestId, TeamId},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

/// Headers that a record keeps of either side.
pub const MOST_HEADERS: usize = 30;

/// A call as it is noted while it goes on. What is not known stays empty.
pub struct Record {
    pub id: RequestId,
    /// The id as both sides are told it.
    pub id_header: HeaderValue,
    pub at: DateTime<Utc>,
    pub method: Method,
    pub target: Uri,
    pub ip: IpAddr,
    /// The portal's explorer sent it.
    pub via_explorer: bool,
    pub status: StatusCode,
    /// The answer came to its end.
    pub completed: bool,
    pub latency: Duration,
    pub denial: Option<DenialReason>,
    /// What a refusal was about, or how the answer ended; never a secret.
    pub detail: Option<Box<str>>,
    pub known: Known,
    /// What let the call in.
    pub used: Option<Used>,
    pub sink: LogSink,
    pub request_headers: HeaderMap,
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
}

/// Whose call it was and what it was for, as far as the decision got.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub team: Option<TeamId>,
    pub client: Option<ClientId>,
    pub profile: Option<ProfileId>,
    pub credential: Option<CredentialId>,
    pub product: Option<ProductId>,
    pub endpoint: Option<EndpointId>,
    pub template: Option<Arc<str>>,
    pub environment: Option<Environment>,
}
