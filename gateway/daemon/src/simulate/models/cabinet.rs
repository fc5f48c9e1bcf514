//! A drug cabinet: its state every 20 s, and each box that is loaded or taken.

use super::{Model, Moment};
use crate::simulate::frame::Said;
use crate::simulate::value::{flag, number, rounded, whole, word};

/// Slots of one cabinet.
const SLOTS: usize = 120;
const DRUGS: [&str; 8] = [
    "氨氯地平 5mg",
    "二甲双胍 0.5g",
    "阿托伐他汀 20mg",
    "缬沙坦 80mg",
    "阿司匹林 100mg",
    "美托洛尔 47.5mg",
    "格列美脲 2mg",
    "奥美拉唑 20mg",
];

/// A drug cabinet.
#[derive(Debug)]
pub struct Cabinet {
    on_hand: Vec<u32>,
    temp: f64,
    open_until: i64,
    state_at: i64,
    take_at: i64,
    waiting: i64,
    /// The drawer that was unlocked last and from which nothing was taken yet.
    asked_for: Option<usize>,
}

impl Cabinet {
    /// A cabinet as it was filled in the morning.
    #[must_use]
    pub fn new(moment: &mut Moment<'_>) -> Self {
        let random = &mut *moment.random;
        let on_hand = (0..SLOTS).map(|_| u32::try_from(random.whole(4, 20)).unwrap_or(0)).collect();
        Self {
            on_hand,
            temp: random.between(16.5, 19.0),
            open_until: 0,
            state_at: moment.now + random.whole(200, 6_000),
            take_at: moment.now + random.whole(5_000, 30_000),
            waiting: random.whole(0, 4),
            asked_for: None,
        }
    }

    fn say_state(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) {
        self.temp = (self.temp + 0.05 * moment.random.normal()).clamp(15.5, 19.6);
        let count =
            |few: std::ops::RangeInclusive<u32>| self.on_hand.iter().filter(|n| few.contains(n)).count();
        let open = moment.now < self.open_until;
        let values = vec![
            number("temp", rounded(self.temp, 1)),
            whole("rh", moment.random.whole(44, 58)),
            flag("door", open, ["open", "closed"]),
            word("power", "mains"),
            whole("slots_empty", count(0..=0) as i64),
            whole("slots_low", count(1..=3) as i64),
            whole("waiting", self.waiting),
        ];
        said.push(Said { stream: "state", taken: moment.device_now, values });
        // The door is told as soon as it is shut.
        self.state_at = moment.now + 20_000;
        if open {
            self.state_at = self.state_at.min(self.open_until);
        }
    }

    /// The drawer with this label.
    fn slot_of(label: &str) -> Option<usize> {
        let (shelf, place) = label.split_once('-')?;
        let shelf = "ABCD".find(shelf).filter(|_| shelf.len() == 1)?;
        let place: usize = place.parse().ok().filter(|place| (1..=30).contains(place))?;
        Some(shelf * 30 + place - 1)
    }

    fn move_stock(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) {
        let random = &mut *moment.random;
        let any = usize::try_from(random.bits() % SLOTS as u64).unwrap_or(0);
        let slot = self.asked_for.take().unwrap_or(any);
        let have = self.on_hand[slot];
        let (event, change) = match have {
            // An empty slot is found by the restocker.
            0 => ("load", random.whole(10, 20)),
            _ => ("take", -1),
        };
        self.on_hand[slot] = u32::try_from(i64::from(have) + change).unwrap_or(0);
        self.waiting = (self.waiting + random.whole(-1, 1)).clamp(0, 12);
        if event == "load" {
            self.open_until = moment.now + random.whole(8_000, 40_000);
        }
        let label = format!("{}-{:03}", ["A", "B", "C", "D"][slot / 30 % 4], slot % 30 + 1);
        let values = vec![
            word("event", event),
            word("slot", &label),
            word("drug", DRUGS[slot % DRUGS.len()]),
            word("lot", &format!("B{}", 2_400 + slot % 40)),
            whole("qty", change),
            whole("on_hand", self.on_hand[slot]),
        ];
        said.push(Said { stream: "stock", taken: moment.device_now, values });
        // A hundred and fifty boxes a day from each cabinet.
        self.take_at = moment.now + moment.random.wait_ms((86_400_000.0 / 150.0 / moment.pace).max(4_000.0));
    }
}

impl Model for Cabinet {
    fn step(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) -> i64 {
        if moment.now >= self.state_at {
            self.say_state(moment, said);
        }
        if moment.now >= self.take_at {
            self.move_stock(moment, said);
        }
        self.state_at.min(self.take_at)
    }

    fn told(&mut self, command: &str, value: &str, moment: &mut Moment<'_>) -> Result<(), &'static str> {
        if command != "unlock" {
            return Err("a cabinet can only be unlocked");
        }
        self.asked_for = Some(Self::slot_of(value).ok_or("there is no such drawer")?);
        // Somebody stands there: opens, takes one, and shuts the drawer again.
        self.open_until = moment.now + 12_000;
        self.take_at = moment.now + 4_000;
        self.state_at = moment.now;
        Ok(())
    }
}
