import { useState } from "preact/hooks";
import { Attempts } from "../api/attempts";
import * as api from "../api/client";
import { refused } from "../format/reason";
import { count } from "../format/value";
import { t } from "../i18n";

/** Whoever holds an unknown device types the code on its label. */
export function Claim({ adopted }: { adopted: (said: string) => void }) {
  const [attempts] = useState(() => new Attempts());
  const [code, setCode] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const claim = async () => {
    setBusy(true);
    setProblem("");
    try {
      const { device, read, left } = await attempts.send([code], (key) => api.claim(code, key));
      setCode("");
      adopted(t("strangers.done", { device, read: count(read), left: count(left) }));
    } catch (error) {
      setProblem(refused(error, t("strangers.unreachable")));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      data-testid="claim"
      onSubmit={(event) => {
        event.preventDefault();
        void claim();
      }}
    >
      <label>
        {t("claim.code")}{" "}
        <input
          value={code}
          maxLength={200}
          autocomplete="off"
          onInput={(event) => setCode(event.currentTarget.value)}
        />
      </label>{" "}
      <button type="submit" class="btn s" disabled={busy || code.trim() === ""}>
        {t("claim.do")}
      </button>
      {problem !== "" && <span role="alert"> {problem}</span>}
    </form>
  );
}
