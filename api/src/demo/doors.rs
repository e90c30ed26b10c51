//! Links that sign a browser in as somebody of the demo: each works as often as it is opened, for as long as the demo runs.
//! The two lead to two names of this machine, so that one browser is both people at once.

use std::{io, net::Ipv4Addr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, LOCATION, SET_COOKIE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::env::Env;
use tokio::{net::TcpListener, sync::Mutex};

use super::person::Person;

/// What of the portal opens first.
const FIRST: &str = "/";

/// Somebody, and where their browser goes.
struct Door {
    person: Mutex<Person>,
    /// The portal under the name of this machine that is theirs.
    portal: String,
}

/// Opens doors for the provider and the partner, and gives their links. `portal`: the port of the API.
pub async fn open(owner: Person, developer: Person, portal: u16) -> io::Result<[String; 2]> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let mut router = Router::new();
    let mut links = Vec::new();
    for (person, host) in [(owner, "127.0.0.1"), (developer, "localhost")] {
        // Not to be guessed: whoever else is on this machine has no part in the demo.
        let path = format!("/{}", URL_SAFE_NO_PAD.encode(Env::system().random::<12>()));
        links.push(format!("http://{host}:{port}{path}"));
        let door = Door { person: Mutex::new(person), portal: format!("http://{host}:{portal}") };
        router = router.route(&path, get(enter).with_state(Arc::new(door)));
    }
    tokio::spawn(async move { axum::serve(listener, router).await });
    links.try_into().map_err(|_| io::Error::other("two people have two links"))
}

async fn enter(State(door): State<Arc<Door>>) -> Response {
    let mut person = door.person.lock().await;
    match person.signed_in().await {
        Ok(cookie) => {
            let cookie = format!("{cookie}; Path=/; HttpOnly; SameSite=Lax");
            let fields =
                [(LOCATION, format!("{}{FIRST}", door.portal)), (SET_COOKIE, cookie), (CACHE_CONTROL, "no-store".to_owned())];
            (StatusCode::SEE_OTHER, fields).into_response()
        }
        Err(failure) => (StatusCode::SERVICE_UNAVAILABLE, format!("{failure}: try again in a minute\n")).into_response(),
    }
}
