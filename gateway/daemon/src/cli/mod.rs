//! The command line: what a person types, and what is answered. Every command does its work in another room.

mod args;
mod check;
mod command;
mod decode;
mod demo;
mod device;
mod diff;
mod failure;
mod import;
mod inventory;
mod lang;
mod out;
mod redecode;
mod registry;
mod replay;
mod run;
mod session;
mod simulate;
mod tools;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use failure::Failure;
use lang::Lang;

/// What every command is given.
struct Context {
    args: Args,
    lang: Lang,
    environment: Vec<(String, String)>,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let lang = args.lang.unwrap_or_else(|| Lang::of(&environment));
    let context = Context { args, lang, environment };
    match dispatch(&context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::error(&failure.to_string());
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(context: &Context) -> Result<(), Failure> {
    match &context.args.command {
        Command::Run => run::run(context),
        Command::Demo(what) => demo::demo(context, what),
        Command::Simulate(what) => simulate::simulate(context, what),
        Command::Check(what) => check::check(context, what),
        Command::Decode(what) => decode::decode(context, what),
        Command::Replay(what) => replay::replay(context, what),
        Command::Redecode(what) => redecode::redecode(context, what),
        Command::Import(what) => import::import(context, what),
        Command::PrintConfig => tools::print_config(context),
        Command::Device(what) => device::device(context, what),
        Command::Registry(what) => registry::registry(context, what),
        Command::Tell(what) => command::command(context, what),
        Command::Journal(what) => tools::journal(context, what),
        Command::Audit(what) => tools::audit(context, what),
        Command::Healthcheck => tools::healthcheck(context),
        Command::Completions { shell } => tools::completions(*shell),
        Command::Status => tools::status(context),
        Command::Stop => tools::stop(context),
    }
}
