//! The real binary as a process of its own: started, spoken to over HTTP, killed.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

/// What every process of one instance is given.
#[derive(Clone)]
pub struct Settings(pub Vec<(String, String)>, Option<PathBuf>);

impl Settings {
    /// A data directory and ports of its own; SQLite, or the database given.
    pub fn new(data: &Path, database: Option<String>) -> Self {
        let mut settings = vec![
            ("PORTICO_DATA_DIR".to_owned(), data.display().to_string()),
            ("PORTICO_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("PORTICO_GATEWAY_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("PORTICO_SECRET_KEY".to_owned(), crate::app::TEST_KEY.to_owned()),
            ("PORTICO_LOG".to_owned(), "warn".to_owned()),
        ];
        settings.extend(database.map(|url| ("PORTICO_DATABASE_URL".to_owned(), url)));
        Self(settings, None)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portico"));
        command.args(arguments).env_clear().envs(self.0.iter().cloned());
        if let Some(directory) = &self.1 {
            command.current_dir(directory);
        }
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// Runs a command and kills it, where it has not ended by then.
    pub fn kill_after(&self, arguments: &[&str], moment: Duration) {
        let mut child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        keep(child.stderr.take().expect("its log"));
        std::thread::sleep(moment);
        child.kill().expect("a process to kill");
        child.wait().expect("its end");
    }

    /// Runs a command whose output nobody reads.
    pub fn read_nothing_of(&self, arguments: &[&str]) -> Output {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        self.run_into(arguments, writer)
    }

    /// Runs a command to its end, its output going there.
    pub fn run_into(&self, arguments: &[&str], output: impl Into<Stdio>) -> Output {
        let mut command = self.command(arguments);
        let child = command.stdout(output).stderr(Stdio::piped()).spawn().expect("the binary starts");
        child.wait_with_output().expect("its end")
    }

    /// Started in this directory.
    pub fn at(&self, directory: &Path) -> Self {
        Self(self.0.clone(), Some(directory.to_owned()))
    }

    /// Runs a command that must succeed, and gives its output.
    pub fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }
}

/// Reads a log for as long as there is one, and gives it to the test that runs, which shows it where it fails.
pub fn keep(log: ChildStderr) {
    std::thread::spawn(move || BufReader::new(log).lines().map_while(Result::ok).for_each(|line| eprintln!("{line}")));
}

/// A serving process; killed when dropped.
pub struct Instance {
    child: Child,
    /// Empty where the process has none.
    pub api: String,
    pub gateway: String,
    /// Where a process that only works says how it is.
    pub worker: String,
    pub metrics: String,
}

impl Instance {
    /// Everything in one process. Waits for the line that says where it listens.
    pub fn serve(settings: &Settings) -> Self {
        Self::serve_as(settings, "all")
    }

    /// The parts of a role.
    pub fn serve_as(settings: &Settings, role: &str) -> Self {
        let mut command = settings.command(&["serve", "--role", role]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        keep(child.stderr.take().expect("its log"));
        Self::started(child)
    }

    /// With its log going there.
    pub fn serve_logging(settings: &Settings, log: impl Into<Stdio>) -> Self {
        let mut command = settings.command(&["serve"]);
        Self::started(command.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary starts"))
    }

    fn started(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let line = lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.starts_with("listening "))
            .expect("the line that says where it listens");
        // Keep reading, or a full pipe would stop the process.
        std::thread::spawn(move || lines.for_each(drop));
        let place = |name: &str| {
            let address = line.split(' ').find_map(|word| word.strip_prefix(name));
            address.map(|address| format!("http://{address}")).unwrap_or_default()
        };
        Self { api: place("api="), gateway: place("gateway="), worker: place("worker="), metrics: place("metrics="), child }
    }

    /// No signal that it could answer: what is in flight is cut in the middle.
    pub fn kill(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("its end");
    }

    /// Asks it to stop, and waits until it has.
    pub fn terminate(mut self) -> ExitStatus {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().expect("a signal");
        assert!(asked.success());
        self.child.wait().expect("its end")
    }

    /// The end of its log, where that is a pipe.
    pub fn log(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Whether it has not ended.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// A mutation's payload, or `None` where no answer came back.
    pub async fn change(
        &self,
        http: &reqwest::Client,
        token: &str,
        field: &str,
        input_type: &str,
        input: Value,
        select: &str,
    ) -> Option<Value> {
        let query = format!(
            "mutation($input: {input_type}!) {{ {field}(input: $input) {{ {select} userErrors {{ code message path }} }} }}"
        );
        let body = json!({ "query": query, "variables": { "input": input } });
        let answer = http.post(format!("{}/graphql", self.api)).bearer_auth(token).json(&body).send().await.ok()?;
        let mut answer: Value = answer.json().await.ok()?;
        assert_eq!(answer.get("errors"), None, "{field} {input}");
        assert_eq!(answer["data"][field]["userErrors"], json!([]), "{field} {input}");
        Some(answer["data"][field].take())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Killed already, or about to be: both are fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
