//! Log formats: a grammar, and what stands around its lines.
//!
//! Owns: [`Format`], [`Grammar`], [`HostForm`], their names. May import: `wrapping`. Must not know: how a format is found,
//! or read.

use std::fmt;
use std::str::FromStr;

use super::wrapping::Wrapping;

/// The grammar of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grammar {
    /// nginx `combined`, Apache `combined`: common, then `"REFERRER" "USER AGENT"`.
    Combined,
    /// Apache `common`, the NCSA Common Log Format.
    Common,
    /// Combined lines whose requests are beacons, `/dig?…url=…&ua=…`.
    Dig,
}

impl Grammar {
    /// Every grammar, in the order `--help` names them.
    pub const ALL: [Self; 3] = [Self::Combined, Self::Common, Self::Dig];

    /// The name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::Common => "common",
            Self::Dig => "dig",
        }
    }

    /// Whether lines have a referrer and a user agent.
    #[must_use]
    pub const fn has_user_agent(self) -> bool {
        !matches!(self, Self::Common)
    }

    /// Whether every hit is a beacon: a page view whatever its method, status and extension.
    #[must_use]
    pub const fn is_beacon(self) -> bool {
        matches!(self, Self::Dig)
    }
}

/// What stands in the place of the client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HostForm {
    /// An address or a host name, as written.
    #[default]
    Plain,
    /// With a port, `1.2.3.4:5678` or `[::1]:5678`: the port is left out.
    WithPort,
    /// A list as in the header `X-Forwarded-For`, `1.2.3.4, 10.0.0.1`: its first address is the client, as it says itself.
    ForwardedList,
}

impl HostForm {
    const OTHERS: [Self; 2] = [Self::WithPort, Self::ForwardedList];

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::WithPort => " with ports after addresses",
            Self::ForwardedList => " with lists of addresses",
        }
    }
}

/// Most wrappings around one another.
pub const MAX_WRAPPINGS: usize = 3;

/// How the lines of a log are read. Its text, which [`FromStr`] reads back, is what reports and databases call it:
/// `combined`, or `combined inside a virtual host prefix inside syslog`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Format {
    grammar: Grammar,
    host_form: HostForm,
    /// From the line inwards; at most [`MAX_WRAPPINGS`], and at most one of them has to be decoded.
    wrappings: Vec<Wrapping>,
}

impl From<Grammar> for Format {
    fn from(grammar: Grammar) -> Self {
        Self { grammar, host_form: HostForm::Plain, wrappings: Vec::new() }
    }
}

impl Format {
    /// The format of lines of `grammar` inside `wrappings`, the outermost first.
    pub(super) fn new(grammar: Grammar, host_form: HostForm, wrappings: &[Wrapping]) -> Self {
        Self { grammar, host_form, wrappings: wrappings.to_vec() }
    }

    /// The grammar of the lines inside their wrappings.
    #[must_use]
    pub fn grammar(&self) -> Grammar {
        self.grammar
    }

    /// What stands in the place of the client's address.
    #[must_use]
    pub fn host_form(&self) -> HostForm {
        self.host_form
    }

    /// What stands around each line, the outermost first.
    #[must_use]
    pub fn wrappings(&self) -> &[Wrapping] {
        &self.wrappings
    }

    /// Whether lines are of the grammar as they stand.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.wrappings.is_empty() && self.host_form == HostForm::Plain
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.grammar.name(), self.host_form.name())?;
        self.wrappings
            .iter()
            .rev()
            .try_for_each(|wrapping| write!(f, " inside {}", wrapping.name()))
    }
}

/// A text that is the name of no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let mut parts = text.split(" inside ");
        let first = parts.next().unwrap_or_default();
        let (name, host_form) = HostForm::OTHERS
            .into_iter()
            .find_map(|form| Some((first.strip_suffix(form.name())?, form)))
            .unwrap_or((first, HostForm::Plain));
        let grammar = Grammar::ALL.into_iter().find(|grammar| grammar.name() == name);
        let wrapping = |name| Wrapping::ALL.into_iter().find(|wrapping| wrapping.name() == name);
        let mut wrappings: Vec<Wrapping> =
            parts.map(wrapping).collect::<Option<_>>().ok_or(UnknownFormat)?;
        wrappings.reverse();
        let fits = |at: usize| wrappings[..at].iter().all(|outer| outer.can_hold(wrappings[at]));
        if wrappings.len() > MAX_WRAPPINGS || !(0..wrappings.len()).all(fits) {
            return Err(UnknownFormat);
        }
        Ok(Self { grammar: grammar.ok_or(UnknownFormat)?, host_form, wrappings })
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Grammar, HostForm, UnknownFormat};
    use crate::parse::wrapping::Wrapping;

    #[test]
    fn a_format_reads_its_own_name() {
        for grammar in Grammar::ALL {
            for host_form in [HostForm::Plain, HostForm::WithPort, HostForm::ForwardedList] {
                for outer in Wrapping::ALL {
                    let nested = [outer, Wrapping::VirtualHost];
                    let fits = outer.can_hold(Wrapping::VirtualHost);
                    for wrappings in [&[][..], &[outer], if fits { &nested } else { &[] }] {
                        let format = Format::new(grammar, host_form, wrappings);
                        assert_eq!(format.to_string().parse(), Ok(format));
                    }
                }
            }
        }
        let nested = Format::new(
            Grammar::Combined,
            HostForm::Plain,
            &[Wrapping::Syslog, Wrapping::VirtualHost],
        );
        assert_eq!(nested.to_string(), "combined inside a virtual host prefix inside syslog");
        for text in ["", "comb", "combined inside", "combined inside x", "auto"] {
            assert_eq!(text.parse::<Format>(), Err(UnknownFormat), "{text}");
        }
    }
}
