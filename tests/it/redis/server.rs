//! Real Redis servers on free ports of 127.0.0.1, each in a folder of its own, gone with the test.
//!
//! Owns: [`Server`], [`Client`] (a client of its own: what is tested must not read back its own mistakes).
//! May import: std, tempfile. Must not know: hitmap.

#![allow(dead_code, reason = "a bench that uses a part of this module includes it, too")]
#![allow(clippy::unwrap_used, reason = "a test without its server fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whether the servers can be started at all; the reason why not.
pub(crate) fn redis_server() -> Result<(), String> {
    let version = Command::new("redis-server").arg("--version").output();
    let is_there = version.is_ok_and(|output| output.status.success());
    let reason = "no redis-server here (Debian: apt-get install redis-server; .ci/test does it)";
    is_there.then_some(()).ok_or_else(|| reason.to_owned())
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
    settings: Vec<String>,
}

impl Server {
    /// With an empty memory that nothing saves.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"])
    }

    pub(crate) fn start_with(settings: &[&str]) -> Self {
        redis_server().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        for _ in 0..20 {
            let port = free_port();
            let mut child = spawn(port, folder.path(), &settings);
            if wait_until_up(&mut child, port) {
                return Self { child, port, folder, settings };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("no server with {settings:?}:\n{log}");
    }

    /// The URL, with options such as `?timeout=1s`.
    pub(crate) fn url(&self, options: &str) -> String {
        format!("redis://127.0.0.1:{}{options}", self.port)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, with the data it saved.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, self.folder.path(), &self.settings);
        assert!(wait_until_up(&mut self.child, self.port), "it does not come back");
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, folder: &Path, settings: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]);
    command.args(["--logfile", "log", "--dir"]).arg(folder).args(settings).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Whether it answers; it may want a password first, which is an answer.
fn wait_until_up(child: &mut Child, port: u16) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) && child.try_wait().unwrap().is_none() {
        if let Ok(mut client) = Client::try_connect(port)
            && client.try_call(&["PING"]).is_ok_and(|reply| !reply.is_loading())
        {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// A port that nobody listens on; a cluster's node also takes the one 10,000 above.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Status(String),
    Error(String),
    Integer(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
}

impl Reply {
    fn is_loading(&self) -> bool {
        matches!(self, Self::Error(text) if text.starts_with("LOADING"))
    }

    /// As text; an integer in decimal, nothing as an empty one.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Nil => String::new(),
            Self::Status(text) => text.clone(),
            Self::Integer(integer) => integer.to_string(),
            Self::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            other => panic!("{other:?} is no text"),
        }
    }

    #[track_caller]
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            Self::List(list) => list.iter().map(Self::text).collect(),
            other => panic!("{other:?} is no list"),
        }
    }
}

/// A connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(port: u16) -> Self {
        Self::try_connect(port).unwrap()
    }

    fn try_connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self(BufReader::with_capacity(256 * 1024, stream)))
    }

    /// One command and its answer.
    #[track_caller]
    pub(crate) fn call(&mut self, arguments: &[&str]) -> Reply {
        self.try_call(arguments).unwrap()
    }

    pub(crate) fn try_call(&mut self, arguments: &[&str]) -> std::io::Result<Reply> {
        self.try_call_all(&[arguments]).map(|mut replies| replies.remove(0))
    }

    /// Several commands at once.
    pub(crate) fn try_call_all<S: AsRef<str>>(
        &mut self,
        commands: &[impl AsRef<[S]>],
    ) -> std::io::Result<Vec<Reply>> {
        let mut bytes = Vec::new();
        for command in commands {
            bytes.extend(format!("*{}\r\n", command.as_ref().len()).bytes());
            for argument in command.as_ref() {
                let argument = argument.as_ref();
                bytes.extend(format!("${}\r\n{argument}\r\n", argument.len()).bytes());
            }
        }
        self.0.get_mut().write_all(&bytes)?;
        commands.iter().map(|_| self.read()).collect()
    }

    fn read(&mut self) -> std::io::Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end_matches("\r\n").split_at(1);
        Ok(match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(rest.parse().unwrap()),
            _ if rest == "-1" => Reply::Nil,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Reply::Bytes(bytes)
            }
            "*" => {
                let list = (0..rest.parse::<usize>().unwrap()).map(|_| self.read());
                Reply::List(list.collect::<std::io::Result<_>>()?)
            }
            _ => panic!("{line:?} is no reply"),
        })
    }
}
