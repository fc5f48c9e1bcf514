import { useEffect, useRef } from "preact/hooks";
import { type Key, t } from "../i18n";
import { helpOpen, setSingleKeys, singleKeys } from "../keys";

const KEYS: [string, Key][] = [
  ["Ctrl K", "keys.find"],
  ["g o/w/d/a/q/s", "keys.go"],
  ["j k", "keys.move"],
  ["Enter", "keys.open"],
  ["a", "keys.ack"],
  ["c f p", "keys.task"],
  ["?", "keys.help"],
];

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = () => (helpOpen.value = false);
  return (
    <dialog class="help" ref={dialog} aria-label={t("keys.title")} onClose={close}>
      <h2>{t("keys.title")}</h2>
      <dl>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
      <label>
        <input type="checkbox" checked={singleKeys.value} onChange={(e) => setSingleKeys(e.currentTarget.checked)} />
        {t("keys.single")}
      </label>
      <button type="button" class="btn" onClick={close}>
        {t("app.close")}
      </button>
    </dialog>
  );
}
