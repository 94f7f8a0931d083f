//! Whether a line that a grammar can read makes sense.
//!
//! Owns: [`Nonsense`], the signs that fields stand elsewhere than where the grammar looks for them. May import:
//! `combined`, `wrapping` (addresses, months). Must not know: what follows from it.
//!
//! common and combined take any word for a host and any text for a user, so most lines with something in front can be read,
//! as other visitors than the true ones. These checks look at one line; who calls them decides by many.

use super::combined::{Fields, quoted_texts};
use super::dig::is_beacon;
use super::format::HostForm;
use super::wrapping::{address, is_month, is_number};

/// Why a line that can be read is probably of another format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Nonsense {
    /// A time, a priority, a bracket, a file name or the like stands first.
    Host,
    /// The second field, or the third, has an address.
    AddressLater,
    /// The user agent is where another quoted field should be.
    UserAgentElsewhere,
    /// The two quoted fields are no referrer and no user agent.
    OtherQuotedFields,
}

impl Nonsense {
    pub(super) const ALL: [Self; 4] =
        [Self::Host, Self::AddressLater, Self::UserAgentElsewhere, Self::OtherQuotedFields];

    /// What is wrong, as the rest of a sentence that begins with "most lines can be read as combined, but".
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Host => "what stands first is neither an address nor a host name",
            Self::AddressLater => "the client's address does not stand first",
            Self::UserAgentElsewhere => {
                "another quoted field stands where the user agent should be"
            }
            Self::OtherQuotedFields => {
                "the two quoted fields after the size are not a referrer and a user agent"
            }
        }
    }
}

/// Checks a line and says in which form its host is.
pub(super) fn check(fields: &Fields<'_>, has_user_agent: bool) -> Result<HostForm, Nonsense> {
    let form = host_form(fields.record.host, fields.identity)?;
    if address(fields.identity).is_some() {
        return Err(Nonsense::AddressLater);
    }
    let words = || fields.record.user.split(|&byte| byte == b' ');
    // `- -` and `- alice` are an identity and a user: what stands before them is something else.
    let has_several_fields = words().count() > 1 && words().any(|word| word == b"-");
    if has_several_fields || words().any(|word| address(word).is_some()) {
        return Err(Nonsense::AddressLater);
    }
    // A beacon's user agent is an argument.
    let is_beacon = fields.record.request.is_some_and(|request| is_beacon(request.target));
    if has_user_agent && !is_beacon {
        check_quoted_fields(fields)?;
    }
    Ok(form)
}

fn host_form(host: &[u8], identity: &[u8]) -> Result<HostForm, Nonsense> {
    if address(host).is_some() || host == b"-" || host.starts_with(b"unix:") {
        return Ok(HostForm::Plain);
    }
    if without_port(host).is_some_and(|host| address(host).is_some()) {
        return Ok(HostForm::WithPort);
    }
    let is_name = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') || !byte.is_ascii()
    };
    let is_date = is_month(host) && is_number(identity) || starts_like_a_date(host);
    // `16-1.2.3.4` and `access.log-1.2.3.4` are what `grep -C` writes around a hit: no name ends in an address.
    let last = host.rsplit(|&byte| byte == b'-').next();
    let is_context = last.is_some_and(|last| address(last).is_some());
    if host.iter().all(is_name) && !is_date && !is_number(host) && !is_context {
        Ok(HostForm::Plain)
    } else {
        Err(Nonsense::Host)
    }
}

/// `2026-11-24`, `2026.11.24`, and what goes on from there.
fn starts_like_a_date(text: &[u8]) -> bool {
    let form = b"dddd-dd-dd";
    text.len() >= form.len()
        && text.iter().zip(form).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            form => byte == form,
        })
}

