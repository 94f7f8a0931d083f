//! Why a call failed, told apart by what the caller can do about it.
//!
//! Owns: [`Failure`] and its sentence. May import: `text`, the crate `thrift`. Must not know: calls, tables.

use super::address::Address;
use super::thrift_api::{AlreadyExists, IOError, IllegalArgument};
use crate::text;

/// `Result` with [`Failure`].
pub(super) type GatewayResult<T> = std::result::Result<T, Failure>;

/// The most that is shown of a gateway's text.
const MAX_REJECTION_CHARS: usize = 400;

/// Why a call failed. After all but [`Rejected`](Failure::Rejected) the connection is gone; the next call makes a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no connection, or it broke: what the system says. The same puts may be sent again. The call may have been
    /// carried out.
    Unreachable(String),
    /// The gateway did not answer in time. The call may be carried out later.
    TimedOut,
    /// The gateway or HBase refused: its text, made one line and safe to show. The connection still works.
    Rejected(String),
    /// The gateway answered something that is no answer to the call: what it was.
    Protocol(String),
}

impl Failure {
    /// A sentence about what went wrong and what to do.
    pub(super) fn sentence(&self, address: &Address) -> String {
        match self {
            Self::Unreachable(reason) => format!("no connection to the gateway: {reason}"),
            Self::TimedOut => format!(
                "the gateway did not answer for {:?} (timeout= in the URL makes that longer)",
                address.timeout
            ),
            Self::Rejected(text) => format!("HBase refuses. It said: {text}"),
            Self::Protocol(what) => {
                format!("this is not HBase's Thrift gateway (hbase thrift start): {what}")
            }
        }
    }

    /// Whether the connection still works.
    pub(super) fn keeps_connection(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }
}

/// Failures of the connection itself are better known to `wire`, which the caller asks first.
impl From<thrift::Error> for Failure {
    fn from(error: thrift::Error) -> Self {
        use thrift::ApplicationErrorKind::{InternalError, UnknownMethod};
        match error {
            thrift::Error::Transport(error) => Self::Unreachable(error.message),
            thrift::Error::Protocol(error) => Self::Protocol(one_line(&error.message)),
            thrift::Error::Application(error) => match error.kind {
                InternalError | UnknownMethod => Self::Rejected(one_line(&error.message)),
                _ => Self::Protocol(one_line(&error.message)),
            },
            thrift::Error::User(error) => {
                let message = if let Some(error) = error.downcast_ref::<IOError>() {
                    error.message.as_deref()
                } else if let Some(error) = error.downcast_ref::<IllegalArgument>() {
                    error.message.as_deref()
                } else if let Some(error) = error.downcast_ref::<AlreadyExists>() {
                    error.message.as_deref()
                } else {
                    None
                };
                Self::Rejected(one_line(message.unwrap_or_default()))
            }
        }
    }
}

/// The lines of a Java exception's text without its stack trace, as one line that is safe to show and not too long.
fn one_line(text: &str) -> String {
    let is_trace = |line: &&str| {
        line.starts_with("at ") || line.starts_with("... ") && line.ends_with(" more")
    };
    // A bound on the work, too: the text can be as long as an answer.
    let start: String = text.chars().take(64 * 1024).collect();
    let lines: Vec<&str> =
        start.lines().map(str::trim).filter(|line| !line.is_empty() && !is_trace(line)).collect();
    let line = lines.join("; ");
    if line.is_empty() {
        return "nothing".to_owned();
    }
    let mut shown: String = line.chars().take(MAX_REJECTION_CHARS).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    text::escape_terminal(&shown).into_owned()
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_stack_trace_becomes_one_short_line() {
        let text = "org.apache.TableNotFoundException: t\n\tat a.b.C(D.java:1)\n\tat a.b\nCaused by: x\u{1b}[31m\n\t... 5 more\n";
        assert_eq!(one_line(text), "org.apache.TableNotFoundException: t; Caused by: x\\x1b[31m");
        assert_eq!(one_line(" \n"), "nothing");
        let long = one_line(&"ü".repeat(100_000));
        assert_eq!(long.chars().count(), 401);
    }
}
