import { useState } from "preact/hooks";
import { Attempts } from "../api/attempts";
import * as api from "../api/client";
import type { Argument, Device, Possible } from "../api/types";
import { refused } from "../format/reason";
import { pick, t } from "../i18n";
import { link } from "../state/live";

/** The buttons of a device's commands. A press opens the form of one; nothing leaves before that is sent. */
export function Order({ device, possible, done }: { device: Device; possible: Possible[]; done: () => void }) {
  // Here and not in the form: who leaves the form after a lost answer and comes back has still ordered once.
  const [attempts] = useState(() => new Attempts());
  const [chosen, setChosen] = useState<Possible | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const choose = (command: Possible | null) => {
    setChosen(command);
    setProblem(null);
  };
  return (
    <div class="bd">
      <div class="acts">
        {possible.map((command) => (
          <button
            key={command.command}
            type="button"
            class="btn"
            data-command={command.command}
            aria-expanded={chosen?.command === command.command}
            onClick={() => choose(command)}
          >
            {pick(command.label)}
          </button>
        ))}
      </div>
      {chosen && (
        <Form
          key={chosen.command}
          device={device}
          command={chosen}
          attempts={attempts}
          leave={() => choose(null)}
          answered={(why) => {
            if (why === null) setChosen(null);
            setProblem(why);
            done();
          }}
        />
      )}
      {problem && (
        <div class="banner" role="alert">
          {problem}
        </div>
      )}
    </div>
  );
}

interface FormOf {
  device: Device;
  command: Possible;
  attempts: Attempts;
  leave: () => void;
  /** Why it was not sent or not carried out; null: it left. */
  answered: (why: string | null) => void;
}

function Form({ device, command, attempts, leave, answered }: FormOf) {
  const [busy, setBusy] = useState(false);
  const [reason, setReason] = useState("");
  const [value, setValue] = useState(command.argument?.choices[0] ?? "");
  const off = busy || link.value.state !== "live";
  const send = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const asked = [device.id, command.command, command.argument ? value : null];
    try {
      const body = { command: command.command, reason, ...(command.argument ? { value } : {}) };
      const answer = await attempts.send(asked, (key) => api.command(device.id, key, body));
      answered(answer.why ? pick(answer.why) : null);
    } catch (error) {
      answered(refused(error, t("link.connecting")));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="order" onSubmit={(event) => void send(event)}>
      {command.argument && (
        <label>
          {pick(command.argument.label)} <Field argument={command.argument} value={value} set={setValue} />
        </label>
      )}
      <label>
        {t("commands.reason")} <input value={reason} maxLength={60} onInput={(event) => setReason(event.currentTarget.value)} />
      </label>
      <button type="submit" class="btn pri" disabled={off} data-send={command.command}>
        {t("commands.send")}{pick(command.label)}
      </button>
      <button type="button" class="btn" onClick={leave}>
        {t("commands.leave")}
      </button>
    </form>
  );
}

function Field({ argument, value, set }: { argument: Argument; value: string; set: (value: string) => void }) {
  const change = (event: { currentTarget: { value: string } }) => set(event.currentTarget.value);
  if (argument.kind === "choice") {
    return (
      <select value={value} onChange={change} data-value>
        {argument.choices.map((word) => (
          <option key={word} value={word}>
            {word}
          </option>
        ))}
      </select>
    );
  }
  if (argument.kind === "number") {
    const [least, most] = argument.range ?? [undefined, undefined];
    return <input type="number" step="any" min={least} max={most} required value={value} onInput={change} data-value />;
  }
  return <input required maxLength={argument.max_bytes ?? undefined} value={value} onInput={change} data-value />;
}
