//! Why a call failed, told apart by what the caller can do about it.
//!
//! Owns: [`Failure`] and its sentence. May import: `text`, the crate `thrift`, `thrift_api`, `address`. Must not
//! know: calls, what tables hold.

use super::address::Address;
use super::thrift_api::{AlreadyExists, IOError, IllegalArgument};
use crate::text;

/// `Result` with [`Failure`].
pub(super) type GatewayResult<T> = std::result::Result<T, Failure>;

/// The most that is shown of a gateway's text.
const MAX_REJECTION_CHARS: usize = 400;

/// Why a call failed. After all but [`Rejected`](Failure::Rejected) the connection is gone, and the next call makes a new
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no connection, or it broke: what the system says. The call may have been carried out. Puts may be sent
    /// again.
    Unreachable(String),
    /// The gateway did not answer in time. The call may be carried out later.
    TimedOut,
    /// The gateway or HBase refused: its text, made one line and safe to show. The connection still works. If HBase is down
    /// or too slow behind its gateway, the call is rejected, too, and a part of it may have been carried out, or will be.
    Rejected(String),
    /// The answer is longer than what is read.
    TooLong,
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
            Self::Rejected(text) => format!("{}. It said: {text}", self.advice(address)),
            Self::TooLong => "the gateway's answer is too long".to_owned(),
            Self::Protocol(what) => {
                format!("this is not HBase's Thrift gateway (hbase thrift start): {what}")
            }
        }
    }

    fn advice(&self, address: &Address) -> String {
        let shell = "in HBase's shell";
        if self.names("NamespaceNotFoundException") {
            let namespace = address.namespace.as_deref().unwrap_or("default");
            format!(
                "there is no namespace {namespace:?}; create it {shell}: create_namespace '{namespace}'"
            )
        } else if self.names("TableNotFoundException") {
            "a table has gone; the next run makes it again".to_owned()
        } else if self.names("TableNotEnabledException") {
            format!("a table is disabled; enable it {shell}: enable 'TABLE'")
        } else if self.names("NoSuchColumnFamilyException") {
            "a table has other column families than hitmap's; choose another prefix= in the URL"
                .to_owned()
        } else if self.names("AccessDeniedException") {
            "the gateway's user lacks a permission".to_owned()
        } else if self.names("KeyValue size too large") {
            "a name is longer than HBase takes; group pages (--group)".to_owned()
        } else if self.names("Internal error") {
            "the gateway failed; its log says why".to_owned()
        } else {
            "HBase refuses, or does not work".to_owned()
        }
    }

    /// Whether the gateway or HBase refused with an exception of this name.
    pub(super) fn names(&self, exception: &str) -> bool {
        matches!(self, Self::Rejected(text) if text.contains(exception))
    }

    /// Whether the same call will fail again, however long one waits. HBase calls nearly every failure one that can be
    /// tried again, so those that never pass are known by name.
    pub(super) fn is_lasting(&self) -> bool {
        const NAMES: [&str; 6] = [
            "NamespaceNotFoundException",
            "TableNotFoundException",
            "TableNotEnabledException",
            "NoSuchColumnFamilyException",
            "AccessDeniedException",
            "KeyValue size too large",
        ];
        matches!(self, Self::Protocol(_) | Self::TooLong)
            || NAMES.iter().any(|name| self.names(name))
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
            thrift::Error::Protocol(error) => Self::Protocol(match error.kind {
                thrift::ProtocolErrorKind::BadVersion => {
                    "its answer does not begin as one of Thrift's binary protocol".to_owned()
                }
                _ => one_line(&error.message),
            }),
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

/// What a Java exception's text says, as one line that is safe to show and not too long: without its stack trace and the
/// packages of classes; of an exception about several tries, the last try.
fn one_line(text: &str) -> String {
    let is_trace = |line: &&str| {
        line.starts_with("at ") || line.starts_with("... ") && line.ends_with(" more")
    };
    // A bound on the work, too: the text can be as long as an answer.
    let start: String = text.chars().take(64 * 1024).collect();
    let lines = start.lines().map(str::trim).filter(|line| !line.is_empty() && !is_trace(line));
    let (tries, others): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| line.contains(", RpcRetryingCaller{"));
    let last_try = tries.last().and_then(|line| line.split_once("}, ")).map(|(_, reason)| reason);
    let line = last_try.map_or_else(|| others.join("; "), str::to_owned);
    if line.is_empty() {
        return "nothing".to_owned();
    }
    let line = without_packages(&line);
    let mut shown: String = line.chars().take(MAX_REJECTION_CHARS).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    text::escape_terminal(&shown).into_owned()
}

/// `a.b.SomeException: c` as `SomeException: c`.
fn without_packages(line: &str) -> String {
    let word = |word: &str| {
        let class = word.rfind(['.', '$']).map(|end| &word[end + 1..]);
        let is_class = |class: &&str| class.ends_with("Exception:") || class.ends_with("Error:");
        class.filter(is_class).unwrap_or(word).to_owned()
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_stack_trace_becomes_one_short_line() {
        let tries = "a.b.RetriesExhaustedException: Failed after attempts=2, exceptions:\n\
                     2026-11-24T11:52:38.838Z, RpcRetryingCaller{start=1}, a.IOException: once\n\
                     2026-11-24T11:52:38.9Z, RpcRetryingCaller{start=2}, a.b.DownException: a.c$NoNodeException: /hbase\n";
        assert_eq!(one_line(tries), "DownException: NoNodeException: /hbase");
        let text = "org.apache.TableNotFoundException: t\n\tat a.b.C(D.java:1)\n\tat a.b\nCaused by: x\u{1b}[31m\n\t... 5 more\n";
        assert_eq!(one_line(text), "TableNotFoundException: t; Caused by: x\\x1b[31m");
        assert_eq!(one_line(" \n"), "nothing");
        let long = one_line(&"ü".repeat(100_000));
        assert_eq!(long.chars().count(), 401);
    }
}
