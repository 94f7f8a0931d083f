//! Commands as bytes (RESP 2 arrays), appended to one buffer.
//!
//! Owns: [`Commands`]. May import: itoa. Must not know: connections, what commands mean.

/// A sequence of commands.
#[derive(Clone, Debug, Default)]
pub(super) struct Commands {
    bytes: Vec<u8>,
    count: usize,
}

impl Commands {
    /// Appends a whole command.
    pub(super) fn push(&mut self, arguments: &[&[u8]]) {
        self.begin(arguments.len());
        arguments.iter().for_each(|argument| self.argument(argument));
    }

    /// Begins a command of exactly `arguments` arguments, its name included.
    pub(super) fn begin(&mut self, arguments: usize) {
        self.header(b'*', arguments as u64);
        self.count += 1;
    }

    /// Appends the next argument.
    pub(super) fn argument(&mut self, argument: &[u8]) {
        self.header(b'$', argument.len() as u64);
        self.bytes.extend_from_slice(argument);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Appends the next argument, in decimal.
    pub(super) fn integer(&mut self, integer: u64) {
        self.argument(itoa::Buffer::new().format(integer).as_bytes());
    }

    fn header(&mut self, kind: u8, length: u64) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Number of commands, and so of replies.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Removes the commands and keeps the buffer.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Commands;

    #[test]
    fn arguments_may_hold_any_bytes() {
        let mut commands = Commands::default();
        commands.push(&[b"GET", b"a\r\n\0b"]);
        commands.begin(4);
        commands.argument(b"ZADD");
        commands.argument("ü".as_bytes());
        commands.integer(u64::MAX);
        commands.argument(b"");
        let expected = "*2\r\n$3\r\nGET\r\n$5\r\na\r\n\0b\r\n\
                        *4\r\n$4\r\nZADD\r\n$2\r\nü\r\n$20\r\n18446744073709551615\r\n$0\r\n\r\n";
        assert_eq!(str::from_utf8(commands.bytes()), Ok(expected));
        assert_eq!(commands.count(), 2);
        commands.clear();
        assert_eq!((commands.count(), commands.bytes()), (0, &[][..]));
    }
}
