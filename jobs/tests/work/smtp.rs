//! A mail server of our own that answers as it is told, over TCP.

use std::sync::{Arc, Mutex};

use domain::outbox::{SendMagicLink, When};
use entities::{enums::JobState, id::UserId, magic_link, user};
use jobs::{
    drain::{DrainError, drain},
    mail::{Delivery, MailSettings, Mailer},
};
use sea_orm::{ActiveModelTrait, IntoActiveModel};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::fixture::{self, Fixture};

/// Takes mail for everybody but those whose address says otherwise.
struct Server {
    url: String,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let mails = Arc::new(Mutex::new(Vec::new()));
        let taken = mails.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, taken.clone()));
            }
        });
        Self { url, mails }
    }
}

async fn serve(mut socket: TcpStream, mails: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let (reader, mut writer) = socket.split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mail.example ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => "250-mail.example\r\n250 8BITMIME\r\n",
            "RCPT" if line.contains("busy@") => "451 4.3.0 <busy@partner.example>: try again later\r\n",
            "RCPT" if line.contains("gone@") => {
                "550 5.1.1 <gone@partner.example> no such user, see https://mail.example/?token=abc\r\n"
            }
            "RCPT" if line.contains("cut@") => return Ok(()),
            "MAIL" | "RCPT" | "NOOP" | "RSET" => "250 OK\r\n",
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    mail += &line;
                    mail.push('\n');
                }
                mails.lock().expect("mails").push(mail);
                "250 OK\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "502 no such command\r\n",
        };
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

async fn mail_to(f: &Fixture, email: &str) {
    let now = f.domain.now();
    let row =
        user::Model { id: f.domain.env.id::<UserId>(), email: email.to_owned(), name: None, staff_role: None, created_at: now };
    row.into_active_model().insert(&f.domain.db).await.expect("user");
    let link = magic_link::Model {
        id: f.domain.env.id(),
        email: email.to_owned(),
        redirect_to: None,
        invitation_id: None,
        requested_ip: None,
        created_at: now,
        expires_at: now + chrono::TimeDelta::minutes(10),
        used_at: None,
    };
    let link = link.into_active_model().insert(&f.domain.db).await.expect("link").id;
    fixture::enqueue(&f.domain, SendMagicLink { link }, When::default()).await;
}

#[tokio::test]
async fn a_mail_that_the_server_takes_is_done() {
    let (f, server) = (Fixture::new().await, Server::start().await);
    let mailer = f.mailer(Delivery::Smtp(server.url.clone().into()));
    assert_eq!(mailer.check().await, Ok("the mail server answers".to_owned()));
    mail_to(&f, "ada@partner.example").await;
    assert_eq!(drain(&f.domain, &mailer).await.expect("drain"), 1);
    let mails = server.mails.lock().expect("mails").clone();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("To: ada@partner.example\n"), "{}", mails[0]);
    assert_eq!(f.jobs().await, []);
    f.close().await;
}

#[tokio::test]
async fn a_temporary_refusal_and_a_cut_connection_are_tried_again() {
    for (email, reason) in [("busy@partner.example", "the mail server answered 451"), ("cut@partner.example", "the mail server")]
    {
        let (f, server) = (Fixture::new().await, Server::start().await);
        mail_to(&f, email).await;
        let mailer = f.mailer(Delivery::Smtp(server.url.clone().into()));
        drain(&f.domain, &mailer).await.expect("nothing died");
        let job = f.jobs().await.remove(0);
        assert_eq!((job.state, job.attempts), (JobState::Ready, 1));
        assert!(job.due_at > f.domain.now());
        let kept = job.last_error.expect("a reason");
        assert!(kept.starts_with(reason) && !kept.contains('@'), "{kept}");
        f.close().await;
    }
}

#[tokio::test]
async fn a_final_refusal_kills_the_job_and_its_reason_repeats_no_address_or_link() {
    let (f, server) = (Fixture::new().await, Server::start().await);
    mail_to(&f, "gone@partner.example").await;
    let died = drain(&f.domain, &f.mailer(Delivery::Smtp(server.url.clone().into()))).await;
    assert!(matches!(&died, Err(DrainError::Died(jobs)) if jobs.len() == 1), "{died:?}");
    let job = f.jobs().await.remove(0);
    let reason = "the mail server answered 550: 5.1.1 […] no such user, see […]";
    assert_eq!((job.state, job.attempts, job.last_error.as_deref()), (JobState::Dead, 1, Some(reason)));
    f.close().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_said_in_a_line_and_waited_for() {
    let f = Fixture::new().await;
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let mailer = f.mailer(Delivery::Smtp(format!("smtp://user:secret@127.0.0.1:{port}").into()));
    let said = mailer.check().await.expect_err("nobody is there");
    assert!(said.starts_with("the mail server cannot be used: ") && !said.contains("secret"), "{said}");
    mail_to(&f, "ada@partner.example").await;
    drain(&f.domain, &mailer).await.expect("nothing died");
    assert_eq!(f.jobs().await[0].state, JobState::Ready);
    f.close().await;
}

#[test]
fn a_wrong_setting_is_named_without_its_password() {
    let settings = |from: &str, url: &str| MailSettings {
        from: from.to_owned(),
        portal_url: "http://localhost".to_owned(),
        base_url: "http://localhost".to_owned(),
        delivery: Delivery::Smtp(url.to_owned().into()),
        authorities: Vec::new(),
    };
    let wrong = |settings| Mailer::new(settings).err().expect("wrong").to_string();
    let said = wrong(settings("portal@localhost", "http://user:secret@host"));
    assert!(said.starts_with("the mail server's address is not one") && !said.contains("secret"), "{said}");
    let said = wrong(settings("nobody", "smtp://localhost"));
    assert!(said.starts_with("the sender \"nobody\" is not an address"), "{said}");
}
