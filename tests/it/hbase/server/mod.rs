//! Real HBase servers with Thrift gateways on free ports of 127.0.0.1, each in a folder of its own, gone with the test.
//!
//! Owns: [`Hbase`]; in the sub-modules its gateways, and the script that runs the processes.
//! May import: std, serde_json. Must not know: hitmap.
//!
//! A server takes 10 s of processor time to start, so tests share two: [`Hbase::shared`] for tests that need a server
//! or break a gateway, and [`Hbase::exclusive`] for those that break HBase.

#![allow(dead_code, reason = "a bench that uses a part of this module includes it, too")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod gateway;
mod keeper;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use gateway::Gateway;
use keeper::{Keeper, PATIENCE, SCRIPT, exists, signal};

/// Settings of a gateway that answers within seconds when HBase does not, rather than after minutes.
pub(crate) const SHORT_FAILURES: &[&str] = &[
    "hbase.client.retries.number=1",
    "hbase.rpc.timeout=3000",
    "hbase.client.operation.timeout=5000",
    "hbase.client.meta.operation.timeout=5000",
    "hbase.client.scanner.timeout.period=5000",
    "hbase.ipc.client.connect.timeout=2000",
    "zookeeper.session.timeout=4000",
    "zookeeper.recovery.retry=0",
    "zookeeper.recovery.retry.intervalmill=100",
];

/// Whether HBase can be started at all; the reason why not.
pub(crate) fn hbase() -> Result<(), String> {
    static IS_INSTALLED: LazyLock<bool> = LazyLock::new(|| {
        let status = Command::new(SCRIPT).arg("installed").status();
        status.is_ok_and(|status| status.success())
    });
    let reason = "no HBase here (`.ci/hbase/run install` gets it; .ci/test does it)";
    IS_INSTALLED.then_some(()).ok_or_else(|| reason.to_owned())
}

/// An HBase (ZooKeeper, master and region server in one process) with a Thrift gateway, ended when it is dropped.
///
/// Settings are `KEY=VALUE` for hbase-site.xml, or options of Java, which begin with `-`.
pub(crate) struct Hbase {
    gateway: Gateway,
    process: Option<u32>,
    is_frozen: bool,
    /// Takes the orders of `.ci/hbase/Server.java`.
    orders_port: u16,
    settings: Vec<String>,
    gateways: AtomicU32,
    keeper: Arc<Keeper>,
}