/// The first address of a list as in `X-Forwarded-For` at the start of a line, and the line from the list's last word on.
pub(super) fn split_forwarded_list(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let comma = memchr::memchr(b',', line)?;
    let first = &line[..comma];
    address(first)?;
    let mut rest = line;
    loop {
        let end = memchr::memchr(b' ', rest)?;
        if !rest[..end].ends_with(b",") {
            return Some((first, rest));
        }
        rest = &rest[end + 1..];
    }
}

/// The host of `HOST:PORT` or `[HOST]:PORT`.
pub(super) fn without_port(text: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memrchr(b':', text)?;
    let (host, port) = (&text[..colon], &text[colon + 1..]);
    if !is_number(port) || port.len() > 5 {
        return None;
    }
    match host.strip_prefix(b"[") {
        Some(host) => host.strip_suffix(b"]"),
        None => (!host.is_empty() && !host.contains(&b':')).then_some(host),
    }
}

fn check_quoted_fields(fields: &Fields<'_>) -> Result<(), Nonsense> {
    let (referrer, agent) = (fields.record.referrer, fields.record.user_agent);
    if is_user_agent(agent) {
        return Ok(());
    }
    let is_other = is_no_user_agent(agent);
    let is_before = (is_blank_field(agent) || is_other) && is_user_agent(referrer);
    if is_before || quoted_texts(fields.rest).any(is_user_agent) {
        return Err(Nonsense::UserAgentElsewhere);
    }
    let is_wrong = is_other || !is_referrer(referrer) && !is_blank_field(agent);
    if is_wrong { Err(Nonsense::OtherQuotedFields) } else { Ok(()) }
}

/// What servers write for a header that was not sent.
fn is_blank_field(text: &[u8]) -> bool {
    matches!(text, b"" | b"-")
}

/// `Mozilla/5.0 (…`, `curl/8.1`: a product and its version (RFC 9110, section 10.1.5) at the beginning, but for `HTTP/1.1`.
fn is_user_agent(text: &[u8]) -> bool {
    let name = text
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b" ._-+".contains(byte))
        .count();
    let version = text[name..].strip_prefix(b"/").and_then(<[u8]>::first);
    name > 0
        && text[0].is_ascii_alphabetic()
        && version.is_some_and(u8::is_ascii_digit)
        && !text[..name].eq_ignore_ascii_case(b"http")
}

/// A header `Referer`, as browsers and crawlers send it: missing, or a URL, which may lack its scheme.
fn is_referrer(text: &[u8]) -> bool {
    let has_scheme = memchr::memmem::find(text, b"://").is_some_and(|at| {
        at > 0
            && text[..at].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(byte))
    });
    is_blank_field(text)
        || has_scheme
        || text.starts_with(b"/")
        || text.starts_with(b"about:")
        || text.starts_with(b"www.")
        || memchr::memchr(b'/', text).is_some_and(|at| text[..at].contains(&b'.'))
}

/// Words that servers log of caches, connections, requests and devices, and that no client calls itself, in any case.
const WORDS: &str = "hit miss pass bypass expired stale updating revalidated http https h2 h2c h3 close keep-alive . p \
                     true false yes no on off post head options delete patch desktop mobile tablet bot gzip br zstd \
                     deflate identity localhost";

/// How other texts begin that servers log: ciphers, protocols, content types, states of caches, sockets.
const BEGINNINGS: &str = "TLS SSLv ECDHE- DHE- AES CHACHA20 HTTP/ http/ http:// https:// text/ image/ audio/ video/ font/ \
                          application/ multipart/ */* TCP_ unix:";

