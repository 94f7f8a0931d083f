//! Lines as other programs hand them on.
//!
//! Owns: [`twelve_lines`], [`WRAPPINGS`]: every way of wrapping a line, and the format that is found there. May import:
//! serde_json. Must not know: how a wrapping is taken off.

/// Twelve page views of eight visitors: two have one address, two come by IPv6 where `with_ipv6`.
pub(crate) const VIEWS: u64 = 12;
pub(crate) const VISITORS: u64 = 8;

pub(crate) fn twelve_lines(with_ipv6: bool) -> Vec<String> {
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0";
    let odd = r#"Odd/1.0 (\"quoted\" <b>&amp;</b> [x] C:\\dir)"#;
    let v6 = ["2001:db8::7", "fd00:1:2:3:4:5:6:7"];
    let v4 = ["192.0.2.77", "192.0.2.78"];
    let last = if with_ipv6 { v6 } else { v4 };
    let visitors = [
        ("203.0.113.7", firefox),
        ("203.0.113.7", "curl/8.10.1"),
        ("198.51.100.23", firefox),
        ("198.51.100.24", "Googlebot/2.1 (+http://www.google.com/bot.html)"),
        ("192.0.2.1", "-"),
        ("192.0.2.2", odd),
        (last[0], firefox),
        (last[1], "python-requests/2.32.3"),
    ];
    let referrers = ["-", "https://www.example.com/", "-", "android-app://com.example.app/"];
    [0, 1, 2, 3, 4, 5, 6, 7, 0, 2, 6, 7]
        .into_iter()
        .enumerate()
        .map(|(number, visitor)| {
            let (host, agent) = visitors[visitor];
            let (user, referrer) = (["-", "alice"][number % 2], referrers[number % 4]);
            format!(
                "{host} - {user} [24/Nov/2026:06:00:{number:02} +0800] \"GET /list/{}.html?q={number} HTTP/1.1\" 200 512 \
                 \"{referrer}\" \"{agent}\"",
                number % 3
            )
        })
        .collect()
}

/// A way of wrapping a line.
#[derive(Clone, Copy)]
pub(crate) struct Wrapping {
    pub(crate) name: &'static str,
    /// What follows the grammar in the name of the format.
    pub(crate) format: &'static str,
    /// The line of this number inside.
    pub(crate) wrap: fn(usize, &str) -> String,
}

impl Wrapping {
    /// The log of these lines, each wrapped.
    pub(crate) fn log(&self, lines: &[String]) -> Vec<u8> {
        let wrap = |(number, line): (usize, &String)| (self.wrap)(number, line) + "\n";
        lines.iter().enumerate().map(wrap).collect::<String>().into_bytes()
    }

    #[track_caller]
    pub(crate) fn named(name: &str) -> &'static Self {
        WRAPPINGS.iter().find(|wrapping| wrapping.name == name).unwrap_or_else(|| panic!("{name}"))
    }
}

const fn of(name: &'static str, format: &'static str, wrap: fn(usize, &str) -> String) -> Wrapping {
    Wrapping { name, format, wrap }
}

