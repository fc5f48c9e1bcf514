import { useEffect, useState } from "preact/hooks";
import * as api from "../api/client";
import type { QuarantineItem } from "../api/types";
import { moment } from "../format/time";
import { origin, reason, sourceName } from "../format/reason";
import { count } from "../format/value";
import { name, t } from "../i18n";
import { Empty } from "../parts/frame";
import { Strangers } from "../parts/strangers";
import { now, status } from "../state/store";

export function QuarantinePage() {
  const [items, setItems] = useState<QuarantineItem[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [total, setTotal] = useState(0);
  // Read again when there are more; a page that somebody reads on from stays as it is.
  const counted = status.value?.counts.quarantined ?? 0;
  const load = async (after: string | null) => {
    const page = await api.quarantine(after === null ? "" : `&after=${encodeURIComponent(after)}`).catch(() => null);
    if (!page) return;
    setItems((old) => (after === null ? page.items : [...(old ?? []), ...page.items]));
    setNext(page.next);
    setTotal(page.total);
  };
  useEffect(() => {
    const wait = setTimeout(() => void load(null), items === null ? 0 : 1000);
    return () => clearTimeout(wait);
  }, [counted]);
  return (
    <>
      <div class="ph">
        <h1>{t("quarantine.title")}</h1>
        <span class="c3">{t("quarantine.hint")}</span>
      </div>
      <Strangers />
      <section class="p grow" data-testid="quarantine">
        {items?.length === 0 && <Empty title={t("quarantine.none")} hint={t("quarantine.none.hint")} />}
        {items && items.length > 0 && <Items items={items} />}
        {items && items.length > 0 && (
          <footer>
            {t("app.range", { from: 1, to: count(items.length), all: count(total) })}
            <span class="sp" />
            {next !== null && (
              <button type="button" class="btn s" onClick={() => void load(next)}>
                {t("app.more", { n: 50 })}
              </button>
            )}
          </footer>
        )}
      </section>
    </>
  );
}

function Items({ items }: { items: QuarantineItem[] }) {
  return (
    <table class="t cards q">
      <thead>
        <tr>
          <th>{t("quarantine.time")}</th>
          <th>{t("quarantine.from")}</th>
          <th>{t("quarantine.reason")}</th>
          <th>{t("quarantine.excerpt")}</th>
          <th class="num">{t("quarantine.record")}</th>
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={`${item.seq}.${item.index}`}>
            <td class="nw">{moment(item.received_at, now.value)}</td>
            <td class="from">
              <span class="mono">{origin(item)}</span>
              <div class="l2">{sourceName(item.source)}</div>
            </td>
            <td class="wide">
              <b>{name("code", item.code)}</b>
              <div class="l2">{reason(item)}</div>
            </td>
            <td class="excerpt mono">{item.sealed ? t("quarantine.sealed") : item.excerpt.slice(0, 120)}</td>
            <td class="num mono c3">
              {item.seq}.{item.index}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
