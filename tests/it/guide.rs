//! "A first profile in 30 minutes", followed to the letter: its files are written, its commands are run in their order,
//! and what it shows must come.

use std::path::Path;
use std::process::Command;

use orderly_tests::gateway::{binary, free_port};

/// What a guide asks for, in its order.
#[derive(Default)]
struct Guide {
    files: Vec<(String, String)>,
    script: String,
    shown: Vec<String>,
}

impl Guide {
    /// Reads the fenced blocks: `toml NAME` is a file, `sh` is typed, `text` must be shown.
    fn read(text: &str) -> Self {
        let mut guide = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(kind) = line.strip_prefix("```") else { continue };
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let block = block.join("\n");
            match kind.split_once(' ') {
                Some(("toml", name)) => guide.files.push((name.to_owned(), block)),
                None if kind == "sh" => guide.type_in(&block),
                None if kind == "text" => guide.shown.extend(block.lines().map(str::to_owned)),
                _ => panic!("a block of the guide that nobody follows: {kind}"),
            }
        }
        guide
    }

    /// A gateway goes to the background, as it would into a window of its own.
    fn type_in(&mut self, block: &str) {
        if block.starts_with("orderly run") {
            self.script +=
                &format!("{block} 2>run.log & gateway=$!\ntrap 'kill $gateway; wait $gateway' EXIT\n");
            self.script +=
                "until orderly healthcheck --config orderly.toml; do kill -0 $gateway; sleep 0.1; done\n";
        } else {
            self.script += &format!("{block}\n");
        }
    }
}

fn follow(name: &str) {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides").join(name);
    let guide = Guide::read(&std::fs::read_to_string(guide).unwrap());
    assert!(guide.files.len() == 2 && guide.shown.len() == 3, "the guide has its parts");
    // Other tests use the usual ports.
    let (http, mqtt) = (free_port().unwrap(), free_port().unwrap());
    let moved =
        |text: &str| text.replace(":8080", &format!(":{http}")).replace("-p 1883", &format!("-p {mqtt}"));
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in &guide.files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let ports = match name.as_str() {
            "orderly.toml" => {
                format!("\n[http]\nbind = \"127.0.0.1:{http}\"\n[listener]\nbind = \"127.0.0.1:{mqtt}\"\n")
            }
            _ => String::new(),
        };
        std::fs::write(path, format!("{text}\n{ports}")).unwrap();
    }
    let program = binary().unwrap();
    let path = std::env::join_paths(
        std::iter::once(program.parent().unwrap().to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &moved(&guide.script)])
        .current_dir(dir.path())
        .env("PATH", path.unwrap())
        .output()
        .unwrap();
    let (said, complained) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    for line in &guide.shown {
        assert!(said.contains(line), "{name}: {line} was not shown in\n{said}\n{complained}");
    }
    assert!(done.status.success(), "{name}: {said}\n{complained}");
}

#[test]
fn the_first_profile_in_english() {
    follow("first-profile.md");
}

#[test]
fn the_first_profile_in_chinese() {
    follow("first-profile.zh-CN.md");
}
