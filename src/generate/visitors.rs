//! The made-up visitors: who they are and which programs they use.
//!
//! Owns: [`VisitorPool`]. May import: `random`, `text`. Must not know: pages, time, log formats.

use super::random::{Random, Weighted, scramble};
use super::text::{push_encoded, push_hex, push_number};

/// IPv4 hosts lie in 200 blocks of 2^24.
const IPV4_BLOCKS: u64 = 200;
const IPV4_HOSTS: u64 = IPV4_BLOCKS << 24;
/// Coprime to [`IPV4_HOSTS`], so that multiplying by it gives each host another address.
const IPV4_STEP: u64 = 1_640_531_527;

/// Number of visitors that take turns; see [`VisitorPool::draw`].
const TURN: u32 = 5;

/// A visitor is a number, and stands for one pair of host and user agent that no other visitor has.
///
/// One in eight shares the host of the preceding visitor, with another user agent. Only the weight of a visitor takes
/// memory: host and user agent are computed.
#[derive(Debug)]
pub(super) struct VisitorPool {
    seed: u64,
    count: u32,
    activity: Weighted,
    agents: Texts,
    encoded_agents: Texts,
    agent_use: Weighted,
    agent_count: u32,
    ipv4_blocks: Vec<u8>,
}

impl VisitorPool {
    /// `visitors` visitors with `agents` user agents, both at least 1.
    pub(super) fn new(visitors: u32, agents: u32, random: &mut Random) -> Self {
        // Flatter than Zipf's law with exponent 1, where half of a large pool would never be seen.
        let weights: Vec<f64> =
            (0..visitors).map(|index| 1.0 / (f64::from(index) + 1.0).sqrt()).collect();
        let encoded = (0..agents).map(|number| {
            let mut encoded = Vec::new();
            push_encoded(&mut encoded, &user_agent(number));
            encoded
        });
        let encoded_agents = Texts::new(encoded);
        // Blocks with private, test and loopback addresses are left to odd lines.
        let blocks =
            (1..=223).filter(|block| ![10, 100, 127, 169, 172, 192, 198, 203].contains(block));
        Self {
            seed: random.bits(),
            count: visitors,
            activity: Weighted::new(&weights),
            agents: Texts::new((0..agents).map(user_agent)),
            encoded_agents,
            agent_use: Weighted::zipf(agents),
            agent_count: agents,
            ipv4_blocks: blocks.collect(),
        }
    }

    /// A visitor that is active on that day, the busy ones more often.
    ///
    /// Of [`TURN`] visitors one is active on a day, and perhaps another on the next: a site sees most of its visitors only
    /// on some days.
    pub(super) fn draw(&self, day: i64, random: &mut Random) -> u32 {
        let drawn = self.activity.draw(random.bits());
        let turn = drawn / TURN;
        let member =
            scramble(self.seed ^ u64::from(turn) << 24 ^ day.cast_unsigned()) % u64::from(TURN);
        let active = turn * TURN + u32::try_from(member).unwrap_or(0);
        if active < self.count { active } else { drawn }
    }

    /// The first visitor with the same host, which is how a log without user agents counts this visitor.
    pub(super) fn household(&self, visitor: u32) -> u32 {
        let shares = visitor % 2 == 1
            && self.agent_count > 1
            && scramble(self.seed ^ u64::from(visitor)).is_multiple_of(4);
        visitor - u32::from(shares)
    }

