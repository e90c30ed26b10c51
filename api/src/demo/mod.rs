//! `portico demo`: the whole partner journey on a throw-away instance, over real HTTP.

mod doors;
mod journey;
mod person;
mod report;
mod review;
mod upstream;

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use domain::env::Env;
use jobs::mail::Delivery;
use reqwest::{Client, redirect::Policy};
use url::Url;

use self::{
    journey::{Access, Places},
    person::{Failure, Person},
    report::Report,
};
use crate::{
    app::{App, Parts, Role},
    config::Config,
};

const OWNER: &str = "olga@harbour.example";
const DEVELOPER: &str = "dev@acme.example";

/// Walks the journey; then serves until Ctrl-C, or ends at once. Fails where a step failed.
pub async fn run(once: bool) -> ExitCode {
    let report = Report::new();
    match try_run(&report, once).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report.line(&format!("\nThe demo failed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn try_run(report: &Report, once: bool) -> Result<(), Failure> {
    let data = tempfile::Builder::new().prefix("portico-demo-").tempdir()?;
    let mails = data.path().join("mail");
    report.line("Portico: from an empty instance to a partner's first call in production.");
    let delivery = Some(Delivery::Files { directory: mails.clone(), print: None });
    let parts = Parts { delivery, ..Parts::of(Role::All) };
    let app = App::start_with(config(data.path()), Env::system(), parts).await?;
    let places = Places {
        portal: app.site.base_url.clone(),
        gateway: app.site.gateway_url.clone(),
        upstream: format!("http://{}", upstream::start().await?),
    };
    let outcome = walk(report, &places, &mails, once).await;
    if outcome.is_ok() && !once {
        tokio::signal::ctrl_c().await?;
    }
    app.stop().await;
    outcome
}

async fn walk(report: &Report, places: &Places, mails: &Path, once: bool) -> Result<(), Failure> {
    // Redirects are looked at, not followed: the session's cookie comes with one.
    let http = Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(10)).build()?;
    let mut owner = Person::new(OWNER, &places.portal, mails, http.clone());
    let mut developer = Person::new(DEVELOPER, &places.portal, mails, http.clone());
    let plan = journey::provider(report, &mut owner, places).await?;
    let sandbox = journey::partner(report, &owner, &mut developer, &plan).await?;
    review::sandbox(report, &developer, &sandbox, places, &http).await?;
    let key = review::review(report, &owner, &developer, &sandbox).await?;
    let access = Access { subscription: sandbox.subscription, key };
    journey::first_call(report, (&owner, &developer), &access, places, &http).await?;
    if !journey::checks(report, &access, places, &http).await? {
        return Err("the gateway answered otherwise than it should".into());
    }
    report.title(&format!("Done in {}.", report.total()));
    if once { Ok(()) } else { addresses(report, places, mails, (owner, developer), &access).await }
}

/// What to open next.
async fn addresses(
    report: &Report,
    places: &Places,
    mails: &Path,
    (owner, developer): (Person, Person),
    access: &Access,
) -> Result<(), Failure> {
    let port = Url::parse(&places.portal)?.port().ok_or("the portal has a port of its own")?;
    let [as_owner, as_developer] = doors::open(owner, developer, port).await?;
    report.line("\nIt goes on serving. Open, or paste into another terminal:\n");
    report.line(&format!("  the portal, as the provider {as_owner}"));
    report.line(&format!("  the portal, as the partner  {as_developer}"));
    report.line(&format!(
        "  a call through the gateway  curl -i {}/shipping/shipments -H 'X-API-Key: {}'",
        places.gateway, access.key
    ));
    report.line(&format!("  the mails that were sent    {}", mails.display()));
    report.line("\nCtrl-C ends it and leaves nothing behind.");
    Ok(())
}

/// This address, or one with a port that nothing uses.
fn free(address: SocketAddr) -> SocketAddr {
    let any = SocketAddr::new(address.ip(), 0);
    let bound = TcpListener::bind(address).or_else(|_| TcpListener::bind(any));
    bound.and_then(|listener| listener.local_addr()).unwrap_or(any)
}

fn config(data: &Path) -> Config {
    let defaults = Config::default();
    let listen = free(defaults.listen);
    Config {
        data_dir: data.to_owned(),
        listen,
        gateway_listen: free(defaults.gateway_listen),
        // The partner's browser comes by another name of this machine.
        allowed_origins: vec![format!("http://localhost:{}", listen.port())],
        admin_email: Some(OWNER.to_owned()),
        ..defaults
    }
}
