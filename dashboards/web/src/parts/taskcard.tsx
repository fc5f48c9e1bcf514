import { useEffect, useState } from "preact/hooks";
import type { Attempts } from "../api/attempts";
import * as api from "../api/client";
import type { Task } from "../api/types";
import { refused } from "../format/reason";
import { hourMinute, span } from "../format/time";
import { name, pick, t } from "../i18n";
import { devicePath } from "../route";
import { silent } from "../state/fresh";
import { link } from "../state/live";
import { device, now } from "../state/store";
import { isNumber, isOverdue, isWaiting, takeTasks, who } from "../state/tasks";
import { SeverityChip, SeverityShape } from "./icons";

type Form = "" | "finish" | "hand_over" | "attempt" | "reopen";

/** One thing to do: how urgent, what about, why, until when, and the one next step large enough for a thumb. */
export function TaskCard({ task, attempts, chosen }: { task: Task; attempts: Attempts; chosen: boolean }) {
  const [form, setForm] = useState<Form>("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  // What the gateway tells of the task since is newer than what went wrong here.
  useEffect(() => setProblem(""), [task.steps]);
  const off = busy || link.value.state !== "live" || !isNumber(who.value);
  const mine = task.owner === who.value && task.state === "claimed";
  const order = async (step: api.Step, details: Record<string, string> = {}) => {
    setBusy(true);
    setProblem("");
    const said = { who: who.value, ...details };
    try {
      // Without the time: an order that is sent again is the same one, whenever.
      const body = { ...said, happened_at: new Date(now.peek()).toISOString() };
      takeTasks([await attempts.send([task.id, step, said], (key) => api.work(task.id, step, key, body))]);
      setForm("");
    } catch (error) {
      setProblem(refused(error, t("worklist.failed")));
    } finally {
      setBusy(false);
    }
  };
  const key = (letter: string) => (chosen ? { "data-key": letter } : {});
  return (
    <li class={`task ${task.severity.toLowerCase()} ${task.state}`} data-testid="task" data-task={task.id} data-state={task.state} data-row tabIndex={0}>
      <Head task={task} />
      <ul class="why">
        {task.reasons.map((reason, n) => (
          <li key={reason.alert ?? n} class={reason.cleared_at || reason.settled ? "over" : ""}>
            {task.reasons.length > 1 && <SeverityShape level={reason.severity} />} {pick(reason.text)}
            <span class="c3">
              {" "}
              {reason.alert === null && t("worklist.byHand")}
              {reason.times > 1 && ` · ${t("worklist.times", { n: reason.times })}`}
              {reason.cleared_at && task.state !== "done" && ` · ${t("worklist.over")}`}
            </span>
          </li>
        ))}
      </ul>
      <Age task={task} />
      {problem !== "" && (
        <div class="banner err" role="alert">
          {problem}
        </div>
      )}
      {form === "" && (
        <div class="acts">
          {task.state === "open" && (
            <button type="button" class="btn pri" disabled={off} data-do="claim" {...key("c")} onClick={() => void order("claim")}>
              {t("worklist.claim")} <kbd>C</kbd>
            </button>
          )}
          {mine && (
            <>
              <button type="button" class="btn pri" disabled={off} data-do="finish" {...key("f")} onClick={() => setForm("finish")}>
                {t("worklist.finish")} <kbd>F</kbd>
              </button>
              <button type="button" class="btn" disabled={off} data-do="hand_over" onClick={() => setForm("hand_over")}>
                {t("worklist.handOver")}
              </button>
              <button type="button" class="btn" disabled={off} data-do="attempt" onClick={() => setForm("attempt")}>
                {t("worklist.attempt")}
              </button>
              <button type="button" class="btn" disabled={off} data-do="release" onClick={() => void order("release")}>
                {t("worklist.release")}
              </button>
            </>
          )}
          {task.state === "done" && (
            <button type="button" class="btn s" disabled={off} data-do="reopen" onClick={() => setForm("reopen")}>
              {t("worklist.reopen")}
            </button>
          )}
        </div>
      )}
      {form !== "" && <StepForm task={task} form={form} off={off} cancel={() => setForm("")} send={(details) => void order(form, details)} />}
    </li>
  );
}

function Head({ task }: { task: Task }) {
  const at = now.value;
  const where = [task.class && name("class", task.class), task.zone].filter(Boolean).join(" · ");
  return (
    <div class="hd">
      <SeverityChip level={task.severity} />
      {task.device ? <a href={devicePath(task.device)}>{task.subject}</a> : <b>{task.subject}</b>}
      <span class="c3">{where}</span>
      <span class="sp" />
      {task.state === "done" && task.ended_at && (
        <span class="c3" data-testid="ended">
          {t("worklist.ended", { time: hourMinute(task.ended_at), outcome: name("outcome", task.outcome ?? "") })}
        </span>
      )}
      {task.state !== "done" && (
        <span class={isOverdue(task, at) ? "late" : "c3"} data-testid="due">
          {isWaiting(task, at) && task.waits_until
            ? t("worklist.waits", { time: hourMinute(task.waits_until) })
            : isOverdue(task, at)
              ? t("worklist.overdue", { age: span(at - Date.parse(task.due_at)) })
              : t("worklist.due", { time: hourMinute(task.due_at) })}
        </span>
      )}
    </div>
  );
}

/** Whose it is, how far it has come, and how old is what is known of its device. */
function Age({ task }: { task: Task }) {
  const at = now.value;
  const found = task.device === null ? undefined : device(task.device);
  const said: string[] = [];
  if (task.state === "claimed" && task.owner !== null) {
    const since = span(at - Date.parse(task.claimed_at ?? task.opened_at));
    said.push(task.owner === who.value ? t("worklist.yours") : t("worklist.has", { who: task.owner, age: since }));
  }
  if (task.state === "done" && task.owner !== null) said.push(task.owner);
  if (task.attempts > 0) said.push(t("worklist.attempts", { n: task.attempts }));
  if (task.reopened > 0) said.push(t("worklist.reopened", { n: task.reopened }));
  if (task.note) said.push(task.note);
  const heard = found?.last_seen ? span(at - Date.parse(found.last_seen)) : null;
  return (
    <div class="st">
      <span data-testid="owner">{said.join(" · ")}</span>
      {found && heard !== null && (
        <span class={silent(found, at) ? "silent c3" : "c3"}>
          {t(silent(found, at) ? "worklist.silent" : "worklist.heard", { age: heard })}
        </span>
      )}
    </div>
  );
}

function StepForm(props: { task: Task; form: Form; off: boolean; cancel: () => void; send: (details: Record<string, string>) => void }) {
  const { task, form, off } = props;
  const [outcome, setOutcome] = useState("");
  const [note, setNote] = useState("");
  const [other, setOther] = useState("");
  const finish = form === "finish";
  const noteNeeded = form === "attempt" || form === "reopen" || task.note_for.includes(outcome);
  const second = finish && task.second_for.includes(outcome);
  const ready =
    (!finish || outcome !== "") &&
    (!noteNeeded || [...note.trim()].length >= 4) &&
    (form !== "hand_over" || isNumber(other)) &&
    (!second || (isNumber(other) && other !== who.value));
  const send = () => {
    const details: Record<string, string> = { note };
    if (finish) details["outcome"] = outcome;
    if (second) details["second"] = other;
    if (form === "hand_over") details["to"] = other;
    props.send(details);
  };
  return (
    <form
      class="order"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) send();
      }}
    >
      {finish && (
        <fieldset class="outcomes" disabled={off}>
          <legend>{t("worklist.outcome")}</legend>
          {task.outcomes.map((code) => (
            <button key={code} type="button" class={`btn ${outcome === code ? "on" : ""}`} aria-pressed={outcome === code} data-outcome={code} onClick={() => setOutcome(code)}>
              {name("outcome", code)}
            </button>
          ))}
        </fieldset>
      )}
      {(form === "hand_over" || second) && (
        <label>
          {t(second ? "worklist.second" : "worklist.to")}
          <input value={other} maxLength={64} autocomplete="off" onInput={(event) => setOther(event.currentTarget.value.trim())} />
        </label>
      )}
      <label>
        {t(noteNeeded ? "worklist.note.needed" : "worklist.note")}
        <input value={note} maxLength={500} autocomplete="off" onInput={(event) => setNote(event.currentTarget.value)} />
      </label>
      <button type="submit" class="btn pri" disabled={off || !ready} data-send={form}>
        {t("worklist.send")}
      </button>
      <button type="button" class="btn" onClick={props.cancel}>
        {t("worklist.cancel")}
      </button>
    </form>
  );
}