impl Hbase {
    /// The server of all tests that do not break it. Each has tables of its own names.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<Hbase> = LazyLock::new(|| Hbase::start(&[]));
        &SHARED
    }

    /// A second one, for tests that break it. They take turns. Each gets it in good order, with the gateway's settings
    /// as given, and with the tables of the tests before.
    pub(crate) fn exclusive(gateway_settings: &[&str]) -> Exclusive {
        static EXCLUSIVE: Mutex<Option<Hbase>> = Mutex::new(None);
        let mut guard = EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out meanwhile: one that cannot be repaired is not the next test's.
        let hbase = match guard.take() {
            Some(mut hbase) => {
                hbase.gateway.repair(gateway_settings);
                hbase.recover();
                hbase
            }
            None => Self::start(gateway_settings),
        };
        *guard = Some(hbase);
        Exclusive(guard)
    }

    pub(crate) fn start(gateway_settings: &[&str]) -> Self {
        Self::start_with(&[], gateway_settings)
    }

    pub(crate) fn start_with(settings: &[&str], gateway_settings: &[&str]) -> Self {
        hbase().unwrap();
        let start = Instant::now();
        let keeper = Arc::new(Keeper::start());
        let (process, orders_port) = keeper.start_process("hbase", settings);
        let hbase = Self {
            gateway: Gateway::start_process(&keeper, "gateway", gateway_settings),
            process: Some(process),
            is_frozen: false,
            orders_port,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            gateways: AtomicU32::new(1),
            keeper,
        };
        hbase.wait_until_ready();
        println!("HBase was ready after {:.1} s", start.elapsed().as_secs_f64());
        hbase
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Where the gateway listens on 127.0.0.1, also after it was started again.
    pub(crate) fn gateway_port(&self) -> u16 {
        self.gateway.port()
    }

    /// One more gateway to this server, on a port of its own, to be broken by a test.
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

    /// Starts the gateway again, on the same port. Waits until it is ready, or without a working HBase until it listens.
    pub(crate) fn start_gateway(&mut self, settings: &[&str]) {
        self.gateway.restart_process(settings);
        if self.process.is_some() && !self.is_frozen {
            self.gateway.wait_until_ready();
        } else {
            self.gateway.wait_until_listening();
        }
    }

    /// Ends HBase at once, as a crash would.
    pub(crate) fn kill_hbase(&mut self) {
        self.keeper.kill(self.process.take().expect("HBase runs"));
        self.is_frozen = false;
    }

    /// Starts HBase again with the data it had. Waits until it is ready, and its gateway if this runs.
    pub(crate) fn start_hbase(&mut self) {
        self.start_process();
        self.wait_until_ready();
    }

    /// Stops HBase as it is: its ports are open, and nothing answers. After 40 s (the time of a ZooKeeper session) it
    /// may end when it thaws.
    pub(crate) fn freeze_hbase(&mut self) {
        signal(self.process.expect("HBase runs"), "STOP");
        self.is_frozen = true;
    }

    pub(crate) fn thaw_hbase(&mut self) {
        signal(self.process.expect("HBase runs"), "CONT");
        self.is_frozen = false;
    }

    /// Waits until HBase and its gateway are ready. Starts HBase again if it is dead or frozen, or does not get ready as
    /// it is.
    pub(crate) fn recover(&mut self) {
        let start = Instant::now();
        let is_ready = loop {
            let is_running = self.process.is_some_and(exists) && !self.is_frozen;
            if !is_running || start.elapsed() > Duration::from_secs(60) {
                break false;
            }
            if self.try_administrate("check").is_ok() {
                break true;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        if !is_ready {
            if self.process.is_some() {
                self.kill_hbase();
            }
            self.start_process();
        }
        self.wait_until_ready();
    }

    /// Writes what is in memory to files, then makes one file of those of a region, without what was deleted.
    #[track_caller]
    pub(crate) fn flush_and_compact(&self, table: &str) {
        self.administrate(&format!("compact {table}"));
    }

    /// Creates a table with one family, in regions that begin at the row keys `splits`.
    #[track_caller]
    pub(crate) fn create_table(&self, table: &str, family: &str, splits: &[&str]) {
        self.administrate(&[&["create", table, family], splits].concat().join(" "));
    }

    #[track_caller]
    pub(crate) fn disable_table(&self, table: &str) {
        self.administrate(&format!("disable {table}"));
    }

    #[track_caller]
    pub(crate) fn enable_table(&self, table: &str) {
        self.administrate(&format!("enable {table}"));
    }

    /// Deletes a table, enabled or disabled.
    #[track_caller]
    pub(crate) fn drop_table(&self, table: &str) {
        self.administrate(&format!("drop {table}"));
    }

    #[track_caller]
    pub(crate) fn create_namespace(&self, namespace: &str) {
        self.administrate(&format!("namespace {namespace}"));
    }

    /// As [`Gateway::cells`].
    #[track_caller]
    pub(crate) fn cells(&self, tables: &[&str]) -> Vec<serde_json::Value> {
        self.gateway.cells(tables)
    }

    /// As [`Gateway::python`].
    #[track_caller]
    pub(crate) fn python(&self, script: &str, arguments: &[&str]) -> Vec<u8> {
        self.gateway.python(script, arguments)
    }

    /// The folder with its data, settings and logs.
    pub(crate) fn folder(&self) -> &Path {
        self.keeper.folder()
    }

    /// The processes that run: of HBase and of its gateway.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.process.into_iter().chain(self.gateway.process()).collect()
    }

    fn start_process(&mut self) {
        assert_eq!(self.process, None, "HBase runs");
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        self.process = Some(self.keeper.start_process("hbase", &settings).0);
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        let process = self.process.expect("HBase was started");
        self.keeper.wait("hbase", process, || self.try_administrate("check"));
        if self.gateway.process().is_some() {
            self.gateway.wait_until_ready();
        }
    }

    #[track_caller]
    fn administrate(&self, order: &str) {
        self.try_administrate(order).unwrap_or_else(|error| panic!("{order}: {error}"));
    }

    fn try_administrate(&self, order: &str) -> Result<(), String> {
        let answer = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.orders_port))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(format!("{order}\n").as_bytes())?;
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer)?;
            Ok(answer)
        };
        let answer = answer().map_err(|error| error.to_string())?;
        (answer == "ok\n").then_some(()).ok_or(answer)
    }
}

/// A server that no other test uses meanwhile.
pub(crate) struct Exclusive(MutexGuard<'static, Option<Hbase>>);

impl Deref for Exclusive {
    type Target = Hbase;

    fn deref(&self) -> &Hbase {
        self.0.as_ref().expect("it was started")
    }
}

impl DerefMut for Exclusive {
    fn deref_mut(&mut self) -> &mut Hbase {
        self.0.as_mut().expect("it was started")
    }
}
