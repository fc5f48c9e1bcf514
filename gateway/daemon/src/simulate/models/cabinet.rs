//! A drug cabinet: its state every 20 s, and each box that is loaded or taken.

use serde_json::json;

use super::{Model, Moment, Said, local_time, tenth};

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
    seq: u64,
    boot: String,
    on_hand: Vec<u32>,
    temp: f64,
    open_until: i64,
    state_at: i64,
    take_at: i64,
    waiting: i64,
}

impl Cabinet {
    /// A cabinet as it was filled in the morning.
    #[must_use]
    pub fn new(moment: &mut Moment<'_>) -> Self {
        let random = &mut *moment.random;
        let on_hand = (0..SLOTS).map(|_| u32::try_from(random.whole(4, 20)).unwrap_or(0)).collect();
        Self {
            seq: 0,
            boot: format!("{:06x}", random.bits() & 0xFF_FFFF),
            on_hand,
            temp: random.between(16.5, 19.0),
            open_until: 0,
            state_at: moment.now + random.whole(200, 6_000),
            take_at: moment.now + random.whole(5_000, 30_000),
            waiting: random.whole(0, 4),
        }
    }

    fn say_state(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) {
        self.seq += 1;
        self.temp = (self.temp + 0.05 * moment.random.normal()).clamp(15.5, 19.6);
        let count =
            |few: std::ops::RangeInclusive<u32>| self.on_hand.iter().filter(|n| few.contains(n)).count();
        let open = moment.now < self.open_until;
        let body = json!({
            "seq": self.seq, "boot": self.boot, "temp": tenth(self.temp), "rh": moment.random.whole(44, 58),
            "door": if open { "open" } else { "closed" }, "power": "mains", "slots_empty": count(0..=0),
            "slots_low": count(1..=3), "waiting": self.waiting, "t": local_time(moment.device_now),
        });
        said.push(Said {
            stream: "state",
            device_time: Some(moment.device_now.div_euclid(1_000) * 1_000),
            body,
        });
        self.state_at = moment.now + 20_000;
    }

    fn move_stock(&mut self, moment: &mut Moment<'_>, said: &mut Vec<Said>) {
        let random = &mut *moment.random;
        let slot = usize::try_from(random.bits() % SLOTS as u64).unwrap_or(0);
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
        self.seq += 1;
        let body = json!({
            "seq": self.seq, "boot": self.boot, "event": event,
            "slot": format!("{}-{:03}", char::from(b'A' + u8::try_from(slot / 30).unwrap_or(0)), slot % 30 + 1),
            "drug": DRUGS[slot % DRUGS.len()], "lot": format!("B{}", 2_400 + slot % 40), "qty": change,
            "on_hand": self.on_hand[slot], "t": local_time(moment.device_now),
        });
        said.push(Said {
            stream: "stock",
            device_time: Some(moment.device_now.div_euclid(1_000) * 1_000),
            body,
        });
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
}
