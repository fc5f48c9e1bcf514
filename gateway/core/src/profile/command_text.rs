//! The TOML form of a command.

use std::sync::Arc;

use super::command::{Argument, Command, Interlock, PLACEHOLDERS, Takes, Values, Verify, Write};
use super::layout::{Codec, Poll};
use super::metric::{Label, Metric, MetricKind};
use super::register;
use crate::codec::registers::{Register, Table, Written, encode};
use crate::diagnostic::{Section, nearest};
use crate::expr::{self, Lowered, MetricInfo, parse, token_number};
use crate::ids::MetricId;

/// What moves something is void after this at the latest: whoever stood before the lock has gone.
const LONGEST_EXPIRY_MS: u64 = 60_000;
/// What is shown may wait for a sign that is away for a night.
const LONGEST_SHOWN_MS: u64 = 86_400_000;
/// Nobody waits longer for an answer.
const LONGEST_TIMEOUT_MS: u64 = 10 * 60_000;
const USUAL_MS: u64 = 10_000;
/// Most commands of a profile, and most bytes of a text that a person says.
const MOST: usize = 16;
const LONGEST_VALUE: i64 = 64;

/// Reads all `[[command]]`.
pub(super) fn commands(root: &Section<'_, '_>, codec: Codec, metrics: &[Metric]) -> Option<Vec<Command>> {
    let sections = root.sections("command");
    if sections.len() > MOST {
        root.wrong("command", format!("{} commands; {MOST} is the most", sections.len()), None);
        return None;
    }
    let mut commands: Vec<Command> = Vec::new();
    let mut whole = true;
    for section in &sections {
        match command(section, codec, metrics) {
            Some(new) if commands.iter().any(|known| known.id == new.id) => {
                section.wrong("id", format!("the command {:?} stands twice", &*new.id), None);
                whole = false;
            }
            Some(new) => commands.push(new),
            None => whole = false,
        }
    }
    whole.then_some(commands)
}

fn command(section: &Section<'_, '_>, codec: Codec, metrics: &[Metric]) -> Option<Command> {
    // Commands are named like metrics: the name stands in addresses and in the site's list.
    let id = section.need_text("id").and_then(|_| section.parsed("id", str::parse::<MetricId>));
    let label = section.need_section("label").and_then(|label| words(&label));
    let actuates = section.flag("actuates").unwrap_or(true);
    let writable = section.flag("writable").unwrap_or(false);
    let role = section.need_text("role");
    // Every part is read before anything is given up, so that all mistakes are told at once.
    let argument = part(section, "argument", argument);
    let said = argument.as_ref().and_then(Option::as_ref);
    let write = section.need_section("write").and_then(|write| self::write(&write, codec, said));
    let verify = part(section, "verify", |section| verify(section, codec, metrics));
    let longest = if actuates { LONGEST_EXPIRY_MS } else { LONGEST_SHOWN_MS };
    let expiry = span(section, "expiry", longest);
    let timeout = span(section, "timeout", LONGEST_TIMEOUT_MS.max(longest));
    let interlock = part(section, "interlock", |section| interlock(section, metrics));
    if let (Some(expiry), Some(timeout)) = (expiry, timeout)
        && timeout < expiry
    {
        let key = if section.has("timeout") { "timeout" } else { "expiry" };
        section.wrong(
            key,
            "the answer must be waited for as long as the device may still carry it out",
            None,
        );
        return None;
    }
    let (argument, verify, interlock) = (argument?, verify?, interlock?);
    let write = write?;
    let verify = match (&write, verify) {
        (Write::Registers(_), None) => Some(Verify::ReadBack),
        (Write::Registers(_), Some(verify @ Verify::Registers(_))) => Some(verify),
        (Write::Message { topic: Some(_), .. }, None) => {
            let message = "on a foreign topic nobody answers: a metric must show that it was carried out";
            section.wrong_here(message, Some("verify = { metric = \"...\", is = \"...\" }".to_owned()));
            return None;
        }
        (_, verify) => verify,
    };
    Some(Command {
        id: Arc::from(id?.as_str()),
        label: label?,
        actuates,
        writable,
        role: Arc::from(role?),
        argument,
        write,
        verify,
        expiry_ms: expiry?,
        timeout_ms: timeout?,
        interlock,
    })
}

/// A part that may be left out; the outer `None`: it is there and wrong.
fn part<T>(
    section: &Section<'_, '_>,
    key: &str,
    read: impl FnOnce(&Section<'_, '_>) -> Option<T>,
) -> Option<Option<T>> {
    match section.section(key) {
        Some(part) => read(&part).map(Some),
        None => (!section.has(key)).then_some(None),
    }
}

