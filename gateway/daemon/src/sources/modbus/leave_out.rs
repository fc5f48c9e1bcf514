//! Finding the register that a unit does not have: a request that is refused is cut in two until the part is found that
//! is refused alone. It is left out, and tried again after a while.

use std::collections::VecDeque;
use std::sync::Arc;

use orderly_core::profile::Profile;

use super::plan::{Ask, halves, plan};

/// After so long what was left out is tried again.
const AGAIN_MS: u64 = 60_000;
/// Each time it is refused again it waits twice as long, up to this.
const AGAIN_AT_MOST_MS: u64 = 3_600_000;
/// Illegal data address, illegal data value: a part of the request may be good.
const PARTS: [u8; 2] = [2, 3];

/// The requests of one device.
#[derive(Debug)]
pub(super) struct Asks {
    profile: Arc<Profile>,
    asks: Vec<Ask>,
    /// What was refused, with the exception code.
    refused: Vec<(Ask, u8)>,
    again: u64,
    wait: u64,
    now: Poll,
}

/// The poll under way.
#[derive(Debug, Default)]
struct Poll {
    left: VecDeque<Ask>,
    good: Vec<Ask>,
    refused: Vec<(Ask, u8)>,
}

impl Asks {
    pub(super) fn new(profile: Arc<Profile>) -> Self {
        let asks = plan(&profile);
        Self { profile, asks, refused: Vec::new(), again: 0, wait: AGAIN_MS, now: Poll::default() }
    }

    /// Begins a poll; gives all its requests.
    pub(super) fn begin(&mut self, now: u64) -> Vec<Ask> {
        if !self.refused.is_empty() && now >= self.again {
            self.asks = plan(&self.profile);
            self.refused.clear();
        }
        self.now = Poll { left: self.asks.iter().copied().collect(), ..Poll::default() };
        self.asks.clone()
    }

    /// The next request.
    pub(super) fn next(&mut self) -> Option<Ask> {
        self.now.left.pop_front()
    }

    /// It was answered.
    pub(super) fn came(&mut self, ask: Ask) {
        self.now.good.push(ask);
    }

    /// The unit refused it: its halves are asked next.
    pub(super) fn refused(&mut self, ask: Ask, code: u8) {
        match halves(ask, &self.profile).filter(|_| PARTS.contains(&code)) {
            Some([left, right]) => {
                self.now.left.push_front(right);
                self.now.left.push_front(left);
            }
            None => self.now.refused.push((ask, code)),
        }
    }

    /// The poll is over. Gives what is newly left out.
    pub(super) fn end(&mut self, now: u64) -> Vec<(Ask, u8)> {
        let poll = std::mem::take(&mut self.now);
        let one = poll.refused.first().filter(|_| poll.good.is_empty());
        if one.is_some_and(|one| self.refused.contains(one)) {
            return Vec::new();
        }
        if self.refused.iter().any(|(ask, _)| poll.good.contains(ask)) {
            // The one that stood for all of them is there: so may be the others.
            *self = Self::new(Arc::clone(&self.profile));
            return Vec::new();
        }
        // A unit that refuses all of it is asked for one thing all the same, to see that it is there.
        self.asks = one.map_or(poll.good, |one| vec![one.0]);
        if poll.refused.is_empty() {
            if self.refused.is_empty() {
                self.wait = AGAIN_MS;
            }
            return Vec::new();
        }
        self.again = now + self.wait;
        self.wait = (2 * self.wait).min(AGAIN_AT_MOST_MS);
        self.refused.extend(&poll.refused);
        poll.refused
    }

    /// What is refused at present.
    pub(super) fn refusals(&self) -> &[(Ask, u8)] {
        &self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(addresses: &[u16]) -> Arc<Profile> {
        let mut text = "[profile]\nid = \"b-1\"\nclass = \"charger\"\nstream = \"state\"\nvendor = \"Test\"\nmodel = \"B\"\n\
             version = \"1.0.0\"\nschema = 1\n[source]\ndocument = \"Orderly generic model\"\nversion = \"1\"\n\
             [codec]\nkind = \"registers\"\npoll = \"1s\"\n"
            .to_owned();
        let (mut input, mut expect) = (Vec::new(), String::new());
        for n in addresses {
            text += &format!(
                "[[metric]]\nname = \"r{n}\"\nunit = \"1\"\nregister = {{ kind = \"holding\", address = {n} }}\n"
            );
            input.push(format!("\"holding {n} = 1\""));
            expect += &format!("r{n} = 1\n");
        }
        text += &format!(
            "[[test]]\ninput = [{}]\nfrom = \"constructed\"\n[test.expect]\n{expect}",
            input.join(", ")
        );
        Arc::new(Profile::parse(&text, "b.toml").unwrap())
    }

    /// Polls a unit that refuses these registers; gives the requests it took and what came.
    fn poll(asks: &mut Asks, bad: &[u16], now: u64) -> (usize, Vec<u16>, Vec<(Ask, u8)>) {
        let (mut requests, mut came) = (0, Vec::new());
        asks.begin(now);
        while let Some(ask) = asks.next() {
            requests += 1;
            let all = ask.start..ask.start + ask.count;
            if bad.iter().any(|b| all.contains(b)) {
                asks.refused(ask, 2);
            } else {
                came.extend(all);
                asks.came(ask);
            }
        }
        (requests, came, asks.end(now))
    }

    #[test]
    fn the_bad_register_is_found_and_left_out() {
        let wanted: Vec<u16> = (0..100).collect();
        let mut asks = Asks::new(profile(&wanted));
        let (requests, came, told) = poll(&mut asks, &[37], 0);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].0.start, told[0].0.count, told[0].1), (37, 1, 2));
        assert_eq!(came.len(), 99);
        assert!(requests <= 16, "{requests} requests to find one of a hundred");
        let (later, came, told) = poll(&mut asks, &[37], 1_000);
        assert!(later < requests && came.len() == 99 && told.is_empty());
        assert_eq!(asks.refusals().len(), 1, "each poll says that it is refused");
        // A minute later it is there.
        let (requests, came, told) = poll(&mut asks, &[], 61_000);
        assert_eq!((requests, came.len(), told.len(), asks.refusals().len()), (1, 100, 0, 0));
    }

    #[test]
    fn a_hole_that_cannot_be_read_is_not_read_along() {
        let mut asks = Asks::new(profile(&[0, 1, 4, 5]));
        let (requests, came, told) = poll(&mut asks, &[2, 3], 0);
        assert_eq!((requests, came, told.len()), (3, vec![0, 1, 4, 5], 0));
        assert_eq!(poll(&mut asks, &[2, 3], 1).0, 2, "and the halves are kept");
    }

    #[test]
    fn a_unit_that_refuses_everything_is_still_asked() {
        let mut asks = Asks::new(profile(&[0, 1]));
        for (now, requests, told) in [(0, 3, 2), (1, 1, 0), (59_999, 1, 0), (60_000, 3, 2), (179_999, 1, 0)] {
            let (made, came, refused) = poll(&mut asks, &[0, 1], now);
            assert_eq!(
                (made, came.len(), refused.len(), asks.refusals().len()),
                (requests, 0, told, 2),
                "{now}"
            );
        }
        // It is another unit now: what stood for all answers, and the next poll asks for all.
        assert_eq!(poll(&mut asks, &[], 179_999).1, [0]);
        let (made, came, told) = poll(&mut asks, &[], 180_000);
        assert_eq!((made, came.len(), told.len(), asks.refusals().len()), (1, 2, 0, 0));
    }
}
