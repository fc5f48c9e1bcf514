import type { Device, Latest } from "../api/types";
import { ago } from "../format/time";
import { poorest, type Shown, values } from "../format/value";
import { name, t } from "../i18n";
import { type Freshness, freshness, silent } from "../state/fresh";
import { now } from "../state/store";

/** The values of a latest reading; old ones are grey and struck through, those of a silent device are gone. */
export function LatestValues({ device, latest, most = 4 }: { device: Device; latest: Latest | undefined; most?: number }) {
  if (!latest) return <span class="c3">—</span>;
  const fresh = freshness(device, latest, now.value);
  return (
    <span class={`vals ${fresh}`}>
      {values(latest, device.class)
        .slice(0, most)
        .map((shown) => (
          <OneValue key={shown.metric} shown={shown} fresh={fresh} />
        ))}
    </span>
  );
}

export function OneValue({ shown, fresh, label = true }: { shown: Shown; fresh: Freshness; label?: boolean }) {
  const title = [shown.label, t(`quality.${shown.quality}`), shown.why].filter(Boolean).join(" · ");
  return (
    <span class={`val ${shown.quality}`} title={title} data-metric={shown.metric}>
      {label && <small>{shown.label}</small>}
      <b>{fresh === "silent" ? "—" : shown.text}</b>
      {shown.unit && fresh !== "silent" && <i>{shown.unit}</i>}
    </span>
  );
}

/** The age of a value; says so in words when it is old. */
export function ValueAge({ device, latest }: { device: Device; latest: Latest | undefined }) {
  if (!latest) return <span class="c3">{t("age.never")}</span>;
  const fresh = freshness(device, latest, now.value);
  return <span class={fresh === "fresh" ? "age" : "age t3"}>{ago(latest.taken_at, now.value)}</span>;
}

/** Marks of a reading and of its quality, in words. */
export function Marks({ latest, deviceClass }: { latest: Latest | undefined; deviceClass: string }) {
  if (!latest) return null;
  if (poorest(latest) === "good" && latest.marks.length === 0) return <span class="c3">{t("quality.good")}</span>;
  const odd = values(latest, deviceClass).filter((shown) => shown.quality !== "good");
  return (
    <span class="tags">
      {odd.map((shown) => (
        <span key={shown.metric} class={`tag q-${shown.quality}`} title={shown.why}>
          {shown.label} {t(`quality.${shown.quality}`)}
          {shown.why && ` · ${shown.why}`}
        </span>
      ))}
      {latest.marks.map((mark) => (
        <span key={mark} class="tag">
          {name("mark", mark)}
        </span>
      ))}
    </span>
  );
}

export function DeviceState({ device }: { device: Device }) {
  if (device.revoked) return <span class="tag st">{t("state.revoked")}</span>;
  if (silent(device, now.value)) return <span class="t3">{t("state.silent")}</span>;
  return <span class="c2">{device.expect_every_s === null ? t("state.quiet") : t("state.online")}</span>;
}
