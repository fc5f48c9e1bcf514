import type { Alert } from "../api/types";
import { name, pick, t } from "../i18n";
import { began } from "../state/merge";
import { placeName } from "../state/places";
import { Age } from "./frame";
import { SeverityChip } from "./icons";

/** One alert, one line: how urgent, what, since when; below it where and how far people have come. */
export function AlertRow({ alert, href, chosen }: { alert: Alert; href: string; chosen: boolean }) {
  const quiet = alert.condition === "cleared" || alert.handling === "closed";
  return (
    <a
      class={`al ${alert.severity.toLowerCase()} ${chosen ? "on" : ""} ${quiet ? "over" : ""}`}
      href={href}
      aria-current={chosen ? "true" : undefined}
      data-row
      data-testid="alert"
      data-alert={alert.id}
    >
      <SeverityChip level={alert.severity} />
      <b class="h">{pick(alert.text)}</b>
      <Age at={began(alert)} />
      <span class="d">
        {name("class", alert.class)} · {alert.device}
        {alert.zone && ` · ${placeName(alert.zone)}`}
      </span>
      <span class="st">
        {t(`condition.${alert.condition}`)} · <span class={alert.handling === "open" && !quiet ? "t2" : ""}>{t(`handling.${alert.handling}`)}</span>
      </span>
    </a>
  );
}
