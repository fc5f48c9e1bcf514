//! `orderly registry ...`: places and things in and out as tables.

use std::path::{Path, PathBuf};

use orderly_core::registry::{FORMS, File, Registry as Rows, Report, csv, plan, toml};

use super::args::Registry;
use super::session::Session;
use super::{Context, Failure, Lang, out};
use crate::config::Settings;
use crate::control::Request;
use crate::pipeline::StateFile;

/// Carries out a command of the registry.
pub fn registry(context: &Context, what: &Registry) -> Result<(), Failure> {
    let settings = context.load()?.settings;
    match what {
        Registry::Import { files, dry_run } => import(context.lang, &settings, files, *dry_run),
        Registry::Export { to } => export(context.lang, &stored(&settings)?, to),
    }
}

/// What is committed; nothing, where there never was a gateway.
fn stored(settings: &Settings) -> Result<Rows, Failure> {
    if !settings.data_dir.join("state.db").is_file() {
        return Ok(Rows::default());
    }
    let reader = StateFile(settings.data_dir.clone()).reader().map_err(Failure::Other)?;
    Ok(Rows::restore(reader.registry().map_err(Failure::because)?))
}

fn import(lang: Lang, settings: &Settings, paths: &[PathBuf], dry_run: bool) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in paths {
        read(path, &mut files).map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    }
    let mut session = Session::new(settings);
    // A state file of an earlier version is brought to this one by whoever has it; only then can it be read.
    session.ask(Request::DeviceList)?;
    let files: Vec<File<'_>> = files.iter().map(|(name, bytes)| File { name, bytes }).collect();
    let planned = plan(&stored(settings)?, &files, false);
    let mut report = planned.report.clone();
    if !dry_run {
        let (orders, told) = planned.orders();
        report = told;
        for changes in orders {
            let key = uuid::Uuid::now_v7().to_string();
            let reply = session.ask(Request::RegistryChange { changes, key }).map_err(|failure| {
                Failure::Other(format!("{}\n{failure}", summary(lang, &report, dry_run)))
            })?;
            report.add(serde_json::from_value(reply).map_err(Failure::because)?);
        }
    }
    for line in &report.refused {
        out::line(&line.to_string());
    }
    out::line(&summary(lang, &report, dry_run));
    if report.refused.is_empty() {
        return Ok(());
    }
    let said = lang.pick("有的行未导入，原因见上", "some lines did not go in, see above");
    Err(Failure::Other(said.to_owned()))
}

/// A file, or every table of a folder.
fn read(path: &Path, files: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push((path.display().to_string(), std::fs::read(path)?));
        return Ok(());
    }
    let mut inside: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    inside.retain(|path| path.extension().is_some_and(|ending| ending == "csv" || ending == "toml"));
    inside.sort();
    inside.iter().try_for_each(|path| read(path, files))
}

fn export(lang: Lang, registry: &Rows, to: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::Other(format!("{}: {error}", path.display()));
    if to.extension().is_some_and(|ending| ending == "toml") {
        std::fs::write(to, toml(registry)).map_err(|error| failed(to, error))?;
    } else {
        std::fs::create_dir_all(to).map_err(|error| failed(to, error))?;
        for form in FORMS.into_iter().filter(|form| form.kind.is_none()) {
            let path = to.join(format!("{}.csv", form.file));
            std::fs::write(&path, csv(registry, form)).map_err(|error| failed(&path, error))?;
        }
    }
    let rows = registry.len();
    out::line(&match lang {
        Lang::Zh => format!("已写出 {rows} 行到 {}", to.display()),
        Lang::En => format!("{rows} rows were written to {}", to.display()),
    });
    Ok(())
}

fn summary(lang: Lang, report: &Report, dry_run: bool) -> String {
    let Report { created, changed, unchanged, refused, .. } = report;
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
