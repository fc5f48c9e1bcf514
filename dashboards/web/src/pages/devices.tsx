import { useState } from "preact/hooks";
import type { Device } from "../api/types";
import { count } from "../format/value";
import { name, t } from "../i18n";
import { Empty, Notice } from "../parts/frame";
import { Icon } from "../parts/icons";
import { DeviceState, LatestValues, Marks, ValueAge } from "../parts/value";
import { devicePath, go, query } from "../route";
import { newest } from "../state/fresh";
import { type Filter, filterDevices } from "../state/merge";
import { placeName } from "../state/places";
import { alarmed, classes, devices, loaded, now } from "../state/store";

const PAGE = 100;

function filterOf(search: URLSearchParams): Filter {
  const state = search.get("state");
  return {
    class: search.get("class") ?? "",
    text: search.get("q") ?? "",
    state: state === "silent" || state === "alert" ? state : "all",
  };
}

function show(filter: Filter): void {
  const search = new URLSearchParams();
  if (filter.class) search.set("class", filter.class);
  if (filter.text) search.set("q", filter.text);
  if (filter.state !== "all") search.set("state", filter.state);
  go(search.size > 0 ? `/devices?${search}` : "/devices", true);
}

export function DevicesPage() {
  const filter = filterOf(query.value);
  const [most, setMost] = useState(PAGE);
  const found = filterDevices(devices.value, filter, alarmed.value, now.value);
  const shown = found.slice(0, most);
  const change = (part: Partial<Filter>) => {
    setMost(PAGE);
    show({ ...filter, ...part });
  };
  return (
    <>
      <div class="ph">
        <h1>{t("devices.title")}</h1>
        <span class="sp" />
        <Notice />
      </div>
      <Filters filter={filter} change={change} />
      <section class="p grow">
        {found.length === 0 && loaded.value ? (
          <Empty title={t("devices.empty")} hint={t("devices.empty.hint")} />
        ) : (
          <Table devices={shown} />
        )}
        <footer>
          {shown.length > 0 && t("app.range", { from: 1, to: count(shown.length), all: count(found.length) })}
          <span class="sp" />
          {found.length > most && (
            <button type="button" class="btn s" onClick={() => setMost(most + PAGE)}>
              {t("app.more", { n: Math.min(PAGE, found.length - most) })}
            </button>
          )}
        </footer>
      </section>
    </>
  );
}

function Filters({ filter, change }: { filter: Filter; change: (part: Partial<Filter>) => void }) {
  const toggle = (state: Filter["state"]) => change({ state: filter.state === state ? "all" : state });
  return (
    <div class="filters">
      <label class="find">
        <Icon name="search" />
        <input
          type="search"
          value={filter.text}
          placeholder={t("devices.search")}
          aria-label={t("devices.search")}
          onInput={(event) => change({ text: event.currentTarget.value })}
        />
        <kbd>Ctrl K</kbd>
      </label>
      <div class="chips" role="group" aria-label={t("devices.state")}>
        <Chip on={filter.state === "silent"} set={() => toggle("silent")} label={t("devices.silentOnly")} />
        <Chip on={filter.state === "alert"} set={() => toggle("alert")} label={t("devices.alertOnly")} />
      </div>
      <div class="chips" role="group" aria-label={t("classes.class")}>
        <Chip on={filter.class === ""} set={() => change({ class: "" })} label={t("app.all")} n={devices.value.length} />
        {classes.value.map((one) => (
          <Chip
            key={one.class}
            on={filter.class === one.class}
            set={() => change({ class: filter.class === one.class ? "" : one.class })}
            label={name("class", one.class)}
            n={one.devices}
          />
        ))}
      </div>
    </div>
  );
}

function Chip(props: { on: boolean; set: () => void; label: string; n?: number }) {
  return (
    <button type="button" class={`chip ${props.on ? "on" : ""}`} aria-pressed={props.on} onClick={props.set}>
      {props.label}
      {props.n !== undefined && <small>{count(props.n)}</small>}
    </button>
  );
}

function Table({ devices }: { devices: Device[] }) {
  return (
    <table class="t cards" data-testid="devices">
      <thead>
        <tr>
          <th>{t("devices.device")}</th>
          <th>{t("classes.class")}</th>
          <th>{t("devices.zone")}</th>
          <th>{t("devices.values")}</th>
          <th>{t("devices.quality")}</th>
          <th class="num">{t("devices.age")}</th>
          <th>{t("devices.state")}</th>
        </tr>
      </thead>
      <tbody>
        {devices.map((device) => (
          <Row key={device.id} device={device} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ device }: { device: Device }) {
  const latest = newest(device);
  return (
    <tr data-device={device.id}>
      <td class="main-cell">
        <a class="rowlink" href={devicePath(device.id)} data-row>
          {device.id}
        </a>
      </td>
      <td class="c2">{name("class", device.class)}</td>
      <td class={`c3 ${device.zone === null ? "none" : ""}`}>{device.zone === null ? "—" : placeName(device.zone)}</td>
      <td class="wide">
        <LatestValues device={device} latest={latest} />
      </td>
      <td class="quality">
        <Marks latest={latest} deviceClass={device.class} />
      </td>
      <td class="num">
        <ValueAge device={device} latest={latest} />
      </td>
      <td>
        <DeviceState device={device} />
      </td>
    </tr>
  );
}
