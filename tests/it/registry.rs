//! Places and things against the real binary: in as tables, out as the same tables, by folder, command line and HTTP.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use orderly_tests::gateway::{Site, binary, client};
use serde_json::{Value as Json, json};

const PLACES: &str = "\u{feff}id,kind,in,zh,en,level,capacity,marks\n\
    main,site,,本部,Main site,,,\n\
    opd-hall,hall,main,门诊大厅,\"Outpatient hall, ground floor\",1,,public\n\
    p-south,parking,main,南区停车场,South car park,,,visitor\n";
const BAYS: &str = "id,zone,marks\na-1,p-south,accessible ev\na-2,p-suoth,\na-3,p-south,\n";
const BINDINGS: &str = "device,what,id,from,until\nbp-1,place,opd-hall,2026-01-01T00:00:00+08:00,\n";

fn orderly(site: &Site, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary().unwrap());
    command.args(arguments).arg("--config").arg(site.config_file()).env("LANG", "C.UTF-8").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn post(site: &Site, query: &str, table: &str) -> (u16, Json) {
    let answer = client()
        .unwrap()
        .post(site.url(&format!("/api/v1/registry{query}")))
        .header("Idempotency-Key", "0123456789ab")
        .body(table.to_owned())
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn write(folder: &Path, files: &[(&str, &str)]) -> String {
    std::fs::create_dir_all(folder).unwrap();
    files.iter().for_each(|(name, text)| std::fs::write(folder.join(name), text).unwrap());
    folder.to_str().unwrap().to_owned()
}

fn ids(list: &Json) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn tables_go_in_line_by_line_and_come_out_as_they_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let files = [("places.csv", PLACES), ("bays.csv", BAYS), ("bindings.csv", BINDINGS)];
    let folder = write(&dir.path().join("tables"), &files);
    let bad = format!(
        "{folder}/bays.csv: line 3: column zone: there is no place \"p-suoth\"; did you mean \"p-south\"?"
    );

    // Nobody runs: the same is done under the lock.
    let dry = orderly(&site, &["registry", "import", &folder, "--dry-run"]);
    assert_eq!(dry.status.code(), Some(1), "{}", text(&dry.stderr));
    let dry = text(&dry.stdout);
    assert_eq!(dry.lines().next(), Some(bad.as_str()));
    assert!(dry.contains("nothing was changed: 6 would be entered"), "{dry}");

    let gateway = site.start().unwrap();
    assert_eq!(site.get("/api/v1/zones").await.unwrap()["zones"], json!([]));
    let done = text(&orderly(&site, &["registry", "import", &folder]).stdout);
    assert_eq!(done, format!("{bad}\n6 entered, 0 changed, 0 as they were, 1 refused\n"));
    let zones = site.get("/api/v1/zones").await.unwrap();
    assert_eq!(ids(&zones["zones"]), ["main", "opd-hall", "p-south"]);
    assert_eq!(zones["zones"][1]["name"], json!({"zh": "门诊大厅", "en": "Outpatient hall, ground floor"}));
    assert_eq!(ids(&site.get("/api/v1/bays?zone=p-south").await.unwrap()["bays"]), ["a-1", "a-3"]);
    let page = site.get("/api/v1/bays?limit=1").await.unwrap();
    assert_eq!((ids(&page["bays"]), &page["next"]), (vec!["a-1"], &json!("a-1")));

    // A device hangs where its binding says; one that would be nowhere is refused.
    let url = site.url("/ingest/v1/main/bp_meter/bp-1/reading");
    let reading = json!({"time": "2026-11-21T08:00:00+08:00", "sys": 120, "dia": 80, "pulse": 70});
    client().unwrap().post(url).json(&reading).send().await.unwrap().error_for_status().unwrap();
    let wrong = orderly(&site, &["device", "add", "bp-1", "--class", "bp_meter", "--zone", "opd-hal"]);
    assert!(text(&wrong.stderr).contains("is no place of the registry; did you mean \"opd-hall\"?"));
    assert!(orderly(&site, &["device", "add", "bp-1", "--class", "bp_meter"]).status.success());
    assert_eq!(site.get("/api/v1/devices/bp-1").await.unwrap()["zone"], "opd-hall");

    // The same over HTTP.
    let (status, body) = post(&site, "?file=bays.csv", BAYS).await;
    assert_eq!((status, &body["unchanged"], &body["refused"]), (200, &json!(2), &json!(1)), "{body}");
    assert_eq!(body["problems"][0]["column"], "zone");
    let (_, body) =
        post(&site, "?file=items.csv&dry_run=true", "id,class,home\nwc-1,wheelchair,opd-hall\n").await;
    assert_eq!((&body["created"], &body["dry_run"]), (&json!(1), &json!(true)));
    assert_eq!(site.get("/api/v1/items").await.unwrap()["items"], json!([]));
    let (status, body) = post(&site, "", "id\n").await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("bad_parameter")));
    let export = async |query: &str| {
        let answer =
            client().unwrap().get(site.url(&format!("/api/v1/registry{query}"))).send().await.unwrap();
        answer.text().await.unwrap()
    };
    assert_eq!(export("?file=places.csv").await, PLACES, "the very bytes that went in");
    let all = export("").await;

    // It is there after a restart, and the whole of it goes into another gateway.
    assert!(orderly(&site, &["stop"]).status.success());
    gateway.wait().unwrap();
    let out = dir.path().join("all.toml");
    assert!(orderly(&site, &["registry", "export", out.to_str().unwrap()]).status.success());
    assert_eq!(std::fs::read_to_string(&out).unwrap(), all);
    let audited = orderly(&site, &["audit", "verify"]);
    assert!(audited.status.success(), "{}", text(&audited.stderr));
    let second = tempfile::tempdir().unwrap();
    let other = Site::new(second.path(), "").unwrap();
    let moved = text(&orderly(&other, &["registry", "import", out.to_str().unwrap()]).stdout);
    assert_eq!(moved, "6 entered, 0 changed, 0 as they were, 0 refused\n");
    let again = second.path().join("again.toml");
    orderly(&other, &["registry", "export", again.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&again).unwrap(), all);
}

