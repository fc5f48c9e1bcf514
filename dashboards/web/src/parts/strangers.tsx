import { useEffect, useState } from "preact/hooks";
import { Attempts } from "../api/attempts";
import * as api from "../api/client";
import type { Stranger } from "../api/types";
import { refused } from "../format/reason";
import { moment } from "../format/time";
import { count } from "../format/value";
import { name, t } from "../i18n";
import { now, status } from "../state/store";
import { Claim } from "./claim";

/** Devices that speak and are on no register: who reads what they send, and one button that takes them on. */
export function Strangers() {
  const [devices, setDevices] = useState<Stranger[]>([]);
  const [done, setDone] = useState("");
  const counted = status.value?.counts.quarantined ?? 0;
  const load = async () => setDevices(await api.strangers().catch(() => []));
  useEffect(() => {
    const wait = setTimeout(() => void load(), devices.length === 0 ? 0 : 1000);
    return () => clearTimeout(wait);
  }, [counted]);
  const adopted = (said: string) => {
    setDone(said);
    void load();
  };
  if (devices.length === 0 && done === "") return null;
  return (
    <section class="p" data-testid="strangers">
      <header>
        <h2>{t("strangers.title")}</h2>
        <span class="c3">{t("strangers.hint")}</span>
      </header>
      {done !== "" && <p role="status">{done}</p>}
      {devices.length > 0 && <Claim adopted={adopted} />}
      {devices.length > 0 && (
        <table class="t cards">
          <thead>
            <tr>
              <th>{t("strangers.device")}</th>
              <th class="num">{t("strangers.samples")}</th>
              <th>{t("strangers.last")}</th>
              <th>{t("quarantine.excerpt")}</th>
              <th>{t("strangers.profile")}</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {devices.map((device) => (
              <Row key={device.id} device={device} adopted={adopted} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Row({ device, adopted }: { device: Stranger; adopted: (said: string) => void }) {
  const [profile, setProfile] = useState(device.suggestions[0]?.profile ?? "");
  const [attempts] = useState(() => new Attempts());
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const adopt = async () => {
    setBusy(true);
    setProblem("");
    try {
      const { read, left } = await attempts.send([device.id, profile], (key) => api.adopt(device.id, profile, key));
      adopted(t("strangers.done", { device: device.id, read: count(read), left: count(left) }));
    } catch (error) {
      setProblem(refused(error, t("strangers.unreachable")));
    } finally {
      setBusy(false);
    }
  };
  return (
    <tr>
      <td>
        <span class="mono">{device.id}</span>
        <div class="l2">{device.class === null ? device.address : name("class", device.class)}</div>
      </td>
      <td class="num">{count(device.samples)}</td>
      <td class="nw">{moment(device.last_at, now.value)}</td>
      <td class="excerpt mono">{device.excerpt.slice(0, 80)}</td>
      <td>
        {device.suggestions.length === 0 ? (
          <span class="c3">{t("strangers.nobody")}</span>
        ) : (
          <select
            aria-label={t("strangers.profile")}
            value={profile}
            onChange={(event) => setProfile(event.currentTarget.value)}
          >
            {device.suggestions.map((found) => (
              <option key={found.profile} value={found.profile}>
                {t(found.fits ? "strangers.fits" : "strangers.reads", {
                  profile: found.profile,
                  n: found.metrics.length,
                })}
              </option>
            ))}
          </select>
        )}
        {problem !== "" && <div role="alert">{problem}</div>}
      </td>
      <td>
        <button
          type="button"
          class="btn s"
          disabled={busy || profile === ""}
          data-testid="adopt"
          onClick={() => void adopt()}
        >
          {t("strangers.adopt")}
        </button>
      </td>
    </tr>
  );
}
