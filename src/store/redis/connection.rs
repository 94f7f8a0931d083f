//! One connection to one server, with a limit on every wait.
//!
//! Owns: [`Connection`], [`Reply`], [`Failure`]. May import: the crate `redis`, which no other module uses.
//! Must not know: the meaning of commands, keys.

use redis::io::tcp::TcpSettings;
use redis::{
    ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError, Value,
};

use super::address::Address;
use super::command::Commands;

/// `Result` with [`Failure`].
pub(super) type RedisResult<T> = std::result::Result<T, Failure>;

/// A server's reply to a command that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Nil,
    /// `OK`, `QUEUED` and the like.
    Status,
    Integer(i64),
    Text(Vec<u8>),
    List(Vec<Response>),
}

/// A server's response to a command: a reply, or an error that leaves the connection usable.
pub(super) type Response = std::result::Result<Reply, ServerError>;

/// An error that a server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerError {
    /// Its first word, such as `WRONGTYPE`.
    pub(super) code: String,
    /// The other words.
    pub(super) detail: String,
}

/// Why a command or the connection failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server sent an error.
    Server(ServerError),
    /// The server did not answer in time.
    Silent,
    /// There is no connection, or it broke: what the system says.
    Lost(String),
    /// The server wants credentials, or other ones.
    Credentials,
    /// The server answered something that Redis does not.
    Strange(String),
    /// The span is being moved to another node of the cluster: try again soon.
    Moving(String),
}

/// A connection, authenticated, with its database selected.
pub(super) struct Connection {
    inner: redis::Connection,
}

impl Connection {
    /// Connects. The timeout of the address limits the wait for the connection, and later for each reply and each write.
    pub(super) fn open(address: &Address) -> RedisResult<Self> {
        let place = if address.is_tls {
            ConnectionAddr::TcpTls {
                host: address.host.clone(),
                port: address.port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(address.host.clone(), address.port)
        };
        let mut settings = RedisConnectionInfo::default()
            .set_db(i64::from(address.database))
            .set_skip_set_lib_name();
        if let Some(user) = &address.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &address.password {
            settings = settings.set_password(password);
        }
        let info = place
            .into_connection_info()?
            .set_redis_settings(settings)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = redis::Client::open(info)?;
        let inner = client.get_connection_with_timeout(address.timeout)?;
        inner.set_read_timeout(Some(address.timeout))?;
        inner.set_write_timeout(Some(address.timeout))?;
        Ok(Self { inner })
    }

    /// Sends commands. Each gets a response, which [`receive`](Self::receive) returns.
    pub(super) fn send(&mut self, commands: &Commands) -> RedisResult<()> {
        Ok(self.inner.send_packed_command(commands.bytes())?)
    }

    /// Waits for the next response.
    pub(super) fn receive(&mut self) -> RedisResult<Response> {
        response(self.inner.recv_response()?)
    }

    /// Sends commands and waits for the responses to all of them.
    pub(super) fn exchange(&mut self, commands: &Commands) -> RedisResult<Vec<Response>> {
        if commands.count() == 0 {
            return Ok(Vec::new());
        }
        self.send(commands)?;
        (0..commands.count()).map(|_| self.receive()).collect()
    }

    /// As [`exchange`](Self::exchange); the first error that the server sent is a failure.
    pub(super) fn replies(&mut self, commands: &Commands) -> RedisResult<Vec<Reply>> {
        let responses: std::result::Result<Vec<_>, _> =
            self.exchange(commands)?.into_iter().collect();
        Ok(responses?)
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Silent;
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Credentials,
            ErrorKind::Io => {
                let reason = std::error::Error::source(&error).map(ToString::to_string);
                Self::Lost(reason.unwrap_or_else(|| error.to_string()))
            }
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Server(ServerError {
                code: error.code().unwrap_or("ERR").to_owned(),
                detail: error.detail().unwrap_or_default().to_owned(),
            }),
            _ => Self::Strange(error.to_string()),
        }
    }
}

