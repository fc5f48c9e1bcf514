//! The printed figures: each beside the limit of this machine, its ratio, its floor and its aim.

/// What a figure is held against.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// The least that is good enough.
    pub floor: f64,
    /// What is wanted.
    pub aim: f64,
    /// More is better; else less is.
    pub more: bool,
    /// Floor and aim are multiples of the limit.
    pub of_limit: bool,
}

impl Goal {
    /// At most so much.
    pub const fn at_most(floor: f64, aim: f64) -> Self {
        Self { floor, aim, more: false, of_limit: false }
    }

    /// At least so much.
    pub const fn at_least(floor: f64, aim: f64) -> Self {
        Self { floor, aim, more: true, of_limit: false }
    }

    /// At least so many times the limit.
    pub const fn times_limit(floor: f64, aim: f64) -> Self {
        Self { floor, aim, more: true, of_limit: true }
    }

    fn verdict(self, value: f64) -> &'static str {
        let meets = |goal: f64| if self.more { value >= goal } else { value <= goal };
        match (meets(self.floor), meets(self.aim)) {
            (_, true) => "aim met",
            (true, false) => "floor met",
            (false, false) => "MISSED",
        }
    }
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its number in the targets and what it is.
    pub what: String,
    /// What was measured.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The limit of this machine, measured in the same run, and what it is.
    pub limit: (f64, &'static str),
    /// What it is held against.
    pub goal: Goal,
}

/// All figures of this run.
#[derive(Debug, Default)]
pub struct Report(Vec<Figure>);

impl Report {
    /// Prints a figure and keeps it for the table at the end.
    pub fn add(&mut self, figure: Figure) {
        println!("{}", line(&figure));
        self.0.push(figure);
    }

    /// Prints all figures together.
    pub fn table(&self) {
        println!("{}", header());
        for figure in &self.0 {
            println!("{}", line(figure));
        }
    }
}

/// The head of the table.
pub fn header() -> String {
    format!(
        "{:<58} {:>13} {:>9}  {:<28} {:>7} {:>9} {:>7}  verdict",
        "figure", "measured", "limit", "what the limit is", "ratio", "floor", "aim"
    )
}

fn line(figure: &Figure) -> String {
    let Figure { what, value, unit, limit: (limit, of), goal } = figure;
    let ratio = if *limit > 0.0 { value / limit } else { 0.0 };
    let judged = if goal.of_limit { ratio } else { *value };
    let (sign, times) = (if goal.more { ">=" } else { "<=" }, if goal.of_limit { " x" } else { "" });
    format!(
        "{what:<58} {:>13} {:>9}  {of:<28} {:>7} {:>9} {:>7}  {}",
        format!("{} {unit}", short(*value)),
        short(*limit),
        format!("{} x", short(ratio)),
        format!("{sign}{}{times}", goal.floor),
        format!("{}{times}", goal.aim),
        goal.verdict(judged)
    )
}

/// A number in about three digits.
pub fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 0.1 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}