/// What no client calls itself: a number, a date, an address, a URL, a host name, an id, a code, a language, `NAME=VALUE`,
/// and what servers log of connections and the like.
fn is_no_user_agent(text: &[u8]) -> bool {
    let all = |is_one: fn(&u8) -> bool| !text.is_empty() && text.iter().all(is_one);
    let has_digit = text.iter().any(u8::is_ascii_digit);
    let is_numeric = has_digit && all(|byte| byte.is_ascii_digit() || b" .,:-".contains(byte));
    // A request's id, also as a UUID.
    let is_id =
        text.len() >= 16 && has_digit && all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let is_host = text.contains(&b'.')
        && all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:".contains(byte));
    // A country, a currency, an airport, a method: DE, DEU, EUR, FRA, GET.
    let is_code = (2..=3).contains(&text.len()) && all(u8::is_ascii_uppercase);
    let name = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    let is_pair = matches!(name.count(), length if length > 0 && text.get(length) == Some(&b'='));
    // `en-US,en;q=0.9`, `gzip, br`: a header's list is what its first item is.
    let first = text.split(|byte| b",;".contains(byte)).next().unwrap_or_default();
    let is_word = WORDS.split(' ').any(|word| first.eq_ignore_ascii_case(word.as_bytes()));
    is_numeric
        || is_id
        || is_host
        || is_code
        || is_pair
        || is_word
        || is_language(first)
        || starts_like_a_date(text)
        || BEGINNINGS.split(' ').any(|beginning| text.starts_with(beginning.as_bytes()))
        || address(text).is_some()
}

