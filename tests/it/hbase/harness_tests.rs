//! The harness itself: a server that is started, killed and frozen, and cells that are read back.

use std::time::Instant;

use crate::harness::needs;
use crate::hbase::server::{Hbase, hbase};

#[test]
fn a_killed_server_comes_back_with_its_cells() {
    needs!(hbase());
    let start = Instant::now();
    let mut hbase = Hbase::start(&[]);
    println!("HBase was ready after {:.1} s", start.elapsed().as_secs_f64());
    hbase.gateway().python("write.py", &["t_day"]);
    let cells = hbase.cells(&["t_day"]);
    assert_eq!(cells.len(), 3, "{cells:?}");
    hbase.kill_hbase();
    let start = Instant::now();
    hbase.start_hbase();
    println!("HBase was ready again after {:.1} s", start.elapsed().as_secs_f64());
    assert_eq!(hbase.cells(&["t_day"]), cells);
}
