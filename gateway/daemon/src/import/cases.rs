//! The test cases that come with a codec.

use orderly_core::codec::javascript::{Script, literal};
use orderly_core::time::Timestamp;
use serde_json::{Map, Value};

use super::Codec;

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// The port.
    pub port: Option<u8>,
    /// When it came; the clock of the codec stands there.
    pub received: Option<jiff::Timestamp>,
    /// What the codec is told about the device.
    pub variables: Vec<(String, String)>,
    /// What goes in and what must come out.
    pub task: Task,
}

/// What goes in and what must come out.
#[derive(Debug, Clone)]
pub enum Task {
    /// Bytes in, data out; `None`: the codec must report an error.
    Decode(Vec<u8>, Option<Value>),
    /// Data in, bytes out.
    Encode(Value, Option<Vec<u8>>),
}

/// Whether a case holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It does.
    Holds,
    /// What came instead.
    Fails(String),
}

impl Case {
    /// Reads a file of cases, which may be written as JavaScript rather than JSON.
    pub(super) fn read_all(text: &str, encodes: bool) -> Result<Vec<Self>, String> {
        let json = literal(text).map_err(|error| error.to_string())?;
        let list: Vec<Map<String, Value>> =
            serde_json::from_str(&json).map_err(|error| format!("no list of cases: {error}"))?;
        list.iter().enumerate().map(|(place, case)| Self::read(case, place, encodes)).collect()
    }

    fn read(case: &Map<String, Value>, place: usize, encodes: bool) -> Result<Self, String> {
        let name = case.get("name").and_then(Value::as_str);
        let name = name.map_or_else(|| format!("case {}", place + 1), str::to_owned);
        let wrong = |what: &str| format!("{name}: {what}");
        let input = case.get("input").and_then(Value::as_object).ok_or_else(|| wrong("no input"))?;
        let expected =
            case.get("expected").and_then(Value::as_object).ok_or_else(|| wrong("nothing expected"))?;
        let reports = match expected.get("errors") {
            None | Some(Value::Null) => false,
            Some(Value::Array(errors)) => !errors.is_empty(),
            Some(_) => true,
        };
        let bytes = |from: &Map<String, Value>| {
            serde_json::from_value::<Vec<u8>>(from.get("bytes").cloned().unwrap_or_default()).ok()
        };
        let task = if encodes {
            let data = input.get("data").cloned().unwrap_or_default();
            Task::Encode(
                data,
                if reports { None } else { Some(bytes(expected).ok_or_else(|| wrong("no bytes"))?) },
            )
        } else {
            let data = expected.get("data").filter(|data| !data.is_null());
            Task::Decode(bytes(input).ok_or_else(|| wrong("no bytes"))?, data.filter(|_| !reports).cloned())
        };
        let variables = input.get("variables").and_then(Value::as_object);
        let variables = variables.into_iter().flatten().map(|(name, value)| {
            (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        });
        Ok(Self {
            port: input.get("fPort").and_then(Value::as_u64).and_then(|port| u8::try_from(port).ok()),
            received: input.get("recvTime").and_then(Value::as_str).and_then(|time| time.parse().ok()),
            variables: variables.collect(),
            task,
            name,
        })
    }

    /// Whether it is about a payload.
    pub fn decodes(&self) -> bool {
        matches!(self.task, Task::Decode(..))
    }

    /// Tries it.
    fn run(&self, script: &str) -> Outcome {
        let script = match Script::new(script, &self.variables) {
            Ok(script) => script,
            Err(error) => return Outcome::Fails(error.to_string()),
        };
        // As the test of the profile that is made of it.
        let now =
            self.received.map_or(Timestamp::EARLIEST_PLAUSIBLE, |time| Timestamp(time.as_millisecond()));
        let (wanted, found) = match &self.task {
            Task::Decode(bytes, wanted) => {
                let mut out = Vec::new();
                let found = script.decode(bytes, self.port, now, &mut out);
                (wanted.clone(), found.map(|()| serde_json::from_slice(&out).unwrap_or_default()))
            }
            Task::Encode(data, wanted) => {
                let found = script.encode(data, self.port, now).map(|encoded| encoded.bytes.into());
                (wanted.clone().map(Value::from), found)
            }
        };
        match (wanted, found) {
            (Some(wanted), Ok(found)) if same(&wanted, &found) => Outcome::Holds,
            (None, Err(error)) if error.to_string().starts_with("the script reports") => Outcome::Holds,
            (_, Err(error)) => Outcome::Fails(error.to_string()),
            (Some(wanted), Ok(found)) => Outcome::Fails(format!("{wanted} is expected, {found} came")),
            (None, Ok(found)) => Outcome::Fails(format!("an error is expected, {found} came")),
        }
    }
}

impl Codec {
    /// Tries its cases, in order.
    #[must_use]
    pub fn run(&self) -> Vec<Outcome> {
        self.cases.iter().map(|case| case.run(&self.script)).collect()
    }
}

/// Whether two values are the same to JavaScript: 20 and 20.0 are.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
