//! Thrift gateways, which are processes beside HBase.
//!
//! Owns: [`Gateway`]. May import: `keeper`, serde_json. Must not know: hitmap.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use super::keeper::{Keeper, SCRIPT, exists, signal};

/// A gateway, ended when it is dropped.
pub(crate) struct Gateway {
    keeper: Arc<Keeper>,
    name: String,
    process: Option<u32>,
    port: u16,
    settings: Vec<String>,
}

impl Gateway {
    /// Only starts the process; `settings` are `KEY=VALUE`, or options of Java.
    pub(super) fn start_process(keeper: &Arc<Keeper>, name: &str, settings: &[&str]) -> Self {
        let mut gateway = Self {
            keeper: Arc::clone(keeper),
            name: name.to_owned(),
            process: None,
            port: 0,
            settings: Vec::new(),
        };
        gateway.restart_process(settings);
        gateway
    }

    /// Only starts the process, on the port that it had.
    pub(super) fn restart_process(&mut self, settings: &[&str]) {
        assert_eq!(self.process, None, "the gateway runs");
        let order = format!("gateway {}", self.name);
        let (process, port) = self.keeper.start_process(&order, settings);
        (self.process, self.port) = (Some(process), port);
        self.settings = settings.iter().map(|&setting| setting.to_owned()).collect();
    }

    /// Where it listens on 127.0.0.1, also after it was started again.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.keeper.kill(self.process.take().expect("the gateway runs"));
    }

    /// Starts it again on the same port and waits until it is ready.
    pub(crate) fn start(&mut self, settings: &[&str]) {
        self.restart_process(settings);
        self.wait_until_ready();
    }

    /// Stops it as it is: its port is open, and nothing answers.
    pub(crate) fn freeze(&mut self) {
        signal(self.process.expect("the gateway runs"), "STOP");
    }

    pub(crate) fn thaw(&mut self) {
        signal(self.process.expect("the gateway runs"), "CONT");
    }

    /// Every cell that is not zero of hitmap's tables, read by a client that is not hitmap's. Each is an object as in
    /// the rows of `--cells`. They are sorted by table as given, row key and column.
    #[track_caller]
    pub(crate) fn cells(&self, tables: &[&str]) -> Vec<serde_json::Value> {
        let output = self.python("read_back.py", tables);
        let text = String::from_utf8(output).expect("JSON is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The output of a Python script of `tests/it/hbase`. It is given the port, the transport (`buffered` or `framed`)
    /// and the arguments, and can import happybase.
    #[track_caller]
    pub(crate) fn python(&self, script: &str, arguments: &[&str]) -> Vec<u8> {
        let output = self.try_python(script, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script} {arguments:?}:\n{errors}");
        output.stdout
    }

    pub(crate) fn try_python(&self, script: &str, arguments: &[&str]) -> Output {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/hbase");
        let is_framed =
            self.settings.iter().any(|it| it == "hbase.regionserver.thrift.framed=true");
        let transport = if is_framed { "framed" } else { "buffered" };
        let mut command = Command::new(SCRIPT);
        command.arg("python").arg(folder.join(script));
        command.args([&self.port.to_string(), transport]).args(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    }

    pub(super) fn process(&self) -> Option<u32> {
        self.process
    }

    /// Starts it again unless it runs with these settings.
    pub(super) fn repair(&mut self, settings: &[&str]) {
        if self.process.is_some_and(exists) && self.settings == settings {
            return;
        }
        if let Some(process) = self.process.take() {
            self.keeper.kill(process);
        }
        self.restart_process(settings);
    }

    #[track_caller]
    pub(super) fn wait_until_listening(&self) {
        self.wait(|| {
            let connection = TcpStream::connect(("127.0.0.1", self.port));
            connection.map(drop).map_err(|error| error.to_string())
        });
    }

    /// Waits until a cell can be written to HBase and read.
    #[track_caller]
    pub(super) fn wait_until_ready(&self) {
        self.wait_until_listening();
        self.wait(|| {
            let output = self.try_python("ready.py", &[]);
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            output.status.success().then_some(()).ok_or(reason)
        });
    }

    #[track_caller]
    fn wait(&self, condition: impl FnMut() -> Result<(), String>) {
        let process = self.process.expect("the gateway was started");
        self.keeper.wait(&self.name, process, condition);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Where a test panics, the keeper may be what has failed; it ends the process later.
        if let Some(process) = self.process.take()
            && !std::thread::panicking()
        {
            self.keeper.kill(process);
        }
    }
}