    /// Writes the visitor's host: an IPv4 address, or in 15 of 100 cases an IPv6 address.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "octets and 16-bit groups are cut out of a larger number"
    )]
    pub(super) fn write_host(&self, visitor: u32, output: &mut Vec<u8>) {
        let household = u64::from(self.household(visitor));
        let bits = scramble(self.seed.rotate_left(17) ^ household);
        if (bits >> 40) % 100 < 15 {
            let network: &[u8] = if bits & 1 == 0 { b"240e:" } else { b"2408:" };
            output.extend_from_slice(network);
            for shift in [48, 32, 16] {
                push_hex(output, (bits >> shift) as u16);
                output.push(b':');
            }
            output.push(b':');
            push_hex(output, bits as u16);
        } else {
            let address = (household * IPV4_STEP + self.seed % IPV4_HOSTS) % IPV4_HOSTS;
            push_number(output, u64::from(self.ipv4_blocks[(address >> 24) as usize]));
            for shift in [16, 8, 0] {
                output.push(b'.');
                push_number(output, u64::from((address >> shift) as u8));
            }
        }
    }

    /// The visitor's user agent, and the same URL-encoded.
    pub(super) fn agent(&self, visitor: u32) -> (&[u8], &[u8]) {
        let own =
            |visitor| self.agent_use.draw(scramble(self.seed.rotate_left(41) ^ u64::from(visitor)));
        let household = self.household(visitor);
        let mut agent = own(visitor);
        if household != visitor && agent == own(household) {
            agent = (agent + 1) % self.agent_count;
        }
        (self.agents.get(agent), self.encoded_agents.get(agent))
    }
}

/// Many texts in one allocation.
#[derive(Debug)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn new(texts: impl Iterator<Item = Vec<u8>>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for text in texts {
            bytes.extend_from_slice(&text);
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    fn get(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }
}

/// User agents in the wild, with the place of a version marked `{}`; every one occurs with many versions.
const AGENTS: [&str; 14] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.117 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 11_2 like Mac OS X) AppleWebKit/604.4.7 (KHTML, like Gecko) Version/11.0 Mobile/{} Safari/604.1",
    "Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:58.0) Gecko/20100101 Firefox/{}",
    "Mozilla/5.0 (Linux; Android 8.0; MI 6 Build/OPR1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.80 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_3) AppleWebKit/604.5.6 (KHTML, like Gecko) Version/{} Safari/604.5.6",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html) {}",
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:{}) like Gecko",
    "Mozilla/5.0 (Linux; U; Android 7.1; zh-cn) AppleWebKit/537.36 (KHTML, like Gecko) UCBrowser/{} Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) {}",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0 Safari/537.36 Edge/{}",
    "Opera/9.80 (Windows NT 6.1; U; en) Presto/2.12.388 Version/{}",
    "Mozilla/5.0 (compatible; Baiduspider/{}; +http://www.baidu.com/search/spider.html)",
    "curl/{}",
    "python-requests/{}",
];

/// The user agent of a number; different numbers have different user agents.
fn user_agent(number: u32) -> Vec<u8> {
    let kinds = u32::try_from(AGENTS.len()).unwrap_or(1);
    let (kind, version) = (number % kinds, number / kinds);
    let version = format!("{}.0.{}", 64 - version % 30, 3282 + version / 30);
    AGENTS[kind as usize].replace("{}", &version).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::{Random, VisitorPool};

    #[test]
    fn every_visitor_has_its_own_pair() {
        let visitors = VisitorPool::new(60_000, 20, &mut Random::new(3));
        let mut pairs = HashSet::new();
        let mut hosts: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut ipv6 = 0;
        for visitor in 0..60_000 {
            let mut host = Vec::new();
            visitors.write_host(visitor, &mut host);
            ipv6 += u32::from(host.contains(&b':'));
            let household = visitors.household(visitor);
            assert_eq!(*hosts.entry(host.clone()).or_insert(household), household);
            let (agent, encoded) = visitors.agent(visitor);
            assert!(encoded.len() > agent.len());
            assert!(pairs.insert((host, agent.to_vec())), "{visitor}");
        }
        assert!((50_000..54_000).contains(&hosts.len()), "{}", hosts.len());
        assert!((8_500..9_500).contains(&ipv6), "{ipv6}");
    }

    #[test]
    fn user_agents_differ() {
        let agents: HashSet<Vec<u8>> = (0..20_000).map(super::user_agent).collect();
        assert_eq!(agents.len(), 20_000);
    }
}
