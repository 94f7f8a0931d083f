//! The servers behind an address: one, or the nodes of a cluster, which are found by following redirections.
//!
//! Owns: [`Nodes`]: connections, which node has which keys, MOVED and ASK. May import: `address`, `connection`,
//! `command`. Must not know: the meaning of commands.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::address::Address;
use super::command::Commands;
use super::connection::{Connection, Failure, RedisResult, Reply, Response, ServerError};

/// Pause before a command is tried again on a cluster that is moving keys.
const PAUSE: Duration = Duration::from_millis(50);
/// Most redirections in a row that are followed without a pause.
const MOST_REDIRECTIONS: usize = 16;

/// Connections by node. Node 0 is the one that the address names.
pub(super) struct Nodes {
    address: Address,
    client_name: String,
    open: Vec<Node>,
    /// The node of keys, by the text that decides it: a tag, or a whole key.
    place: HashMap<String, usize>,
}

struct Node {
    host: String,
    port: u16,
    connection: Connection,
}

impl Nodes {
    /// Connects to the node that the address names. The servers list connections under `client_name`.
    pub(super) fn connect(address: &Address, client_name: &str) -> RedisResult<Self> {
        let mut nodes = Self {
            address: address.clone(),
            client_name: client_name.to_owned(),
            open: Vec::new(),
            place: HashMap::new(),
        };
        nodes.node(&address.host, address.port)?;
        Ok(nodes)
    }

    /// The number of a node; connects to it if it is new.
    fn node(&mut self, host: &str, port: u16) -> RedisResult<usize> {
        let is_it = |node: &Node| node.host == host && node.port == port;
        if let Some(number) = self.open.iter().position(is_it) {
            return Ok(number);
        }
        let mut connection = Connection::open(&self.address.at(host, port))?;
        let mut commands = Commands::default();
        commands.push(&[b"CLIENT", b"SETNAME", self.client_name.as_bytes()]);
        commands.push(&[b"PING"]);
        let mut responses = connection.exchange(&commands)?;
        // A user may lack the permission for these commands. Then other runs cannot see that this one is alive; see `sweep`.
        if let Some(Err(error)) = responses.pop()
            && error.code != "NOPERM"
        {
            return Err(error.into());
        }
        self.open.push(Node { host: host.to_owned(), port, connection });
        Ok(self.open.len() - 1)
    }

    /// Sends one command to the node that has `place`, and follows redirections.
    pub(super) fn ask(&mut self, place: &str, command: &Commands) -> RedisResult<Reply> {
        debug_assert_eq!(command.count(), 1, "a redirection is of one command");
        let deadline = Instant::now() + self.address.timeout;
        let mut redirections = 0;
        loop {
            let number = self.place.get(place).copied().unwrap_or(0);
            let error = match self.exchange(number, command)? {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            match self.redirection(number, &error)? {
                Some(other) if error.code == "MOVED" => {
                    self.place.insert(place.to_owned(), other);
                }
                Some(other) => {
                    let mut asking = Commands::default();
                    asking.push(&[b"ASKING"]);
                    self.exchange(other, &asking)??;
                    match self.exchange(other, command)? {
                        Err(error) if error.code == "TRYAGAIN" => {}
                        response => return Ok(response?),
                    }
                }
                None if matches!(error.code.as_str(), "TRYAGAIN" | "CLUSTERDOWN") => {}
                None => return Err(error.into()),
            }
            redirections += 1;
            if error.code != "MOVED" || redirections > MOST_REDIRECTIONS {
                if Instant::now() > deadline {
                    return Err(error.into());
                }
                std::thread::sleep(PAUSE);
            }
        }
    }

    fn exchange(&mut self, number: usize, command: &Commands) -> RedisResult<Response> {
        let connection = self.at(number);
        connection.send(command)?;
        connection.receive()
    }

    /// The node that a redirection names; `None` for other errors.
    fn redirection(&mut self, from: usize, error: &ServerError) -> RedisResult<Option<usize>> {
        if error.code != "MOVED" && error.code != "ASK" {
            return Ok(None);
        }
        let strange = || Failure::Strange(format!("{} {}", error.code, error.detail));
        let place = error.detail.split(' ').nth(1).ok_or_else(strange)?;
        let (host, port) = place.rsplit_once(':').ok_or_else(strange)?;
        let port = port.parse().map_err(|_| strange())?;
        // A node that does not know its own address leaves the host empty: it is the node that was asked.
        let host = if host.is_empty() { self.open[from].host.clone() } else { host.to_owned() };
        self.node(host.trim_matches(['[', ']']), port).map(Some)
    }

    /// The node that has all keys of `place`, found by asking for `key`, one of them. Waits while they are being moved.
    pub(super) fn locate(&mut self, place: &str, key: &str) -> RedisResult<usize> {
        let mut command = Commands::default();
        command.push(&[b"EXISTS", key.as_bytes()]);
        let deadline = Instant::now() + self.address.timeout;
        loop {
            let number = self.place.get(place).copied().unwrap_or(0);
            let error = match self.exchange(number, &command)? {
                Ok(_) => return Ok(number),
                Err(error) => error,
            };
            match error.code.as_str() {
                "MOVED" => {
                    if let Some(other) = self.redirection(number, &error)? {
                        self.place.insert(place.to_owned(), other);
                    }
                }
                "ASK" | "TRYAGAIN" | "CLUSTERDOWN" => std::thread::sleep(PAUSE),
                _ => return Err(error.into()),
            }
            if Instant::now() > deadline {
                return Err(error.into());
            }
        }
    }

    /// The connection to a node.
    pub(super) fn at(&mut self, number: usize) -> &mut Connection {
        &mut self.open[number].connection
    }
}
