import { computed } from "@preact/signals";
import { bytes, count, number } from "../format/value";
import { clock } from "../format/time";
import { name, pick, t } from "../i18n";
import { AlertRow } from "../parts/alertrow";
import { ClassTable } from "../parts/classtable";
import { Age, Empty, Notice, Panel } from "../parts/frame";
import { SeverityShape } from "../parts/icons";
import { LatestValues } from "../parts/value";
import { alertPath, devicePath } from "../route";
import { newest, silent } from "../state/fresh";
import { later } from "../state/merge";
import { devices, loaded, now as time, status, waiting } from "../state/store";

const ALERTS_SHOWN = 8;
const READINGS_SHOWN = 12;

/** Devices by the time of their last reading, the newest first. */
const latest = computed(() => {
  const received = devices.value.flatMap((device) => {
    const reading = newest(device);
    return reading ? [{ at: reading.received_at, device }] : [];
  });
  received.sort((a, b) => later(b.at, a.at) || later(a.device.id, b.device.id));
  return received.slice(0, READINGS_SHOWN).map((one) => one.device);
});

export function OverviewPage() {
  return (
    <>
      <div class="ph">
        <h1>{t("room.overview")}</h1>
        <span class="sp" />
        <Notice />
      </div>
      <Answers />
      <Warnings />
      <div class="grid two">
        <div class="col">
          <Panel title={t("classes.title")} hint={t("classes.hint")} class="classes" testid="classes">
            {loaded.value && devices.value.length === 0 ? (
              <Empty title={t("classes.empty")} hint={t("classes.empty.hint")} />
            ) : (
              <ClassTable />
            )}
          </Panel>
          <Panel title={t("latest.title")} hint={t("latest.hint")} testid="latest">
            <ul class="list">
              {latest.value.map((device) => (
                <li key={device.id}>
                  <a class="lr" href={devicePath(device.id)} data-row>
                    <b>{device.id}</b>
                    <span class="c3">{name("class", device.class)}</span>
                    <LatestValues device={device} latest={newest(device)} most={3} />
                    <Age at={newest(device)?.taken_at ?? null} />
                  </a>
                </li>
              ))}
            </ul>
          </Panel>
        </div>
        <Panel
          title={t("alerts.title")}
          hint={`${t("alerts.waiting")} ${waiting.value.length}`}
          aside={<a href="/alerts">{t("app.all")}</a>}
          testid="alerts"
        >
          {waiting.value.length === 0 && (
            <Empty title={t("alerts.none")} hint={t("alerts.none.hint", { time: clock(new Date(time.value).toISOString()) })} />
          )}
          <ul class="list">
            {waiting.value.slice(0, ALERTS_SHOWN).map((alert) => (
              <li key={alert.id}>
                <AlertRow alert={alert} href={alertPath(alert.id)} chosen={false} />
              </li>
            ))}
          </ul>
        </Panel>
      </div>
    </>
  );
}

function Tile(props: { q: string; v: string; u?: string; s: string; level?: "" | "p1" | "p2" | "p3"; href: string; testid: string }) {
  const level = props.level ?? "";
  return (
    <a class={`a ${level}`} href={props.href} data-testid={props.testid}>
      <span class="q">
        {level && <SeverityShape level={level === "p1" ? "P1" : level === "p2" ? "P2" : "P3"} />}
        {props.q}
      </span>
      <span class="v">
        {props.v}
        {props.u && <small>{props.u}</small>}
      </span>
      <span class="s">{props.s}</span>
    </a>
  );
}

function Answers() {
  const firing = waiting.value;
  const p1 = firing.filter((alert) => alert.severity === "P1").length;
  const p2 = firing.filter((alert) => alert.severity === "P2").length;
  const open = firing.filter((alert) => alert.handling === "open").length;
  const known = devices.value.filter((device) => !device.revoked);
  const quiet = known.filter((device) => silent(device, time.value)).length;
  const share = known.length === 0 ? 100 : (100 * (known.length - quiet)) / known.length;
  const now = status.value;
  const sink = now?.sinks.toSorted((a, b) => b.lag - a.lag)[0];
  const quarantined = now?.counts.quarantined ?? 0;
  const lag = now?.engine.lag ?? 0;
  return (
    <div class="ans" data-testid="answers">
      <Tile
        testid="tile-attention"
        href="/alerts"
        q={t("tile.attention")}
        v={firing.length === 0 ? t("tile.attention.none") : count(firing.length)}
        u={firing.length === 0 ? "" : t("tile.attention.unit")}
        s={t("tile.attention.detail", { p1, p2, open })}
        level={p1 > 0 ? "p1" : p2 > 0 ? "p2" : firing.length > 0 ? "p3" : ""}
      />
      <Tile
        testid="tile-silent"
        href="/devices?state=silent"
        q={t("tile.silent")}
        v={count(quiet)}
        u={t("tile.silent.unit")}
        s={t("tile.silent.detail", { all: count(known.length), share: number(share, 1) })}
        level={quiet > 0 ? "p3" : ""}
      />
      <Tile
        testid="tile-unusable"
        href="/quarantine"
        q={t("tile.unusable")}
        v={count(quarantined)}
        u={t("tile.unusable.unit")}
        s={t("tile.unusable.detail")}
        level={quarantined > 0 ? "p3" : ""}
      />
      <Tile
        testid="tile-load"
        href="/system"
        q={t("tile.load")}
        v={number(now?.rates.messages_per_s ?? 0, (now?.rates.messages_per_s ?? 0) < 10 ? 1 : 0)}
        u={t("tile.load.unit")}
        s={t("tile.load.detail", { readings: number(now?.rates.readings_per_s ?? 0, 1) })}
      />
      <Tile
        testid="tile-sink"
        href="/system"
        q={t("tile.sink")}
        v={!sink ? t("tile.sink.off") : sink.lag < 1000 && sink.state === "ok" ? t("tile.sink.ok") : t("tile.sink.behind", { n: count(sink.lag) })}
        s={sink ? t("tile.sink.detail", { name: sink.name, state: name("sink", sink.state) }) : t("tile.sink.none")}
        level={sink && sink.state !== "ok" ? "p3" : ""}
      />
      <Tile
        testid="tile-engine"
        href="/system"
        q={t("tile.engine")}
        v={lag < 1000 ? t("tile.engine.ok") : t("tile.engine.behind", { n: count(lag) })}
        s={t("tile.engine.detail", { bytes: bytes(now?.journal.unsynced_bytes ?? 0) })}
        level={lag < 1000 ? "" : "p3"}
      />
    </div>
  );
}

function Warnings() {
  const warnings = status.value?.warnings ?? [];
  return (
    <>
      {warnings.map((warning) => (
        <div key={warning.code} class="banner" role="status" data-testid="warning">
          <SeverityShape level="P3" />
          <span>{pick(warning.text)}</span>
        </div>
      ))}
    </>
  );
}