/// A line as Go's encoding/json writes it.
fn go_json(line: &str) -> String {
    let text = serde_json::to_string(&format!("{line}\n")).expect("a text is JSON");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A time that differs from line to line.
fn second(number: usize) -> usize {
    number % 60
}

const SYSLOG: &str = " inside syslog";
const CRI: &str = " inside CRI";
const DOCKER_JSON: &str = " inside docker json-file";
const TIMESTAMPS: &str = " inside docker logs -t";
const COMPOSE: &str = " inside docker compose logs";
const VIRTUAL_HOST: &str = " inside a virtual host prefix";

/// Every way, the plain line first.
pub(crate) const WRAPPINGS: &[Wrapping] = &[
    of("plain", "", |_, line| line.to_owned()),
    of("fields after the user agent", "", |n, line| {
        format!("{line} \"198.51.100.{n}\" 0.{n:03} \"-\" rt={n}")
    }),
    of("a blank in front", " inside indented lines", |_, line| format!(" {line}")),
    of("tabs in front", " inside indented lines", |_, line| format!("\t\t{line}")),
    // Kubernetes and docker.
    of("CRI", CRI, |n, line| format!("2026-11-24T06:00:{:02}.1Z stdout F {line}", second(n))),
    of("CRI with an offset", CRI, |n, line| {
        format!("2026-11-24T06:00:{:02}.123456789+08:00 stderr F {line}", second(n))
    }),
    of("CRI with tags", CRI, |n, line| {
        format!("2026-11-24T06:00:{:02}.12345Z stdout F:tag {line}", second(n))
    }),
    of("docker json-file", DOCKER_JSON, |n, line| {
        format!(
            "{{\"log\":{},\"stream\":\"stdout\",\"time\":\"2026-11-24T06:00:{:02}.1Z\"}}",
            go_json(line),
            second(n)
        )
    }),
    of("docker json-file with attributes", DOCKER_JSON, |n, line| {
        format!(
            "{{\"log\":{},\"stream\":\"stdout\",\"attrs\":{{\"tag\":\"web\"}},\"time\":\"2026-11-24T06:00:{:02}.1Z\"}}",
            go_json(line),
            second(n)
        )
    }),
    of("docker logs -t", TIMESTAMPS, |n, line| {
        format!("2026-11-24T06:00:{:02}.123456789Z {line}", second(n))
    }),
    of("an export with times", TIMESTAMPS, |n, line| {
        format!("2026-11-24T06:00:{:02}+08:00 {line}", second(n))
    }),
    of("kubectl --prefix", " inside kubectl logs --prefix", |n, line| {
        format!("[pod/web-7d4b9c-{}/nginx] {line}", ["a", "b", "c"][n % 3])
    }),
    of("compose", COMPOSE, |n, line| format!("web-{}  | {line}", n % 2 + 1)),
    of("compose of old", COMPOSE, |_, line| format!("web_1      | {line}")),
    // syslog.
    of("RFC 3164", SYSLOG, |n, line| format!("Nov 24 06:00:{:02} web1 nginx: {line}", second(n))),
    of("RFC 3164 with a process id", SYSLOG, |n, line| {
        format!("Nov 24 06:00:{:02} web1 nginx[123]: {line}", second(n))
    }),
    of("RFC 3164 with a priority", SYSLOG, |n, line| {
        format!("<190>Nov 24 06:00:{:02} web1 nginx: {line}", second(n))
    }),
    of("RFC 3164 without a host", SYSLOG, |n, line| {
        format!("<13>Nov  4 06:00:{:02} nginx[7]: {line}", second(n))
    }),
    of("RFC 3164, a day of one digit", SYSLOG, |n, line| {
        format!("Nov  4 06:00:{:02} web1 nginx: {line}", second(n))
    }),
    of("ISO time", SYSLOG, |n, line| {
        format!("2026-11-24T06:00:{:02}.123456+08:00 web1 nginx: {line}", second(n))
    }),
    of("ISO time with a priority", SYSLOG, |n, line| {
        format!("<14>2026-11-24T06:00:{:02}Z web1 nginx[1]: {line}", second(n))
    }),
    of("RFC 5424", SYSLOG, |n, line| {
        format!("<190>1 2026-11-24T06:00:{:02}.123Z web1 nginx 123 - - {line}", second(n))
    }),
    of("RFC 5424 with structured data", SYSLOG, |n, line| {
        format!(
            "<190>1 2026-11-24T06:00:{:02}Z web1 nginx - ID47 [a@1 b=\"c ]\\\" d\"][e f=\"{n}\"] {line}",
            second(n)
        )
    }),
    of("RFC 5424 with a BOM", SYSLOG, |n, line| {
        format!("<190>1 2026-11-24T06:00:{:02}Z web1 nginx 123 - - \u{feff}{line}", second(n))
    }),
    // journalctl -o …
    of("journald short-precise", SYSLOG, |n, line| {
        format!("Nov 24 06:00:{:02}.123456 web1 nginx[123]: {line}", second(n))
    }),
    of("journald short-iso", SYSLOG, |n, line| {
        format!("2026-11-24T06:00:{:02}+0000 web1 nginx[123]: {line}", second(n))
    }),
    of("journald short-iso-precise", SYSLOG, |n, line| {
        format!("2026-11-24T06:00:{:02}.123456+00:00 web1 nginx[123]: {line}", second(n))
    }),
    of("journald short-full", SYSLOG, |n, line| {
        format!("Tue 2026-11-24 06:00:{:02} UTC web1 nginx[123]: {line}", second(n))
    }),
    of("journald short-monotonic", SYSLOG, |n, line| {
        format!("[ 1234.5678{:02}] web1 nginx[123]: {line}", second(n))
    }),
    of("journald short-delta", SYSLOG, |n, line| {
        format!("[ 1234.5678{:02} <    0.000012 >] web1 nginx[123]: {line}", second(n))
    }),
    of("journald short-unix", SYSLOG, |n, line| {
        format!("17324280{:02}.123456 web1 nginx[123]: {line}", second(n))
    }),
    of("journald without a host", SYSLOG, |n, line| {
        format!("Nov 24 06:00:{:02} nginx[123]: {line}", second(n))
    }),
    // grep
    of("grep -n", " inside grep -n", |n, line| format!("{}:{line}", n * 17 + 1)),
    of("grep -H", " inside grep -H", |n, line| {
        format!("{}:{line}", ["access.log", "access.log.1"][n % 2])
    }),
    of("grep -H, whole paths", " inside grep -H", |n, line| {
        format!("/var/log/my site/access.log.{}.gz:{line}", n % 3)
    }),
    of("grep -Hn", " inside grep -Hn", |n, line| format!("access.log:{}:{line}", n * 17 + 1)),
    // What servers are told to write first.
    of("a virtual host", VIRTUAL_HOST, |n, line| {
        format!("{} {line}", ["www.example.com", "shop.example.com"][n % 2])
    }),
    of("a virtual host with a port", VIRTUAL_HOST, |_, line| format!("www.example.com:443 {line}")),
    of("localhost with a port", VIRTUAL_HOST, |_, line| format!("localhost:8080 {line}")),
    of("a port after addresses", " with ports after addresses", |n, line| {
        let (host, rest) = line.split_once(' ').expect("a line has blanks");
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        format!("{host}:{} {rest}", 40_000 + n)
    }),
    of("X-Forwarded-For", " with lists of addresses", |n, line| {
        let (host, rest) = line.split_once(' ').expect("a line has blanks");
        format!("{host}, 10.0.0.{n}, 10.1.0.1 {rest}")
    }),
    of("X-Forwarded-For, some of one", " with lists of addresses", |n, line| {
        let (host, rest) = line.split_once(' ').expect("a line has blanks");
        let more = if n % 3 == 0 { String::new() } else { format!(", 10.0.0.{n}") };
        format!("{host}{more} {rest}")
    }),
    // One inside another.
    of("a virtual host in syslog", " inside a virtual host prefix inside syslog", |n, line| {
        format!("<190>Nov 24 06:00:{:02} web1 nginx: www.example.com {line}", second(n))
    }),
    of("a virtual host in CRI", " inside a virtual host prefix inside CRI", |n, line| {
        format!("2026-11-24T06:00:{:02}.1Z stdout F www.example.com:443 {line}", second(n))
    }),
    of("compose with times", " inside docker logs -t inside docker compose logs", |n, line| {
        format!("web-1  | 2026-11-24T06:00:{:02}.123456789Z {line}", second(n))
    }),
    of("kubectl with times", " inside docker logs -t inside kubectl logs --prefix", |n, line| {
        format!("[pod/web-1/nginx] 2026-11-24T06:00:{:02}.123456789Z {line}", second(n))
    }),
    of("CRI under grep", " inside CRI inside grep -H", |n, line| {
        format!("/var/log/pods/0.log:2026-11-24T06:00:{:02}.1Z stdout F {line}", second(n))
    }),
    of("syslog under grep -n", " inside syslog inside grep -n", |n, line| {
        format!("{}:Nov 24 06:00:{:02} web1 nginx: {line}", n + 1, second(n))
    }),
    of("docker json-file under grep", " inside docker json-file inside grep -H", |n, line| {
        format!(
            "x-json.log:{{\"log\":{},\"stream\":\"stdout\",\"time\":\"2026-11-24T06:00:{:02}.1Z\"}}",
            go_json(line),
            second(n)
        )
    }),
    of("syslog in docker json-file", " inside syslog inside docker json-file", |n, line| {
        let line = format!("<190>Nov 24 06:00:{:02} web1 nginx: {line}", second(n));
        format!(
            "{{\"log\":{},\"stream\":\"stdout\",\"time\":\"2026-11-24T06:00:{:02}.1Z\"}}",
            go_json(&line),
            second(n)
        )
    }),
];
