//! The harness itself.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::needs;
use crate::hbase::server::{Hbase, SHORT_FAILURES, hbase};

/// What `write.py` writes to a table of days.
fn written() -> Vec<Value> {
    let cell = |section: Value, page: Value, pv: u64, uv: u64| {
        let (site, bucket) = ("example.org", "2018-03-05");
        json!({ "site": site, "granularity": "day", "bucket": bucket, "section": section, "page": page, "pv": pv, "uv": uv })
    };
    let section = "/100%/ü\0/";
    let mut cells = vec![
        cell(Value::Null, Value::Null, u64::MAX, 3),
        cell(json!(section), Value::Null, 5, 0),
        cell(json!(section), json!("/100%25/ü:x"), 5, 2),
    ];
    cells.sort_by_key(Value::to_string);
    cells
}

fn cells(hbase: &Hbase, table: &str) -> Vec<Value> {
    let mut cells = hbase.cells(&[table]);
    cells.sort_by_key(Value::to_string);
    cells
}

#[test]
fn cells_are_read_back() {
    needs!(hbase());
    let hbase = Hbase::shared();
    hbase.create_namespace("read_back");
    for table in ["read_back_day", "read_back:x_day"] {
        hbase.create_table(table, "c", &["4", "8", "c"]);
        hbase.python("write.py", &[table]);
        assert_eq!(cells(hbase, table), written(), "{table}");
    }
    assert_eq!(hbase.cells(&["read_back_day", "read_back:x_day"]).len(), 6);
    hbase.disable_table("read_back_day");
    let output = hbase.gateway().try_python("read_back.py", &["read_back_day"]);
    assert!(!output.status.success());
    hbase.enable_table("read_back_day");
    assert_eq!(cells(hbase, "read_back_day"), written());
    hbase.drop_table("read_back_day");
    hbase.create_table("read_back_day", "c", &[]);
    assert!(cells(hbase, "read_back_day").is_empty());
}

#[test]
fn a_compaction_forgets_deletions() {
    needs!(hbase());
    let (hbase, table) = (Hbase::shared(), "compaction_day");
    hbase.create_table(table, "c", &[]);
    hbase.python("write.py", &[table, "1000"]);
    assert_eq!(cells(hbase, table), written());
    hbase.python("delete.py", &[table, "2000"]);
    hbase.python("write.py", &[table, "1500"]);
    assert!(cells(hbase, table).is_empty(), "an older cell hides behind the deletion");
    hbase.flush_and_compact(table);
    hbase.python("write.py", &[table, "1500"]);
    assert_eq!(cells(hbase, table), written());
}

#[test]
fn a_gateway_has_settings_of_its_own() {
    needs!(hbase());
    let (hbase, table) = (Hbase::shared(), "settings_day");
    hbase.create_table(table, "c", &[]);
    let settings =
        ["hbase.regionserver.thrift.framed=true", "hbase.thrift.server.socket.read.timeout=300"];
    let mut gateway = hbase.new_gateway(&settings);
    gateway.python("write.py", &[table]);
    assert_eq!(gateway.cells(&[table]), hbase.cells(&[table]));
    let mut connection = TcpStream::connect(("127.0.0.1", gateway.port())).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(connection.read(&mut [0]).unwrap(), 0, "the gateway closes an idle connection");
    gateway.kill();
    assert!(TcpStream::connect(("127.0.0.1", gateway.port())).is_err());
    gateway.start(&[]);
    gateway.freeze();
    assert!(TcpStream::connect(("127.0.0.1", gateway.port())).is_ok());
    gateway.thaw();
    assert_eq!(gateway.cells(&[table]).len(), 3);
}

#[test]
fn a_killed_server_comes_back_with_its_cells() {
    needs!(hbase());
    let table = "killed_day";
    {
        let mut hbase = Hbase::exclusive(SHORT_FAILURES);
        hbase.create_table(table, "c", &[]);
        hbase.python("write.py", &[table]);
        hbase.freeze_hbase();
        let start = Instant::now();
        let output = hbase.gateway().try_python("read_back.py", &[table]);
        assert!(!output.status.success(), "something frozen answers");
        println!("A frozen HBase was an error after {:.1} s", start.elapsed().as_secs_f64());
        hbase.thaw_hbase();
        assert_eq!(cells(&hbase, table), written());
        hbase.kill_hbase();
        hbase.kill_gateway();
        hbase.start_gateway(SHORT_FAILURES);
        let output = hbase.gateway().try_python("read_back.py", &[table]);
        assert!(!output.status.success(), "there is nothing that could answer");
    }
    let start = Instant::now();
    let hbase = Hbase::exclusive(SHORT_FAILURES);
    println!("A killed HBase was ready again after {:.1} s", start.elapsed().as_secs_f64());
    assert_eq!(cells(&hbase, table), written());
}
