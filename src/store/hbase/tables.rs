//! The tables: made if they are missing, looked at if they are there.
//!
//! Owns: [`prepare`] and its sentences. May import: `gateway`, `patience`, `keys` (tables). Must not know: rows.

use std::time::{Duration, Instant};

use super::Trouble;
use super::address::Address;
use super::failure::Failure;
use super::gateway::{Creation, Family, Gateway};
use super::keys::{FAMILY, Table};
use super::patience::persist;

/// Makes missing tables and checks the others. Returns what the user should know about those that were made.
pub(super) fn prepare(
    gateway: &mut Gateway,
    address: &Address,
) -> std::result::Result<Option<String>, Trouble> {
    let there = persist(gateway, address, Gateway::table_names)?;
    let mut made = Vec::new();
    for table in Table::EACH {
        let name = address.table(table.suffix());
        let wanted = family(table, address);
        if !there.contains(&name) {
            match persist(gateway, address, |gateway| gateway.create_table(&name, &wanted)) {
                Ok(Creation::Created) => {
                    made.push(name);
                    continue;
                }
                // Another run was faster.
                Ok(Creation::Existed) => {}
                Err(failure) => return Err(not_made(&name, failure)),
            }
        }
        check(&name, &wanted, gateway, address)?;
    }
    if made.is_empty() {
        return Ok(None);
    }
    if there.contains(&address.table(Table::Ledger.suffix())) {
        return Ok(Some(format!(
            "made the tables {}, which were missing; what they held of days that do not change is published again by \
             hitmap publish --replace",
            made.join(", ")
        )));
    }
    Ok(Some(format!(
        "made the tables {}. Each is one region until HBase splits it; for a large site create them yourself before, \
         split by the first digit of their keys: create '{}', {{NAME => 'c', VERSIONS => 1}}, SPLITS => \
         ['2','4','6','8','a','c','e']",
        made.join(", "),
        made[0]
    )))
}

/// How long the fault of the tables is looked for.
const FAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the tables cannot be written, if it is their fault: asked after a call was refused.
pub(super) fn find_fault(gateway: &mut Gateway, address: &Address) -> Option<String> {
    // The user has waited already.
    let address = &Address { timeout: address.timeout.min(FAULT_TIMEOUT), ..address.clone() };
    gateway.set_deadline(Instant::now() + address.timeout);
    let there = gateway.table_names().ok()?;
    for table in Table::EACH {
        let name = address.table(table.suffix());
        if !there.contains(&name) {
            return Some(format!(
                "table {name:?} has gone while it was written; the next run makes it again"
            ));
        }
        match check(&name, &family(table, address), gateway, address) {
            Ok(()) => {}
            Err(Trouble::Content(sentence)) => return Some(sentence),
            Err(Trouble::Gateway(_)) => return None,
        }
    }
    None
}

/// The column family of a table.
fn family(table: Table, address: &Address) -> Family {
    let ttl = address.ttl;
    let seconds = match table {
        Table::Day => ttl.day,
        Table::Hour => ttl.hour,
        Table::Minute => ttl.minute,
        Table::Week => ttl.week,
        Table::Month => ttl.month,
        Table::All | Table::Ledger => None,
    };
    Family { name: FAMILY.to_owned(), max_versions: 1, ttl_seconds: seconds }
}

fn check(
    name: &str,
    wanted: &Family,
    gateway: &mut Gateway,
    address: &Address,
) -> std::result::Result<(), Trouble> {
    // A table that another run makes is not enabled at first.
    let not_enabled = Failure::Rejected("not enabled".to_owned());
    let enabled = persist(gateway, address, |gateway| {
        gateway.is_enabled(name)?.then_some(()).ok_or_else(|| not_enabled.clone())
    });
    if enabled.as_ref() == Err(&not_enabled) {
        return Err(Trouble::Content(format!(
            "table {name:?} is disabled; enable it in HBase's shell: enable '{name}'"
        )));
    }
    enabled?;
    let there = persist(gateway, address, |gateway| gateway.families(name))?;
    let Some(found) = there.iter().find(|found| found.name == wanted.name) else {
        return Err(Trouble::Content(format!(
            "table {name:?} is not hitmap's: it has no column family {FAMILY:?}. Choose another prefix= in the URL"
        )));
    };
    if let Some(seconds) = wanted.ttl_seconds
        && found.ttl_seconds != Some(seconds)
    {
        let kept = found.ttl_seconds.map_or("for ever".to_owned(), |kept| format!("for {kept} s"));
        return Err(Trouble::Content(format!(
            "table {name:?} keeps cells {kept}, and the URL asks for {seconds} s; change the table in HBase's shell: \
             alter '{name}', {{NAME => '{FAMILY}', TTL => {seconds}}}"
        )));
    }
    Ok(())
}

fn not_made(name: &str, failure: Failure) -> Trouble {
    match &failure {
        Failure::Rejected(text) if !failure.is_lasting() => {
            Trouble::Content(format!("table {name:?} cannot be made. HBase said: {text}"))
        }
        _ => failure.into(),
    }
}
