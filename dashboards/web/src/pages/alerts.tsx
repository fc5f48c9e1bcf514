import { useState } from "preact/hooks";
import type { Alert } from "../api/types";
import { clock } from "../format/time";
import { count } from "../format/value";
import { t } from "../i18n";
import { AlertDetail } from "../parts/alertdetail";
import { AlertRow } from "../parts/alertrow";
import { Empty, Notice } from "../parts/frame";
import { alertPath } from "../route";
import { alertById, alerts, loaded, now, waiting } from "../state/store";

type Tab = "waiting" | "pending" | "over";
const MOST_SHOWN = 200;

function inTab(alert: Alert, tab: Tab, open: Set<string>): boolean {
  if (tab === "waiting") return open.has(alert.id);
  if (open.has(alert.id)) return false;
  return (alert.condition === "pending") === (tab === "pending");
}

export function AlertsPage({ chosen }: { chosen: string | null }) {
  const [tab, setTab] = useState<Tab>("waiting");
  const open = new Set(waiting.value.map((alert) => alert.id));
  const shown = alerts.value.filter((alert) => inTab(alert, tab, open));
  const tabs = (["waiting", "pending", "over"] as const).map((key) => ({
    key,
    n: alerts.value.filter((alert) => inTab(alert, key, open)).length,
  }));
  const alert = chosen === null ? undefined : alertById(chosen);
  return (
    <>
      <div class="ph">
        <h1>{t("alerts.title")}</h1>
        <span class="sp" />
        <Notice />
      </div>
      <div class={`grid split ${chosen ? "has-detail" : ""}`}>
        <section class="p master" aria-label={t("alerts.title")}>
          <header>
            <span class="seg" role="group" aria-label={t("alerts.title")}>
              {tabs.map(({ key, n }) => (
                <button key={key} type="button" class={tab === key ? "on" : ""} aria-pressed={tab === key} onClick={() => setTab(key)}>
                  {t(`alerts.${key}`)} <small>{count(n)}</small>
                </button>
              ))}
            </span>
          </header>
          {shown.length === 0 && loaded.value && (
            <Empty
              title={tab === "waiting" ? t("alerts.none") : t("device.alerts.none")}
              hint={t("alerts.none.hint", { time: clock(new Date(now.value).toISOString()) })}
            />
          )}
          <ul class="list" data-testid="alert-list">
            {shown.slice(0, MOST_SHOWN).map((one) => (
              <li key={one.id}>
                <AlertRow alert={one} href={alertPath(one.id)} chosen={one.id === chosen} />
              </li>
            ))}
          </ul>
          {shown.length > MOST_SHOWN && (
            <footer>{t("app.range", { from: 1, to: MOST_SHOWN, all: count(shown.length) })}</footer>
          )}
        </section>
        <div class="detail">
          {chosen === null && <Empty title={t("alerts.pick")} hint={t("app.notice")} />}
          {chosen !== null && <AlertDetail key={chosen} id={chosen} live={alert} />}
        </div>
      </div>
    </>
  );
}