#[tokio::test]
async fn the_folder_is_followed_while_the_gateway_runs() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new(dir.path(), "").unwrap();
    let folder = site.config_file().parent().unwrap().join("registry");
    write(&folder, &[("places.csv", PLACES), ("bays.csv", "id,zone\na-1,p-south\na-2,p-south\n")]);
    let _gateway = site.start().unwrap();
    let until = async |what: &str, is: &dyn Fn(&Json, &Json) -> bool| {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let bays = site.get("/api/v1/bays").await.unwrap();
            let status = site.get("/api/v1/status").await.unwrap();
            if is(&bays["bays"], &status["warnings"]) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{what}: {bays} {}", status["warnings"]);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    until("at the start", &|bays, _| ids(bays) == ["a-1", "a-2"]).await;
    write(&folder, &[("bays.csv", "id,zone\na-2,p-south\na-3,p-south\n")]);
    until("what is not named goes", &|bays, _| ids(bays) == ["a-2", "a-3"]).await;
    // A bad line is told, the rest goes in, and nothing is taken away by such a file.
    write(&folder, &[("bays.csv", "id,zone\na-3,p-suoth\na-4,p-south\n")]);
    until("a bad line", &|bays, warnings| {
        let told = warnings.to_string();
        ids(bays) == ["a-2", "a-3", "a-4"] && told.contains("bays.csv: line 2: column zone")
    })
    .await;
    write(&folder, &[("bays.csv", "id,zone\na-3,p-south\na-4,p-south\n")]);
    until("mended", &|bays, warnings| {
        ids(bays) == ["a-3", "a-4"] && !warnings.to_string().contains("registry_line")
    })
    .await;
}
