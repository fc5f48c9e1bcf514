import { useEffect, useState } from "preact/hooks";
import * as api from "../api/client";
import type { Device, Latest, Reading } from "../api/types";
import { moment, span } from "../format/time";
import { values } from "../format/value";
import { type Key, name, t } from "../i18n";
import { AlertRow } from "../parts/alertrow";
import { Chart } from "../parts/chart";
import { Commands } from "../parts/commands";
import { Age, Empty, Notice, Panel } from "../parts/frame";
import { Icon } from "../parts/icons";
import { DeviceState, Marks, OneValue } from "../parts/value";
import { alertPath } from "../route";
import { freshness, newest } from "../state/fresh";
import { placeName } from "../state/places";
import { alerts, device as deviceById, loaded, now } from "../state/store";

const SPANS: { key: Key; ms: number | null }[] = [
  { key: "span.6h", ms: 6 * 3_600_000 },
  { key: "span.24h", ms: 24 * 3_600_000 },
  { key: "span.7d", ms: 7 * 86_400_000 },
  { key: "span.all", ms: null },
];
const MOST_READINGS = 2000;
const ROWS = 50;

export function DevicePage({ id }: { id: string }) {
  const device = deviceById(id);
  if (!device) return loaded.value ? <Empty title={t("device.missing")} hint={t("device.missing.hint")} /> : null;
  return (
    <>
      <div class="ph">
        <a class="back" href="/devices" aria-label={t("app.back")}>
          <Icon name="back" size={18} />
        </a>
        <h1>{device.id}</h1>
        <span class="c2">{name("class", device.class)}</span>
        <DeviceState device={device} />
        <span class="sp" />
        <Notice />
      </div>
      <Facts device={device} />
      <Current device={device} />
      <Commands device={device} />
      <History device={device} />
      <Alerts device={device} />
    </>
  );
}

function Facts({ device }: { device: Device }) {
  const every = device.expect_every_s;
  const facts: [Key, string][] = [
    ["device.zone", device.zone === null ? "—" : placeName(device.zone)],
    ["device.profile", device.profile],
    ["device.epoch", String(device.epoch)],
  ];
  if (device.firmware !== null) {
    facts.push(["device.firmware", device.firmware]);
  }
  return (
    <div class="facts">
      <span>
        {t("device.seen")} <b><Age at={device.last_seen} /></b>
      </span>
      <span>{every === null ? t("device.expect.none") : t("device.expect", { age: span(every * 1000) })}</span>
      {facts.map(([key, value]) => (
        <span key={key}>
          {t(key)} <b>{value}</b>
        </span>
      ))}
      {device.self_registered && <span class="tag">{t("state.new")}</span>}
    </div>
  );
}

function Current({ device }: { device: Device }) {
  return (
    <div class="ans now" data-testid="current">
      {device.latest.flatMap((latest) =>
        values(latest, device.class).map((shown) => (
          <div key={`${latest.stream}.${shown.metric}`} class="a">
            <span class="q">{shown.label}</span>
            <span class={`v ${freshness(device, latest, now.value)}`}>
              <OneValue shown={shown} fresh={freshness(device, latest, now.value)} label={false} />
            </span>
            <span class="s">
              {shown.quality !== "good" && `${t(`quality.${shown.quality}`)} ${shown.why} · `}
              <Age at={latest.taken_at} />
            </span>
          </div>
        )),
      )}
    </div>
  );
}

function History({ device }: { device: Device }) {
  const [choice, setChoice] = useState(1);
  const [readings, setReadings] = useState<Reading[] | null>(null);
  const [failed, setFailed] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const stamp = newest(device)?.received_at ?? "";
  const wide = SPANS[choice]?.ms ?? null;
  useEffect(() => {
    let current = true;
    const from = wide === null ? "" : `&from=${new Date(now.peek() - wide).toISOString()}`;
    // A device that reports often must not have its history read with each reading.
    const wait = setTimeout(
      async () => {
        try {
          const page = await api.readings(device.id, `limit=${MOST_READINGS}${from}`);
          if (current) {
            setReadings(page.readings);
            setFailed(false);
          }
        } catch {
          if (current) setFailed(true);
        }
      },
      readings === null ? 0 : 1000,
    );
    return () => {
      current = false;
      clearTimeout(wait);
    };
  }, [device.id, choice, stamp, attempt]);
  const choose = (
    <span class="seg" role="group" aria-label={t("device.chart")}>
      {SPANS.map(({ key }, index) => (
        <button key={key} type="button" class={index === choice ? "on" : ""} aria-pressed={index === choice} onClick={() => setChoice(index)}>
          {t(key)}
        </button>
      ))}
    </span>
  );
  return (
    <>
      <Panel title={t("device.chart")} hint={t("device.chart.hint")} aside={choose} class="chartpanel">
        <Chart readings={readings ?? []} deviceClass={device.class} />
      </Panel>
      <Panel title={t("device.readings")} hint={t("device.readings.hint")} testid="readings">
        {failed && (
          <div class="banner" role="status">
            {t("device.failed")}
            <button type="button" class="btn s" onClick={() => setAttempt(attempt + 1)}>
              {t("device.retry")}
            </button>
          </div>
        )}
        {readings?.length === 0 && <Empty title={t("device.readings.none")} hint={t(SPANS[choice]?.key ?? "span.all")} />}
        {readings && readings.length > 0 && <Rows readings={readings} deviceClass={device.class} />}
      </Panel>
    </>
  );
}

function Rows({ readings, deviceClass }: { readings: Reading[]; deviceClass: string }) {
  const [most, setMost] = useState(ROWS);
  return (
    <>
      <table class="t cards">
        <thead>
          <tr>
            <th>{t("device.time")}</th>
            <th>{t("device.values")}</th>
            <th>{t("devices.quality")}</th>
            <th>{t("device.stream")}</th>
            <th class="num">{t("device.received")}</th>
          </tr>
        </thead>
        <tbody>
          {readings.slice(0, most).map((reading) => (
            <tr key={reading.origin} data-origin={reading.origin} data-taken={reading.taken_at}>
              <td class="nw">{moment(reading.taken_at, now.value)}</td>
              <td class="wide">
                <ReadingValues reading={reading} deviceClass={deviceClass} />
              </td>
              <td class="quality">
                <Marks latest={reading} deviceClass={deviceClass} />
              </td>
              <td class="c3">{reading.stream}</td>
              <td class="num c3 nw">{moment(reading.received_at, now.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {readings.length > most && (
        <footer>
          <span class="sp" />
          <button type="button" class="btn s" onClick={() => setMost(most + ROWS)}>
            {t("app.more", { n: Math.min(ROWS, readings.length - most) })}
          </button>
        </footer>
      )}
    </>
  );
}

function ReadingValues({ reading, deviceClass }: { reading: Latest; deviceClass: string }) {
  return (
    <span class="vals fresh">
      {values(reading, deviceClass).map((shown) => (
        <OneValue key={shown.metric} shown={shown} fresh="fresh" />
      ))}
    </span>
  );
}

function Alerts({ device }: { device: Device }) {
  const own = alerts.value.filter((alert) => alert.device === device.id);
  return (
    <Panel title={t("device.alerts")}>
      {own.length === 0 && <p class="c3 pad">{t("device.alerts.none")}</p>}
      <ul class="list">
        {own.map((alert) => (
          <li key={alert.id}>
            <AlertRow alert={alert} href={alertPath(alert.id)} chosen={false} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}