impl From<ServerError> for Failure {
    /// Errors that only cluster nodes send mean that the keys are on another node, or soon will be.
    fn from(mut error: ServerError) -> Self {
        if error.code == "EXECABORT"
            && let Some((_, reason)) = error.detail.split_once("because of: ")
            && let Some((code, detail)) = reason.split_once(' ')
        {
            error = ServerError { code: code.to_owned(), detail: detail.to_owned() };
        }
        match error.code.as_str() {
            "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" => {
                Self::Moving(format!("the cluster is moving keys ({})", error.code))
            }
            _ => Self::Server(error),
        }
    }
}

fn response(value: Value) -> RedisResult<Response> {
    Ok(Ok(match value {
        Value::Nil => Reply::Nil,
        Value::Okay | Value::SimpleString(_) => Reply::Status,
        Value::Int(integer) => Reply::Integer(integer),
        Value::BulkString(bytes) => Reply::Text(bytes),
        Value::Array(values) => {
            Reply::List(values.into_iter().map(response).collect::<RedisResult<Vec<_>>>()?)
        }
        Value::ServerError(error) => {
            return Ok(Err(ServerError {
                code: error.code().to_owned(),
                detail: error.details().unwrap_or_default().to_owned(),
            }));
        }
        other => return Err(Failure::Strange(format!("a reply of another kind: {other:?}"))),
    }))
}

impl Reply {
    pub(super) fn integer(self) -> RedisResult<i64> {
        match self {
            Self::Integer(integer) => Ok(integer),
            other => Err(other.unexpected()),
        }
    }

    pub(super) fn list(self) -> RedisResult<Vec<Response>> {
        match self {
            Self::List(list) => Ok(list),
            other => Err(other.unexpected()),
        }
    }

    /// A list of texts.
    pub(super) fn texts(self) -> RedisResult<Vec<Vec<u8>>> {
        let text = |response: Response| match response? {
            Self::Text(text) => Ok(text),
            other => Err(other.unexpected()),
        };
        self.list()?.into_iter().map(text).collect()
    }

    pub(super) fn unexpected(&self) -> Failure {
        let kind = match self {
            Self::Nil => "nothing",
            Self::Status => "OK",
            Self::Integer(_) => "an integer",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
        };
        Failure::Strange(format!("it answered {kind} where something else was expected"))
    }
}

impl Failure {
    /// A sentence about what went wrong and what to do, without credentials.
    pub(super) fn sentence(&self, address: &Address) -> String {
        let Self::Server(ServerError { code, detail }) = self else {
            return match self {
                Self::Silent => format!(
                    "the server did not answer for {:?} (timeout= in the URL makes that longer)",
                    address.timeout
                ),
                Self::Lost(reason) => format!("no connection to the server: {reason}"),
                Self::Credentials if address.password.is_none() => {
                    "the server wants a password: set HITMAP_REDIS_PASSWORD".to_owned()
                }
                Self::Credentials => {
                    "the server does not accept HITMAP_REDIS_USERNAME and HITMAP_REDIS_PASSWORD"
                        .to_owned()
                }
                Self::Strange(what) => format!("this is not Redis, or too old a version: {what}"),
                Self::Moving(what) => what.clone(),
                Self::Server(_) => unreachable!("taken above"),
            };
        };
        let advice = match code.as_str() {
            "NOAUTH" => {
                return Self::Credentials.sentence(&Address { password: None, ..address.clone() });
            }
            "WRONGPASS" => return Self::Credentials.sentence(address),
            "NOPERM" => {
                "the user lacks a permission that publishing needs (see the Redis page of the guide)"
            }
            "OOM" => {
                "the server has no memory left (maxmemory); give it more, or publish less: minute_pages=0, \
                 fewer top_sections, ttl_minute"
            }
            "READONLY" => "the server is a read-only replica; name its master",
            "LOADING" => "the server is still loading its data; try again in a moment",
            "WRONGTYPE" => {
                "a key of hitmap's name holds something else; delete it, or choose another prefix= in the URL"
            }
            "MISCONF" | "NOREPLICAS" => "the server takes no writes at the moment",
            "CLUSTERDOWN" | "MASTERDOWN" => "the cluster is down",
            _ => "the server refuses",
        };
        let mut said = format!("{code} {detail}");
        for secret in [&address.password, &address.user].into_iter().flatten() {
            said = said.replace(secret.as_str(), "…");
        }
        format!("{advice}. It said: {said}")
    }
}
