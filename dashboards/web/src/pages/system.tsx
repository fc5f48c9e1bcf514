import type { ComponentChildren } from "preact";
import type { Status } from "../api/types";
import { moment } from "../format/time";
import { sourceName } from "../format/reason";
import { bytes, count, number } from "../format/value";
import { name, pick, t } from "../i18n";
import { Empty, Panel } from "../parts/frame";
import { SeverityShape } from "../parts/icons";
import { now, status } from "../state/store";

/** The gateway's own state, for the people who run it. */
export function SystemPage() {
  const shown = status.value;
  return (
    <>
      <div class="ph">
        <h1>{t("system.title")}</h1>
        {shown && (
          <span class="c3">
            {t("system.version")} {shown.version} · {t("system.started")} {moment(shown.started_at, now.value)}
          </span>
        )}
      </div>
      {shown ? <Panels status={shown} /> : <Empty title={t("app.loading")} hint={t("link.connecting")} />}
    </>
  );
}

function Panels({ status }: { status: Status }) {
  const { journal, engine, counts, rates } = status;
  return (
    <div class="grid three">
      <Panel title={t("system.warnings")} class="full">
        {status.warnings.length === 0 && <p class="c3 pad">{t("system.warnings.none")}</p>}
        <ul class="list">
          {status.warnings.map((warning) => (
            <li key={warning.code} class="warn">
              <SeverityShape level="P3" />
              {pick(warning.text)}
              <span class="sp" />
              <span class="mono c3">{warning.code}</span>
            </li>
          ))}
        </ul>
      </Panel>
      <Panel title={t("system.journal")}>
        <Pairs>
          <Pair label={t("system.durable")} value={count(journal.durable)} />
          <Pair label={t("system.unsynced")} value={bytes(journal.unsynced_bytes)} />
          <Pair label={t("system.segments")} value={count(journal.segments)} />
          <Pair label={t("system.size")} value={bytes(journal.bytes)} />
        </Pairs>
      </Panel>
      <Panel title={t("system.engine")}>
        <Pairs>
          <Pair label={t("system.cursor")} value={count(engine.cursor)} />
          <Pair label={t("system.lag")} value={count(engine.lag)} />
          <Pair label={t("system.commit")} value={count(status.commit)} />
          <Pair label={t("tile.load")} value={`${number(rates.messages_per_s, 1)} ${t("tile.load.unit")}`} />
        </Pairs>
      </Panel>
      <Panel title={t("system.counts")}>
        <Pairs>
          <Pair label={t("system.readings")} value={count(counts.readings)} />
          <Pair label={t("system.repeats")} value={count(counts.repeats)} />
          <Pair label={t("system.late")} value={count(counts.late)} />
          <Pair label={t("quarantine.title")} value={count(counts.quarantined)} />
        </Pairs>
      </Panel>
      <Panel title={t("system.sources")} class="full">
        <table class="t cards">
          <thead>
            <tr>
              <th>{t("system.name")}</th>
              <th>{t("system.state")}</th>
              <th class="num">{t("system.connections")}</th>
              <th>{t("system.error")}</th>
            </tr>
          </thead>
          <tbody>
            {status.sources.map((source) => (
              <tr key={source.name}>
                <td class="main-cell">{sourceName(source.name)}</td>
                <td class={source.up ? "c2" : "t3"}>{source.up ? t("system.up") : t("system.down")}</td>
                <td class="num">{count(source.connections)}</td>
                <td class="c3">{source.detail ?? ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {status.sources.length === 0 && <p class="c3 pad">{t("system.none")}</p>}
      </Panel>
      <Panel title={t("system.sinks")} class="full">
        <table class="t cards">
          <thead>
            <tr>
              <th>{t("system.name")}</th>
              <th>{t("system.state")}</th>
              <th class="num">{t("system.cursor")}</th>
              <th class="num">{t("system.lag")}</th>
              <th>{t("system.error")}</th>
            </tr>
          </thead>
          <tbody>
            {status.sinks.map((sink) => (
              <tr key={sink.name}>
                <td class="main-cell">{sink.name}</td>
                <td class={sink.state === "ok" ? "c2" : "t3"}>{name("sink", sink.state)}</td>
                <td class="num">{count(sink.cursor)}</td>
                <td class="num">{count(sink.lag)}</td>
                <td class="c3">{sink.last_error ?? ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {status.sinks.length === 0 && <p class="c3 pad">{t("system.none")}</p>}
      </Panel>
    </div>
  );
}

function Pairs({ children }: { children: ComponentChildren }) {
  return <dl class="pairs">{children}</dl>;
}

function Pair({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}
