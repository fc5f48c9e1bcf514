//! `orderly import`

use super::args::Import;
use super::{Context, Failure, Lang, out};
use crate::import::chirpstack;

/// Makes profiles of another system's, and says what was left out and why.
pub fn import(context: &Context, what: &Import) -> Result<(), Failure> {
    let Import::Chirpstack { dir, to, class } = what;
    let imported = chirpstack(dir, to.as_deref(), class)
        .map_err(|error| Failure::Other(format!("{}: {error}", dir.display())))?;
    for file in &imported.written {
        out::line(&match context.lang {
            Lang::Zh => format!("导入 {file}"),
            Lang::En => format!("imported {file}"),
        });
    }
    for (name, why) in &imported.left {
        out::line(&match context.lang {
            Lang::Zh => format!("未导入 {name}：{why}"),
            Lang::En => format!("left out {name}: {why}"),
        });
    }
    for (name, why) in &imported.failing {
        out::line(&match context.lang {
            Lang::Zh => format!("用例不成立 {name}：{why}"),
            Lang::En => format!("does not hold {name}: {why}"),
        });
    }
    let (written, left) = (imported.written.len(), imported.left.len());
    let (holding, cases) = (imported.holding, imported.holding + imported.failing.len());
    out::line(&match context.lang {
        Lang::Zh => format!("{written} 个设备型号已导入，{left} 个未导入；{cases} 个用例中 {holding} 个成立"),
        Lang::En => format!("{written} profiles imported, {left} left out; {holding} of {cases} cases hold"),
    });
    Ok(())
}