fn words(section: &Section<'_, '_>) -> Option<Label> {
    let (zh, en) = (section.need_text("zh"), section.need_text("en"));
    Some(Label { zh: zh?.to_owned(), en: en?.to_owned() })
}

fn span(section: &Section<'_, '_>, key: &str, most: u64) -> Option<i64> {
    let ms = if section.has(key) { section.millis(key)? } else { USUAL_MS };
    if (1_000..=most).contains(&ms) {
        return i64::try_from(ms).ok();
    }
    section.wrong(key, format!("from 1s to {}s", most / 1_000), None);
    None
}

fn argument(section: &Section<'_, '_>) -> Option<Argument> {
    let label = section.need_section("label").and_then(|label| words(&label));
    let takes = takes(section);
    Some(Argument { label: label?, takes: takes? })
}

fn takes(section: &Section<'_, '_>) -> Option<Takes> {
    if section.has("choices") {
        let words: Vec<String> = section.texts("choices")?.into_iter().map(str::to_owned).collect();
        if words.is_empty() {
            section.wrong("choices", "there must be something to choose", None);
            return None;
        }
        return Some(Takes::Choice(words));
    }
    if section.has("max_bytes") {
        let most = section.integer("max_bytes")?;
        let fits = usize::try_from(most).ok().filter(|_| (1..=LONGEST_VALUE).contains(&most));
        if fits.is_none() {
            section.wrong("max_bytes", format!("from 1 to {LONGEST_VALUE}"), None);
        }
        return fits.map(Takes::Text);
    }
    match section.numbers("range")?.as_slice() {
        [least, most] if least < most => Some(Takes::Number(*least, *most)),
        _ => {
            section.wrong("range", "expected [lowest, highest]", None);
            None
        }
    }
}

fn write(section: &Section<'_, '_>, codec: Codec, argument: Option<&Argument>) -> Option<Write> {
    match codec {
        Codec::Registers(poll) => registers(section, &poll, argument).map(Write::Registers),
        Codec::Document | Codec::Line => message(section, argument),
    }
}

fn registers(section: &Section<'_, '_>, poll: &Poll, argument: Option<&Argument>) -> Option<Values> {
    let place = section.need_section("register")?;
    let register = register::read(&place)?;
    let said = matches!(argument, Some(Argument { takes: Takes::Number(..), .. }));
    if argument.is_some() && !said {
        section
            .wrong_here("what a person says for a register is a number", Some("range = [0, 100]".to_owned()));
        return None;
    }
    let (values, words) = match said {
        true => {
            let least = encode(&register, 0.0).or_else(|_| encode(&register, 1.0));
            (Values::Said(register), named(section, least)?)
        }
        false => {
            let written = fixed(section, &register)?;
            (Values::Fixed(written.clone()), written)
        }
    };
    if poll.may_write(&words) {
        return Some(values);
    }
    let last = match words.count() {
        0 | 1 => String::new(),
        count => format!("..{}", words.start.saturating_add(count - 1)),
    };
    let range = format!("{} {}{last}", if words.coils { "coil" } else { "holding" }, words.start);
    let message = format!("{register} is read-only here: it is not on the list codec.writable");
    section.wrong("register", message, Some(format!("writable = [{range:?}] in [codec]")));
    None
}

fn named(section: &Section<'_, '_>, written: Result<Written, String>) -> Option<Written> {
    match written {
        Ok(written) => Some(written),
        Err(why) => {
            section.wrong("register", why, None);
            None
        }
    }
}

/// `value = 1`, or `values = [1, 0, 1]` for several of the same kind that follow one another.
fn fixed(section: &Section<'_, '_>, register: &Register) -> Option<Written> {
    if !section.has("values") {
        if !section.has("value") {
            section.wrong("value", "the key \"value\" is missing: what is written", None);
            return None;
        }
        return named(section, encode(register, section.number("value")?));
    }
    let mut all: Option<Written> = None;
    for value in section.numbers("values")? {
        let next = named(section, encode(register, value))?;
        match &mut all {
            Some(all) => all.words.extend(next.words),
            None => all = Some(next),
        }
    }
    let most = if register.table == Table::Coil { 1_968 } else { 123 };
    all.filter(|all| all.words.len() <= most && usize::from(all.start) + all.words.len() <= 0x1_0000).or_else(
        || {
            section.wrong(
                "values",
                format!("from 1 to {most} of them, and none behind the last address"),
                None,
            );
            None
        },
    )
}

