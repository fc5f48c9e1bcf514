//! How long 100,000 items take to be read, checked, compared with what stands and put in, beside cutting the same file
//! into its fields and nothing else.

use std::fmt::Write as _;

use orderly_core::registry::{File, Registry, plan};

use crate::report::{Figure, Goal, Report};

const ITEMS: usize = 100_000;
/// What issue 4 asks for, in seconds.
const BAR: Goal = Goal::at_most(1.0, 0.5);

pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let places = "id,kind,in,zh,en\nmain,site,,院区,Campus\nhall,hall,main,门诊大厅,Hall\n";
    let mut items = "id,class,home,label\n".to_owned();
    for n in 0..ITEMS {
        writeln!(items, "item-{n:06},wheelchair,hall,No. {n}")?;
    }
    let files = [
        File { name: "places.csv", bytes: places.as_bytes() },
        File { name: "items.csv", bytes: items.as_bytes() },
    ];
    let begin = crate::flood::now();
    let fields: usize = items.lines().map(|line| line.split(',').count()).sum();
    let limit = begin.elapsed().as_secs_f64();
    anyhow::ensure!(fields == 4 * (ITEMS + 1));

    let mut registry = Registry::default();
    let begin = crate::flood::now();
    let planned = plan(&registry, &files, true);
    anyhow::ensure!(planned.report.refused.is_empty(), "{}", planned.report.refused[0]);
    for change in &planned.changes {
        registry.apply(change).map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    }
    let first = begin.elapsed().as_secs_f64();
    let begin = crate::flood::now();
    let again = plan(&registry, &files, true);
    anyhow::ensure!(again.changes.is_empty() && again.report.unchanged > ITEMS as u64);
    let limit = (limit, "the lines cut into fields");
    let figure = |what: &str, value| Figure { what: what.to_owned(), value, unit: "s", limit, goal: BAR };
    report.add(figure("registry: 100,000 items enter", first));
    report.add(figure("registry: the same 100,000 again", begin.elapsed().as_secs_f64()));
    Ok(())
}
