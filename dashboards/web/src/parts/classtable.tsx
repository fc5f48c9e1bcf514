import { count } from "../format/value";
import { name, t } from "../i18n";
import { classes } from "../state/store";
import { Age } from "./frame";

export function ClassTable() {
  return (
    <table class="t">
      <thead>
        <tr>
          <th>{t("classes.class")}</th>
          <th class="num">{t("classes.devices")}</th>
          <th class="num">{t("classes.online")}</th>
          <th class="num">{t("classes.silent")}</th>
          <th class="share">{t("classes.share")}</th>
          <th class="num">{t("classes.seen")}</th>
        </tr>
      </thead>
      <tbody>
        {classes.value.map((one) => (
          <tr key={one.class} data-class={one.class}>
            <td>
              <a class="rowlink" href={`/devices?class=${encodeURIComponent(one.class)}`} data-row>
                {name("class", one.class)}
              </a>
            </td>
            <td class="num">{count(one.devices)}</td>
            <td class="num">{count(one.online)}</td>
            <td class={`num ${one.silent > 0 ? "t3" : "c3"}`}>{count(one.silent)}</td>
            <td class="share">
              <Share on={one.online} all={one.devices} />
            </td>
            <td class="num">
              <Age at={one.lastSeen} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A bar of the share that is online; the rest is in the colour of what needs a look. */
function Share({ on, all }: { on: number; all: number }) {
  const share = all === 0 ? 0 : (100 * on) / all;
  return (
    <svg class="sharebar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect width="100" height="8" fill={on === all ? "var(--surface-3)" : "var(--p3-fill)"} />
      <rect width={share} height="8" fill="var(--d-2)" />
    </svg>
  );
}
