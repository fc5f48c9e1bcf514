//! The sink against a real VictoriaMetrics, if it is installed.

use orderly::sinks::SinkState;
use orderly::sinks::influx::{Engine, InfluxConfig};
use orderly_core::ids::MetricId;
use orderly_core::value::{Quality, Value};
use orderly_tests::victoria::{self, Series, Victoria};

use super::double::{Rig, config, reading};

/// The values of one field, in order of time.
fn values(found: &[Series], name: &str) -> Vec<f64> {
    let of_field = found.iter().filter(|series| series.metric["__name__"] == name);
    let mut points: Vec<(i64, f64)> =
        of_field.flat_map(|series| series.timestamps.iter().copied().zip(series.values.clone())).collect();
    points.sort_by_key(|point| point.0);
    points.into_iter().map(|point| point.1).collect()
}

#[tokio::test]
async fn a_real_victoria_metrics_holds_every_reading() {
    if victoria::find().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let victoria = Victoria::start(dir.path()).await.unwrap();
    let mut rig = Rig::start(InfluxConfig { engine: Engine::VictoriaMetrics, ..config(victoria.url("")) });
    let mut readings: Vec<_> = (1..=500).map(|seq| reading("bp-1", seq)).collect();
    readings[7].values[0].value = Value::Number(-2.5e-7);
    readings[499].taken_at = readings[498].taken_at;
    let mut state = readings[9].values[0].clone();
    (state.metric, state.value) = (MetricId::new("cuff").unwrap(), Value::State("loose".into()));
    state.quality = Quality::Bad;
    readings[9].values.push(state);
    let last = rig.commit_these(readings);
    let state = rig.until_cursor(last).await;
    assert_eq!((state.state, state.accepted), (SinkState::Ok, 499));
    assert_eq!(state.collisions, 1, "one row for two readings is said, not hidden");
    let found = victoria.export("bp-1").await.unwrap();
    assert!(found.iter().all(|series| series.metric["site"] == "main"));
    let sys = values(&found, "bp_meter_sys");
    assert_eq!((sys.len(), sys[6], sys[7], sys[498]), (499, 7.0, -2.5e-7, 499.0));
    let quality = values(&found, "bp_meter_quality");
    assert_eq!((quality.len(), quality[8], quality[9]), (499, 0.0, 2.0));
    assert_eq!(values(&found, "bp_meter_sys_quality"), [0.0], "the number itself was good");
    assert_eq!(values(&found, "bp_meter_cuff_quality"), [2.0]);
    assert_eq!(values(&found, "bp_meter_cuff"), [0.0; 0], "a state is no nought");
}
