//! What stands in the registers of the servers: every type in every order of bytes, and rows that are longer than one
//! request may be.

use std::borrow::Cow;
use std::sync::Arc;

use orderly_core::codec::Sent;
use orderly_core::profile::Profile;

/// One value: how the server is told of it, how the profile names it, and what must be read.
#[derive(Debug)]
pub struct Point {
    /// Table, address, type, order and value, for the server.
    pub line: String,
    /// The register, for the profile.
    register: String,
    /// What must come.
    pub sent: Sent<'static>,
}

/// Type as the server names it, the value, the rest of the register in the profile, what must be read, and how many
/// registers it takes. `word` is one register whose parts are read.
type Form = (&'static str, &'static str, &'static str, Sent<'static>, u16);

fn forms() -> Vec<Form> {
    let digits = |text| Sent::Digits(Cow::Borrowed(text));
    vec![
        ("u16", "4660", "type = \"u16\"", Sent::Whole(0x1234), 1),
        ("u16", "65534", "type = \"u16\"", Sent::Whole(65_534), 1),
        ("i16", "-12345", "type = \"i16\"", Sent::Whole(-12_345), 1),
        ("u32", "305419896", "type = \"u32\"", Sent::Whole(0x1234_5678), 2),
        ("u32", "4023233417", "type = \"u32\"", Sent::Whole(4_023_233_417), 2),
        ("i32", "-123456789", "type = \"i32\"", Sent::Whole(-123_456_789), 2),
        ("u64", "1311768467463790320", "type = \"u64\"", Sent::Whole(0x1234_5678_9abc_def0), 4),
        ("u64", "18364758544493064720", "type = \"u64\"", digits("18364758544493064720"), 4),
        ("i64", "-1234567890123456789", "type = \"i64\"", Sent::Whole(-1_234_567_890_123_456_789), 4),
        ("f16", "-12.375", "type = \"f16\"", Sent::Float(-12.375), 1),
        ("f32", "123456.79", "type = \"f32\"", Sent::Float(123_456.79), 2),
        ("f64", "-1234.56789", "type = \"f64\"", Sent::Float(-1_234.567_89), 4),
        ("word", "33266", "type = \"u8_high\"", Sent::Whole(0x81), 1),
        ("word", "33266", "type = \"u8_low\"", Sent::Whole(0xF2), 1),
        ("word", "33266", "type = \"i8_high\"", Sent::Whole(-127), 1),
        ("word", "33266", "type = \"i8_low\"", Sent::Whole(-14), 1),
        ("word", "33266", "type = \"bit\", bit = 15", Sent::Flag(true), 1),
        ("word", "33266", "type = \"bit\", bit = 0", Sent::Flag(false), 1),
        ("word", "33266", "type = \"bits\", bit = 4, count = 5", Sent::Whole(0x1F), 1),
        ("bcd", "1234", "type = \"bcd\"", Sent::Whole(1_234), 1),
        ("bcd", "12345678", "type = \"bcd\", count = 2", Sent::Whole(12_345_678), 2),
        ("bcd", "1234567890123456", "type = \"bcd\", count = 4", Sent::Whole(1_234_567_890_123_456), 4),
        ("string", "Ward-7", "type = \"string\", count = 3", Sent::Text(Cow::Borrowed("Ward-7")), 3),
    ]
}

/// All points; libmodbus has no half floats.
pub fn points(halves: bool) -> Vec<Point> {
    let mut points = Vec::new();
    for table in ["holding", "input"] {
        let mut address = 1;
        for order in ["abcd", "cdab", "badc", "dcba"] {
            for (kind, value, form, sent, words) in forms() {
                let words_first = matches!(order, "abcd" | "badc");
                if kind == "f16" && !halves || kind == "string" && !words_first {
                    continue;
                }
                points.push(Point {
                    line: format!("{table} {address} {kind} {order} {value}"),
                    register: format!("kind = \"{table}\", address = {address}, {form}, order = \"{order}\""),
                    sent,
                });
                address += words;
            }
        }
        points.extend(rows(table));
    }
    points.extend(["coil", "discrete"].iter().flat_map(|table| bits(table)));
    points
}

/// 300 registers that take three requests, and 126 whose last value would be cut by a request of 125.
fn rows(table: &str) -> Vec<Point> {
    let word = |address: u16| Point {
        line: format!("{table} {address} u16 abcd {}", address * 3),
        register: format!("kind = \"{table}\", address = {address}"),
        sent: Sent::Whole(i64::from(address * 3)),
    };
    let mut row: Vec<Point> = (1_000..1_300).map(word).collect();
    row.extend((2_000..2_124).map(word));
    row.push(Point {
        line: format!("{table} 2124 u32 abcd 305419896"),
        register: format!("kind = \"{table}\", address = 2124, type = \"u32\""),
        sent: Sent::Whole(305_419_896),
    });
    row
}

/// Bits that take three requests: a value every seven, and those at the edges of the requests.
fn bits(table: &str) -> Vec<Point> {
    let edges = [0, 1_999, 2_000, 3_999, 4_000, 4_099];
    let wanted = (0..4_100_u16).filter(|n| n % 7 == 3 || edges.contains(n));
    let bit = |n: u16| {
        let on = n.count_ones() % 2 == 1;
        Point {
            line: format!("{table} {n} bit abcd {}", u8::from(on)),
            register: format!("kind = \"{table}\", address = {n}"),
            sent: Sent::Flag(on),
        }
    };
    wanted.map(bit).collect()
}

/// The beginning of a profile.
pub fn head() -> String {
    "[profile]\nid = \"peer\"\nclass = \"charger\"\nstream = \"state\"\nvendor = \"Test\"\nmodel = \"Peer\"\n\
     version = \"1.0.0\"\nschema = 1\n[source]\ndocument = \"Orderly generic model\"\nversion = \"1\"\n\
     [codec]\nkind = \"registers\"\npoll = \"1s\"\n"
        .to_owned()
}

/// A profile that reads them all.
pub fn profile(points: &[Point]) -> Arc<Profile> {
    let mut text = head();
    for (n, point) in points.iter().enumerate() {
        let what = match point.sent {
            Sent::Flag(_) => "states = { true = \"on\", false = \"off\" }",
            Sent::Text(_) => "text = true",
            _ => "unit = \"1\"",
        };
        let required = n == 0;
        text += &format!(
            "[[metric]]\nname = \"p{n}\"\n{what}\nrequired = {required}\nregister = {{ {} }}\n",
            point.register
        );
    }
    text += "[[test]]\ninput = [\"holding 1 = 1\"]\nfrom = \"constructed\"\n[test.expect]\np0 = 1\n";
    Arc::new(Profile::parse(&text, "peer.toml").unwrap())
}
