//! The first seconds: several processes on one new database.

use std::time::Duration;

use crate::{
    home::Home,
    instance::{Instance, Settings},
};

/// Each round is a new database; the two processes race for its first migration and, on SQLite, for its key file.
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_start_on_one_new_database() {
    for _ in 0..ROUNDS {
        let home = Home::new().await;
        let mut settings = Settings::new(home.path(), home.database_url());
        if !settings.0.iter().any(|(name, _)| name == "PORTICO_DATABASE_URL") {
            settings.0.retain(|(name, _)| name != "PORTICO_SECRET_KEY");
        }
        let other = settings.clone();
        let second = tokio::task::spawn_blocking(move || Instance::serve(&other));
        let first = Instance::serve(&settings);
        let second = second.await.expect("the second process listens");
        for instance in [&first, &second] {
            // Its worker has looked at the queue by then.
            while reqwest::get(format!("{}/readyz", instance.api)).await.expect("an answer").status() != 200 {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }
    }
}