/// `de`, `en-US`: a tag as in `Accept-Language` (RFC 5646).
fn is_language(text: &[u8]) -> bool {
    let mut parts = text.split(|&byte| byte == b'-');
    parts.clone().count() <= 2
        && parts.all(|part| part.len() == 2 && part.iter().all(u8::is_ascii_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::super::combined::fields;
    use super::super::time::Clock;
    use super::{HostForm, Nonsense, check, is_no_user_agent, is_user_agent};

    fn check_line(line: &str, has_user_agent: bool, expected: Result<HostForm, Nonsense>) {
        let mut clock = Clock::default();
        let fields = fields(line.as_bytes(), has_user_agent, &mut clock).unwrap();
        assert_eq!(check(&fields, has_user_agent), expected, "{line}");
    }

    #[test]
    fn hosts_identities_and_users() {
        let end = "[05/Mar/2018:00:00:01 +0800] \"GET / HTTP/1.1\" 200 5";
        for (start, expected) in [
            ("1.2.3.4 - -", Ok(HostForm::Plain)),
            ("2001:db8::1 - -", Ok(HostForm::Plain)),
            ("fe80::1%eth0 - alice", Ok(HostForm::Plain)),
            ("piweba3y.prodigy.com - -", Ok(HostForm::Plain)),
            ("localhost - John Smith", Ok(HostForm::Plain)),
            ("- - -", Ok(HostForm::Plain)),
            ("unix: - -", Ok(HostForm::Plain)),
            ("Nov - -", Ok(HostForm::Plain)),
            ("1.2.3.4:5678 - -", Ok(HostForm::WithPort)),
            ("[::1]:5678 - -", Ok(HostForm::WithPort)),
            ("1.2.3.4, 10.0.0.1 - -", Err(Nonsense::Host)),
            ("Nov 24 06:00:00 web1 nginx: 1.2.3.4 - -", Err(Nonsense::Host)),
            ("2026-11-24T06:00:00.1Z stdout F 1.2.3.4 - -", Err(Nonsense::Host)),
            ("<190>Nov 24 06:00:00 web1 nginx: 1.2.3.4 - -", Err(Nonsense::Host)),
            ("www.example.com:443 1.2.3.4 - -", Err(Nonsense::Host)),
            ("www.example.com 1.2.3.4 - -", Err(Nonsense::AddressLater)),
            ("www.example.com client.example.net - -", Err(Nonsense::AddressLater)),
            ("[pod/web/nginx] 1.2.3.4 - -", Err(Nonsense::Host)),
            ("web_1 | 1.2.3.4 - -", Err(Nonsense::AddressLater)),
            ("stdout F client.example.net - -", Err(Nonsense::AddressLater)),
            ("web_1 | client.example.net - -", Err(Nonsense::AddressLater)),
            (
                "www.example.com <190>1 - web1 nginx 1 - - client - alice",
                Err(Nonsense::AddressLater),
            ),
            ("access.log:1.2.3.4 - -", Err(Nonsense::Host)),
            ("12:1.2.3.4 - -", Err(Nonsense::Host)),
            ("17 1.2.3.4 - -", Err(Nonsense::Host)),
            ("16-1.2.3.4 - -", Err(Nonsense::Host)),
            ("access.log-16-1.2.3.4 - -", Err(Nonsense::Host)),
            ("16-1-2-3-4.example - -", Ok(HostForm::Plain)),
        ] {
            check_line(&format!("{start} {end}"), false, expected);
        }
    }

    #[test]
    fn quoted_fields() {
        let start = "1.2.3.4 - - [05/Mar/2018:00:00:01 +0800] \"GET / HTTP/1.1\" 200 5";
        let browser = "\"Mozilla/5.0 (X11; Linux x86_64)\"";
        for (fields, expected) in [
            (format!("\"-\" {browser}"), Ok(())),
            ("\"-\" \"-\"".to_owned(), Ok(())),
            ("\"\" \"agent\"".to_owned(), Ok(())),
            (format!("\"https://a.example/\" {browser} \"1.2.3.4\" 0.003"), Ok(())),
            ("\"free money\" \"curl/8.1\"".to_owned(), Ok(())),
            ("\"-\" \"-\" \"0.003\"".to_owned(), Ok(())),
            (format!("\"0.003\" \"-\" {browser}"), Err(Nonsense::UserAgentElsewhere)),
            (format!("\"h\" \"http://a/\" {browser}"), Err(Nonsense::UserAgentElsewhere)),
            (format!("\"-\" \"HIT\" \"-\" {browser}"), Err(Nonsense::UserAgentElsewhere)),
            (format!("\"h\" \"-\" id {browser} \"-\""), Err(Nonsense::UserAgentElsewhere)),
            (format!("{browser} \"1.2.3.4\""), Err(Nonsense::UserAgentElsewhere)),
            ("\"0.003\" \"0.001\"".to_owned(), Err(Nonsense::OtherQuotedFields)),
            ("\"-\" \"0.001\"".to_owned(), Err(Nonsense::OtherQuotedFields)),
            ("\"TLSv1.3\" \"ECDHE-RSA\"".to_owned(), Err(Nonsense::OtherQuotedFields)),
            ("\"-\" \"10.0.0.1, 10.0.0.2\"".to_owned(), Err(Nonsense::OtherQuotedFields)),
            ("\"-\" \"-\" \"HTTP/1.1\"".to_owned(), Ok(())),
            (format!("\"HTTP/1.1\" {browser}"), Ok(())),
        ] {
            check_line(&format!("{start} {fields}"), true, expected.map(|()| HostForm::Plain));
        }
    }

    #[test]
    fn what_clients_call_themselves_and_what_not() {
        let others = "0.003 | 1, 2 | 10.0.0.1:80 | 2001:db8::1 | 2026-11-24T06:00:00+08:00 | DE | EUR | GET | POST | \
                      de | en-US | en-us,en;q=0.9 | gzip | gzip, deflate, br | Mobile | TRUE | off | . | p | h2 | \
                      http/1.1 | HTTP/2.0 | text/html | application/json; charset=utf-8 | */* | TCP_MISS:HIER_DIRECT \
                      | unix:/run/php.sock | sid=1; theme=dark | Root=1-67891233-abcdef012345678912345678";
        for other in others.split(" | ") {
            assert!(
                is_no_user_agent(other.as_bytes()) && !is_user_agent(other.as_bytes()),
                "{other}"
            );
        }
        let agents = "agent | x | Opera | Ruby | fasthttp | robots | my-tiny-bot | my-app | UA/1 | Hello, World | \
                      LumiBot 2.0 | okhttp | Java1.8 | %s%n | Mozilla | Dalvik | WWW-Mechanize | e-ink | null";
        for agent in agents.split(" | ").chain([""]) {
            assert!(!is_no_user_agent(agent.as_bytes()), "{agent}");
        }
    }
}
