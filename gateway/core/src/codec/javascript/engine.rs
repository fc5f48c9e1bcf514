//! One run of a script in a world of its own, with its bounds.

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::{CatchResultExt as _, CaughtError, Context, Ctx, Runtime};

use super::{MOST_MEMORY, MOST_STEPS};
use crate::codec::document::CodecError;
use crate::time::Timestamp;

/// Recursion ends when it has taken so much of the thread's stack.
const MOST_STACK: usize = 256 << 10;
/// QuickJS asks whether to go on once in so many steps.
const STEPS_A_ROUND: u32 = 10_000;
/// Name of the script in messages of the engine.
const SCRIPT: &str = "script.js";

const PRELUDE: &str = include_str!("prelude.js");
const BUFFER: &str = include_str!("buffer.js");
/// An expression: the function that calls the script.
pub(super) const CALL: &str = include_str!("call.js");

/// Language without host: no proxies (they could make any built-in function endless), no weak references, no clock of
/// its own. Promises are there because asynchronous functions and `import()` are made of them; nobody waits for one.
type World = (
    (intrinsic::Eval, intrinsic::Date, intrinsic::RegExpCompiler, intrinsic::RegExp),
    (intrinsic::Json, intrinsic::MapSet, intrinsic::TypedArrays, intrinsic::Promise),
);

/// Runs a script and then an expression that sees what it defines; gives the text of the expression.
pub(super) fn run(script: &str, now: Timestamp, expression: &str) -> Result<String, CodecError> {
    let none = |error: rquickjs::Error| CodecError::whole(format!("the script: {error}"));
    let runtime = Runtime::new().map_err(none)?;
    runtime.set_memory_limit(MOST_MEMORY);
    runtime.set_max_stack_size(MOST_STACK);
    let mut rounds = 0;
    runtime.set_interrupt_handler(Some(Box::new(move || {
        rounds += 1;
        rounds > MOST_STEPS / STEPS_A_ROUND
    })));
    let context = Context::builder().with::<World>().build(&runtime).map_err(none)?;
    context.with(|world| {
        let prelude = format!("({})({})", PRELUDE.trim_end(), now.0);
        evaluate::<()>(&world, prelude, "prelude.js")?;
        if script.contains("Buffer") || script.contains("require") {
            evaluate::<()>(&world, BUFFER, "buffer.js")?;
        }
        evaluate::<()>(&world, script, SCRIPT)?;
        evaluate::<String>(&world, expression, "call.js")
    })
}

fn evaluate<'js, T: rquickjs::FromJs<'js>>(
    world: &Ctx<'js>,
    text: impl Into<Vec<u8>>,
    name: &str,
) -> Result<T, CodecError> {
    let mut options = EvalOptions::default();
    (options.strict, options.filename) = (false, Some(name.to_owned()));
    world.eval_with_options(text, options).catch(world).map_err(|caught| told(&caught))
}

/// What went wrong, with the line of the script where that is known.
fn told(caught: &CaughtError<'_>) -> CodecError {
    let (message, stack) = match caught {
        CaughtError::Exception(thrown) => (thrown.message(), thrown.stack()),
        // The engine throws nothing at all when there is no memory left to make an error of.
        CaughtError::Value(thrown) if thrown.is_null() => (Some("out of memory".to_owned()), None),
        CaughtError::Value(thrown) => (thrown.as_string().and_then(|text| text.to_string().ok()), None),
        CaughtError::Error(error) => (Some(error.to_string()), None),
    };
    let message = match message.as_deref() {
        Some("interrupted") => format!("it did not end within {MOST_STEPS} steps"),
        Some("out of memory") => format!("it needs more than {MOST_MEMORY} bytes of memory"),
        Some(message) if !message.trim().is_empty() => short(message),
        _ => "it threw something that is no error".to_owned(),
    };
    CodecError::whole(match stack.as_deref().and_then(line) {
        Some(line) => format!("the script, line {line}: {message}"),
        None => format!("the script: {message}"),
    })
}

/// The innermost line of the script in a stack of the engine.
fn line(stack: &str) -> Option<u32> {
    let (_, after) = stack.split_once(SCRIPT)?;
    let digits = after.strip_prefix(':')?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The beginning of what a script says, on one line.
pub(super) fn short(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(200)];
    text.split(|c: char| c.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
