//! Conditions over the values of one device: their text, and the form that runs. Rules and the interlocks of
//! commands are written in it.

mod lower;
mod over;
mod text;

pub use lower::{
    Aspect, Lowered, MAX_SLOTS, MetricInfo, MetricKind, Slot, Truth, slot_value, token_number, unknown_metric,
};
pub use over::{Of, Over, Span};
pub use text::{Arg, Call, Expr, ExprError, Literal, Op, parse};
