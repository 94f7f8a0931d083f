//! Real HBase servers with Thrift gateways on free ports of 127.0.0.1, each in a folder of its own, gone with the test.
//!
//! Owns: [`Hbase`], [`Gateway`]. May import: std, serde_json. Must not know: hitmap.
//!
//! `.ci/hbase/run serve` starts and kills the processes. Its standard input is a pipe from this process, so it ends
//! everything also if this process is killed.

#![allow(dead_code, reason = "a bench that uses a part of this module includes it, too")]
#![allow(clippy::unwrap_used, reason = "a test without its server fails")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The script that installs and runs HBase, and Python with a client of HBase.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/hbase/run");

/// Whether HBase can be started at all; the reason why not.
pub(crate) fn hbase() -> Result<(), String> {
    static IS_INSTALLED: OnceLock<bool> = OnceLock::new();
    let is_installed = IS_INSTALLED.get_or_init(|| {
        let status = Command::new(SCRIPT).arg("installed").status();
        status.is_ok_and(|status| status.success())
    });
    let reason = "no HBase here (`.ci/hbase/run install` gets it; .ci/test does it)";
    is_installed.then_some(()).ok_or_else(|| reason.to_owned())
}

/// The process of `.ci/hbase/run serve`.
struct Keeper {
    child: Child,
    /// Orders and answers; nothing once the keeper is told to end.
    pipes: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    folder: PathBuf,
}

impl Keeper {
    fn start() -> Self {
        let mut command = Command::new(SCRIPT);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        // Not in the terminal's group: Ctrl-C ends the tests, and the end of the pipe does the rest.
        let mut child = command.process_group(0).spawn().unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut answers = BufReader::new(answers);
        let mut folder = String::new();
        answers.read_line(&mut folder).unwrap();
        assert!(folder.ends_with('\n'), "`{SCRIPT} serve` does not start");
        let pipes = Mutex::new(Some((orders, answers)));
        Self { child, pipes, folder: folder.trim_end().into() }
    }

