//! Trying a call again, as long as the user is willing to wait.
//!
//! Owns: [`persist`]. May import: `gateway`, `failure`. Must not know: what is called.
//!
//! A gateway that was started again, and an HBase that recovers from a crash, take the same call some seconds later.

use std::time::{Duration, Instant};

use super::address::Address;
use super::failure::{Failure, GatewayResult};
use super::gateway::Gateway;

/// First pause before a call is tried again; doubles each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Makes a call until it succeeds or fails for good, and at most until the address's timeout has passed. Whatever it does
/// may be done twice, and also by a call that seemed to fail.
pub(super) fn persist<T>(
    gateway: &mut Gateway,
    address: &Address,
    mut call: impl FnMut(&mut Gateway) -> GatewayResult<T>,
) -> GatewayResult<T> {
    let deadline = Instant::now() + address.timeout;
    gateway.set_deadline(deadline);
    let mut pause = PAUSE;
    let mut said = None;
    loop {
        let failure = match call(gateway) {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        if failure.is_lasting() {
            return Err(failure);
        }
        if failure != Failure::TimedOut {
            said = Some(failure);
        }
        if Instant::now() + pause >= deadline {
            // The last call may have had no time for an answer.
            return Err(said.unwrap_or(Failure::TimedOut));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
