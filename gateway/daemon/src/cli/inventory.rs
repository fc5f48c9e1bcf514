//! `orderly device import FILE`: the hospital's own list into the register, line by line.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use orderly_core::inventory::{Entered, Listed, MAX_BYTES, Refused, TOGETHER, Table};

use super::session::Session;
use super::{Context, Failure, Lang, out};
use crate::config::Settings;
use crate::control::Request;

/// How often a person at a terminal is told how far it is, in lines.
const TELL_EVERY: usize = 10_000;

/// Enters a list, or says what would become of it; lines that are refused are told, the others go in.
pub fn import(context: &Context, file: &Path, dry_run: bool) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    let bytes = read(file).map_err(|error| Failure::Other(format!("{}: {error}", file.display())))?;
    let mut table = Table::open(&bytes).map_err(|r| Failure::Other(format!("{}: {r}", file.display())))?;
    let mut session = Session::new(&settings);
    let mut entered = Entered::default();
    let mut told = 0;
    loop {
        let (lines, unreadable) = next(&mut table);
        if lines.is_empty() && unreadable.is_empty() {
            break;
        }
        told += lines.len() + unreadable.len();
        let mut some = Entered { refused: unreadable, ..Entered::default() };
        if !lines.is_empty() {
            let key = uuid::Uuid::now_v7().to_string();
            let reply = session.ask(Request::DeviceImport { lines, dry_run, key }).map_err(|failure| {
                let done = summary(context.lang, &entered, dry_run);
                Failure::Other(format!("{done}\n{failure}"))
            })?;
            some.add(serde_json::from_value(reply).map_err(Failure::because)?);
        }
        some.refused.sort_by_key(|refused| refused.line);
        for refused in &mut some.refused {
            refused.column = table.called(&refused.column);
            out::line(&format!("{}: {refused}", file.display()));
        }
        entered.add(some);
        if told.is_multiple_of(TELL_EVERY) && std::io::stderr().is_terminal() {
            out::error(&summary(context.lang, &entered, dry_run));
        }
    }
    out::line(&summary(context.lang, &entered, dry_run));
    if entered.refused.is_empty() {
        return Ok(());
    }
    let said = context.lang.pick("有的行未导入，原因见上", "some lines did not go in, see above");
    Err(Failure::Other(said.to_owned()))
}

/// Enters a short list that this program wrote itself.
///
/// # Errors
/// When nobody takes it, or a line is refused.
pub fn enter(settings: &Settings, list: &str) -> Result<(), Failure> {
    let mut table = Table::open(list.as_bytes()).map_err(Failure::because)?;
    let mut session = Session::new(settings);
    loop {
        let (lines, mut refused) = next(&mut table);
        if lines.is_empty() && refused.is_empty() {
            return Ok(());
        }
        let key = uuid::Uuid::now_v7().to_string();
        let reply = session.ask(Request::DeviceImport { lines, dry_run: false, key })?;
        let entered: Entered = serde_json::from_value(reply).map_err(Failure::because)?;
        refused.extend(entered.refused);
        if let Some(refused) = refused.first() {
            return Err(Failure::Other(refused.to_string()));
        }
    }
}

/// The lines of one order, and those before them that nobody can read.
fn next(table: &mut Table<'_>) -> (Vec<Listed>, Vec<Refused>) {
    let (mut lines, mut unreadable) = (Vec::new(), Vec::new());
    for line in table.take(TOGETHER) {
        match line {
            Ok(listed) => lines.push(listed),
            Err(refused) => unreadable.push(refused),
        }
    }
    (lines, unreadable)
}

/// A file that is too long is read only so far that it is seen.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn summary(lang: Lang, entered: &Entered, dry_run: bool) -> String {
    let Entered { created, changed, unchanged, refused } = entered;
    let refused = refused.len();
    match (lang, dry_run) {
        (Lang::Zh, true) => {
            format!(
                "试运行，未作任何改动：将新增 {created}，修改 {changed}，未变 {unchanged}，拒绝 {refused}"
            )
        }
        (Lang::En, true) => format!(
            "dry run, nothing was changed: {created} would be entered, {changed} changed, {unchanged} stay as they \
             are, {refused} are refused"
        ),
        (Lang::Zh, false) => format!("新增 {created}，修改 {changed}，未变 {unchanged}，拒绝 {refused}"),
        (Lang::En, false) => {
            format!("{created} entered, {changed} changed, {unchanged} as they were, {refused} refused")
        }
    }
}