    fn order(&self, order: &str) -> String {
        let mut pipes = self.pipes.lock().unwrap();
        let (orders, answers) = pipes.as_mut().unwrap();
        orders.write_all(format!("{order}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert!(answer.ends_with('\n'), "no answer to {order:?}:\n{}", self.log("serve"));
        answer.trim_end().to_owned()
    }

    /// Starts a process; its id and its port.
    fn start_process(&self, order: &str, settings: &[&str]) -> (u32, u16) {
        let answer = self.order(&[&[order], settings].concat().join(" "));
        let (process, port) = answer.split_once(' ').unwrap();
        (process.parse().unwrap(), port.parse().unwrap())
    }

    fn kill(&self, process: u32) {
        assert_eq!(self.order(&format!("kill {process}")), "killed");
    }

    /// The last lines of a log.
    fn log(&self, name: &str) -> String {
        let log = std::fs::read(self.folder.join(format!("{name}.log"))).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Waits until `condition` holds while the process runs; else says why it does not.
    fn wait(&self, name: &str, process: u32, mut condition: impl FnMut() -> Result<(), String>) {
        let start = Instant::now();
        while let Err(reason) = condition() {
            let is_running = Path::new("/proc").join(process.to_string()).exists();
            assert!(
                is_running && start.elapsed() < PATIENCE,
                "{name} does not get ready: {reason}\n{}",
                self.log(name)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.pipes.get_mut().unwrap().take();
        let _ = self.child.wait();
    }
}

/// A running HBase (ZooKeeper, master and region server in one process) with a Thrift gateway.
pub(crate) struct Hbase {
    // Before the keeper, which ends with its last owner.
    gateway: Gateway,
    keeper: Arc<Keeper>,
    process: Option<u32>,
    /// Takes the orders of `.ci/hbase/Server.java`.
    port: u16,
    settings: Vec<String>,
    gateways: AtomicU32,
}

impl Hbase {
    /// The one that all tests use that do not break it; each test has tables of its own. It ends with the process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Hbase> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// With settings of its gateway, each `KEY=VALUE`.
    pub(crate) fn start(gateway_settings: &[&str]) -> Self {
        Self::start_with(&[], gateway_settings)
    }

    /// With settings of HBase and of its gateway, each `KEY=VALUE`.
    pub(crate) fn start_with(settings: &[&str], gateway_settings: &[&str]) -> Self {
        hbase().unwrap();
        let keeper = Arc::new(Keeper::start());
        let (process, port) = keeper.start_process("hbase", settings);
        let gateway = Gateway::start_process(&keeper, "gateway", gateway_settings);
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let process = Some(process);
        let hbase = Self { gateway, keeper, process, port, settings, gateways: AtomicU32::new(1) };
        hbase.wait_until_ready();
        hbase
    }

    /// Where the gateway listens; it stays the same when the gateway starts again.
    pub(crate) fn gateway_port(&self) -> u16 {
        self.gateway.port
    }

    /// One more gateway to this HBase, on a port of its own, for a test that breaks it.
    pub(crate) fn new_gateway(&self, settings: &[&str]) -> Gateway {
        let number = self.gateways.fetch_add(1, Ordering::Relaxed);
        let gateway = Gateway::start_process(&self.keeper, &format!("gateway-{number}"), settings);
        gateway.wait_until_ready();
        gateway
    }

    /// Ends the gateway at once, as a crash would.
    pub(crate) fn kill_gateway(&mut self) {
        self.gateway.kill();
    }

    /// Starts the gateway again on the same port; waits until it answers, or, without HBase, until it listens.
    pub(crate) fn start_gateway(&mut self, settings: &[&str]) {
        self.gateway.restart_process(settings);
        match self.process {
            Some(_) => self.gateway.wait_until_ready(),
            None => self.gateway.wait_until_listening(),
        }
    }

    pub(crate) fn gateway(&mut self) -> &mut Gateway {
        &mut self.gateway
    }

    /// Ends HBase at once, as a crash would.
    pub(crate) fn kill_hbase(&mut self) {
        self.keeper.kill(self.process.take().expect("HBase runs"));
    }

    /// Starts HBase again with the data it had; waits until it and the gateway, if this runs, are ready.
    pub(crate) fn start_hbase(&mut self) {
        assert_eq!(self.process, None, "HBase runs");
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        self.process = Some(self.keeper.start_process("hbase", &settings).0);
        self.wait_until_ready();
    }

    /// Stops HBase as it is: connections stay, nothing answers. One that is frozen for 10 s may end when it thaws.
    pub(crate) fn freeze_hbase(&mut self) {
        signal(self.process.expect("HBase runs"), "STOP");
    }

    pub(crate) fn thaw_hbase(&mut self) {
        signal(self.process.expect("HBase runs"), "CONT");
    }

    /// Writes what is in memory to files, then all files of each region into one, without what was deleted.
    #[track_caller]
    pub(crate) fn flush_and_compact(&self, table: &str) {
        self.administrate(&format!("compact {table}"));
    }

    #[track_caller]
    pub(crate) fn disable_table(&self, table: &str) {
        self.administrate(&format!("disable {table}"));
    }

    #[track_caller]
    pub(crate) fn enable_table(&self, table: &str) {
        self.administrate(&format!("enable {table}"));
    }

    #[track_caller]
    pub(crate) fn create_namespace(&self, namespace: &str) {
        self.administrate(&format!("namespace {namespace}"));
    }

    /// A table with one family, cut into regions at the row keys `splits`.
    #[track_caller]
    pub(crate) fn create_table(&self, table: &str, family: &str, splits: &[&str]) {
        self.administrate(&format!("create {table} {family} {}", splits.join(" ")));
    }

    /// All cells of hitmap's tables, in the form of the rows of `--cells`, sorted by table and row key.
    #[track_caller]
    pub(crate) fn cells(&self, tables: &[&str]) -> Vec<serde_json::Value> {
        self.gateway.cells(tables)
    }

    #[track_caller]
    fn administrate(&self, order: &str) {
        self.try_administrate(order).unwrap_or_else(|error| panic!("{order}: {error}"));
    }

    fn try_administrate(&self, order: &str) -> Result<(), String> {
        let answer = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(format!("{}\n", order.trim_end()).as_bytes())?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer)?;
            Ok(answer)
        };
        let answer = answer().map_err(|error: std::io::Error| error.to_string())?;
        (answer == "ok\n").then_some(()).ok_or(answer)
    }

    fn wait_until_ready(&self) {
        let process = self.process.expect("HBase was started");
        self.keeper.wait("hbase", process, || self.try_administrate("check"));
        if self.gateway.process.is_some() {
            self.gateway.wait_until_ready();
        }
    }
}

/// A Thrift gateway, ended when it is dropped.
pub(crate) struct Gateway {
    keeper: Arc<Keeper>,
    name: String,
    process: Option<u32>,
    port: u16,
    is_framed: bool,
}

impl Gateway {
    fn start_process(keeper: &Arc<Keeper>, name: &str, settings: &[&str]) -> Self {
        let (process, port) = keeper.start_process(&format!("gateway {name}"), settings);
        let (keeper, name) = (keeper.clone(), name.to_owned());
        Self { keeper, name, process: Some(process), port, is_framed: is_framed(settings) }
    }

    fn restart_process(&mut self, settings: &[&str]) {
        assert_eq!(self.process, None, "the gateway runs");
        let order = format!("gateway {}", self.name);
        self.process = Some(self.keeper.start_process(&order, settings).0);
        self.is_framed = is_framed(settings);
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.keeper.kill(self.process.take().expect("the gateway runs"));
    }

    /// Starts it again on the same port.
    pub(crate) fn start(&mut self, settings: &[&str]) {
        self.restart_process(settings);
        self.wait_until_ready();
    }

    pub(crate) fn freeze(&mut self) {
        signal(self.process.expect("the gateway runs"), "STOP");
    }

    pub(crate) fn thaw(&mut self) {
        signal(self.process.expect("the gateway runs"), "CONT");
    }

    /// As [`Hbase::cells`], read through this gateway.
    #[track_caller]
    pub(crate) fn cells(&self, tables: &[&str]) -> Vec<serde_json::Value> {
        let output = self.python("read_back.py", tables);
        let text = String::from_utf8(output).expect("JSON is UTF-8");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs a script of this folder with the port, the transport and more arguments; its output.
    #[track_caller]
    pub(crate) fn python(&self, script: &str, arguments: &[&str]) -> Vec<u8> {
        let output = self.try_python(script, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script} {arguments:?}:\n{errors}");
        output.stdout
    }

    pub(crate) fn try_python(&self, script: &str, arguments: &[&str]) -> Output {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hbase");
        let transport = if self.is_framed { "framed" } else { "buffered" };
        let mut command = Command::new(SCRIPT);
        command.arg("python").arg(Path::new(folder).join(script));
        command.args([&self.port.to_string(), transport]).args(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn wait_until_listening(&self) {
        self.wait(|| {
            let connection = TcpStream::connect(("127.0.0.1", self.port));
            connection.map(drop).map_err(|error| error.to_string())
        });
    }

    fn wait_until_ready(&self) {
        self.wait_until_listening();
        self.wait(|| {
            let output = self.try_python("ready.py", &[]);
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            output.status.success().then_some(()).ok_or(reason)
        });
    }

    fn wait(&self, condition: impl FnMut() -> Result<(), String>) {
        let process = self.process.expect("the gateway was started");
        self.keeper.wait(&self.name, process, condition);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(process) = self.process.take()
            && !std::thread::panicking()
        {
            self.keeper.kill(process);
        }
    }
}

fn is_framed(settings: &[&str]) -> bool {
    settings.contains(&"hbase.regionserver.thrift.framed=true")
}

fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(status.unwrap().success());
}