fn message(section: &Section<'_, '_>, argument: Option<&Argument>) -> Option<Write> {
    let topic = section.text("topic");
    let whole = |key: &str, text: &str, needed: &[&str]| {
        if let Some(name) = needed.iter().find(|name| !text.contains(&format!("{{{name}}}"))) {
            section.wrong(key, format!("the placeholder {{{name}}} is missing"), None);
            return None;
        }
        unknown(text).map_or(Some(()), |name| {
            let near = nearest(name, PLACEHOLDERS).map(|near| format!("did you mean {{{near}}}?"));
            section.wrong(key, format!("{{{name}}} is not known"), near);
            None
        })
    };
    if let Some(topic) = topic {
        whole("topic", topic, &["device"])?;
        if topic.contains(['+', '#']) || topic.starts_with("orderly/") {
            section.wrong("topic", "a topic of the device's own, without + and #", None);
            return None;
        }
    }
    let payload = section.need_text("payload")?;
    let mut needed = match topic {
        Some(_) => vec![],
        None => vec!["id", "expires_at", "nonce"],
    };
    needed.extend(argument.map(|_| "value"));
    whole("payload", payload, &needed)?;
    Some(Write::Message { topic: topic.map(str::to_owned), payload: payload.to_owned() })
}

/// The first placeholder that is none of ours; the braces of JSON hold no bare word.
fn unknown(text: &str) -> Option<&str> {
    let words = text.split('{').skip(1).filter_map(|after| after.split_once('}').map(|(word, _)| word));
    let bare = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    words.filter(bare).find(|word| !PLACEHOLDERS.contains(word))
}

fn verify(section: &Section<'_, '_>, codec: Codec, metrics: &[Metric]) -> Option<Verify> {
    if section.has("register") {
        let Codec::Registers(_) = codec else {
            section.wrong("register", "only a device that is polled has registers", None);
            return None;
        };
        let register = register::read(&section.section("register")?)?;
        if !matches!(register.table, Table::Coil | Table::Holding) {
            let hint = Some("verify = { metric = \"...\", is = \"...\" }".to_owned());
            section.wrong("register", "of an input, name the metric that reads it", hint);
            return None;
        }
        return fixed(section, &register).map(Verify::Registers);
    }
    let name = section.need_text("metric")?;
    let Some(metric) = metrics.iter().find(|metric| metric.name.as_str() == name) else {
        let near = nearest(name, metrics.iter().map(|metric| metric.name.as_str()));
        section.wrong(
            "metric",
            format!("{name:?} is no metric here"),
            near.map(|n| format!("did you mean {n:?}?")),
        );
        return None;
    };
    let (is, shown) = match &metric.kind {
        MetricKind::Number(_) => {
            let n = section.number("is").or_else(|| missing(section))?;
            (n, n.to_string())
        }
        MetricKind::State(states) => {
            let token = section.text("is").or_else(|| missing(section))?;
            if !states.tokens().any(|known| **known == *token) {
                let near =
                    nearest(token, states.tokens().map(|t| &**t)).map(|n| format!("did you mean {n:?}?"));
                section.wrong("is", format!("{token:?} is not a state of that metric"), near);
                return None;
            }
            (token_number(token), token.to_owned())
        }
        MetricKind::Text => {
            let text = section.text("is").or_else(|| missing(section))?;
            (token_number(text), text.to_owned())
        }
    };
    Some(Verify::Metric { metric: metric.name.clone(), is, shown })
}

fn missing<T>(section: &Section<'_, '_>) -> Option<T> {
    if !section.has("is") {
        section.wrong("is", "the key \"is\" is missing: what the metric must be afterwards", None);
    }
    None
}

fn interlock(section: &Section<'_, '_>, metrics: &[Metric]) -> Option<Interlock> {
    let label = words(section);
    let text = section.need_text("must")?;
    let infos: Vec<MetricInfo> = metrics.iter().map(info).collect();
    let mut slots = Vec::new();
    let lowered = parse(text).and_then(|parsed| Lowered::new(&parsed, &infos, &mut slots));
    match lowered {
        Ok(_) if slots.iter().any(|slot| slot.over.is_some()) => {
            section.wrong("must", "an interlock looks at what stands now; functions are for rules", None);
            None
        }
        Ok(must) => Some(Interlock { must, slots, label: label? }),
        Err(error) => {
            section.wrong_within("must", error.at, error.message);
            None
        }
    }
}

fn info(metric: &Metric) -> MetricInfo {
    let kind = match &metric.kind {
        MetricKind::Number(_) => expr::MetricKind::Number,
        MetricKind::State(states) => {
            expr::MetricKind::State(states.tokens().map(|token| token.to_string()).collect())
        }
        MetricKind::Text => expr::MetricKind::Text,
    };
    MetricInfo { metric: metric.name.clone(), kind, unit: None }
}
