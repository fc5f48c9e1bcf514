import { useEffect, useState } from "preact/hooks";
import { Attempts } from "../api/attempts";
import * as api from "../api/client";
import { Refused } from "../api/client";
import type { Alert, Task, Transition } from "../api/types";
import { refused } from "../format/reason";
import { moment, span } from "../format/time";
import { type Key, name, pick, t } from "../i18n";
import { devicePath, listPath } from "../route";
import { link } from "../state/live";
import { began } from "../state/merge";
import { loaded, now, takeAlerts } from "../state/store";
import { taskOf } from "../state/tasks";
import { Empty, Panel } from "./frame";
import { Icon, SeverityChip, SeverityShape } from "./icons";
import { outcomes } from "./outcomes";

/** One alert: what it says, what people do about it, and the steps that it took. */
export function AlertDetail({ id, live }: { id: string; live: Alert | undefined }) {
  const [steps, setSteps] = useState<Transition[]>([]);
  const [missing, setMissing] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let current = true;
    api.alert(id).then(
      (answer) => {
        if (!current) return;
        takeAlerts([answer.alert]);
        setSteps(answer.transitions);
      },
      (error: unknown) => current && setMissing(error instanceof Refused && error.status === 404),
    );
    return () => {
      current = false;
    };
  }, [id, live?.transition, attempt]);
  if (!live) return missing ? <Empty title={t("alerts.missing")} hint={id} /> : loaded.value ? null : <Empty title={t("app.loading")} hint={id} />;
  return (
    <>
      <section class={`p head ${live.severity.toLowerCase()}`} data-testid="alert-detail">
        <div class="bd">
          <div class="title">
            <a class="back phone-only" href="/alerts" aria-label={t("app.back")}>
              <Icon name="back" size={18} />
            </a>
            <SeverityChip level={live.severity} word />
            <h2>{pick(live.text)}</h2>
            <span class="sp" />
            <span class="c3 mono">#{live.id.slice(0, 8)}</span>
          </div>
          <Facts alert={live} />
          <Handle alert={live} reload={() => setAttempt(attempt + 1)} />
        </div>
      </section>
      <Panel title={t("alerts.steps")} hint={t("alerts.steps.hint")}>
        <ol class="steps">
          {steps.map((step) => (
            <li key={step.number}>
              <time dateTime={step.at}>{moment(step.at, now.value)}</time>
              <b>{t(`condition.${step.condition}`)}</b>
              <span>{t(`handling.${step.handling}`)}</span>
              <span class="c3 mono">
                {t("quarantine.record")} {step.seq}
              </span>
            </li>
          ))}
        </ol>
      </Panel>
    </>
  );
}

function Facts({ alert }: { alert: Alert }) {
  const times: [Key, string | null][] = [
    ["alerts.began", alert.began_at],
    ["alerts.fired", alert.fired_at],
    ["alerts.cleared", alert.cleared_at],
  ];
  return (
    <div class="facts">
      <span>
        {t("alerts.condition")} <b data-testid="condition">{t(`condition.${alert.condition}`)}</b>
      </span>
      <span>
        {t("alerts.handling")} <b data-testid="handling">{t(`handling.${alert.handling}`)}</b>
      </span>
      {times.map(
        ([key, at]) =>
          at && (
            <span key={key}>
              {t(key)} <b>{moment(at, now.value)}</b>
            </span>
          ),
      )}
      {alert.condition === "firing" && <span>{t("alerts.lasting", { age: span(now.value - Date.parse(began(alert))) })}</span>}
      <span>
        {t("alerts.team")} <b>{name("team", alert.team)}</b>
      </span>
      <span>
        {t("alerts.rule")} <span class="mono">{alert.rule}</span>
      </span>
      {alert.cleared_reason && <span>{t("alerts.clearedBy", { reason: name("cleared", alert.cleared_reason) })}</span>}
      {alert.outcome && <span class="tag">{name("outcome", alert.outcome)}</span>}
    </div>
  );
}

/** How an alert can be closed by itself: with a task, as that can end without a note or a second signer. */
function endings(alert: Alert, task: Task | undefined): string[] {
  if (!task) return outcomes(alert.team);
  return task.outcomes.filter((code) => !task.note_for.includes(code) && !task.second_for.includes(code));
}

function Handle({ alert, reload }: { alert: Alert; reload: () => void }) {
  const [attempts] = useState(() => new Attempts());
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const task = taskOf(alert.id);
  const off = busy || link.value.state !== "live";
  const order = async (verb: "acknowledge" | "close", outcome?: string) => {
    setBusy(true);
    setProblem(null);
    try {
      const body = { happened_at: new Date(now.peek()).toISOString(), ...(outcome ? { outcome } : {}) };
      takeAlerts([await attempts.send([alert.id, verb, outcome], (key) => api.handle(alert.id, verb, key, body))]);
    } catch (error) {
      setProblem(refused(error, t("link.connecting")));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <div class="acts">
        {alert.handling === "open" && (
          <button type="button" class="btn pri" disabled={off} data-key="a" data-testid="acknowledge" onClick={() => void order("acknowledge")}>
            {busy ? t("alerts.acking") : t("alerts.ack.long")} <kbd>A</kbd>
          </button>
        )}
        {task && (
          <a class="btn pri" href={listPath(task.list)} data-testid="task-link">
            {t("alerts.task")}
          </a>
        )}
        <a class="btn" href={devicePath(alert.device)}>
          {t("alerts.openDevice")} {alert.device}
        </a>
      </div>
      {problem && (
        <div class="banner err" role="alert">
          <SeverityShape level="P1" />
          <span>
            <b>{t("alerts.notSaved")}</b> {problem}
          </span>
          <span class="sp" />
          <button type="button" class="btn s" onClick={reload}>
            {t("alerts.reload")}
          </button>
        </div>
      )}
      {!task?.owner && alert.handling !== "closed" && alert.handling !== "open" && (
        <fieldset class="outcomes" disabled={off}>
          <legend>{t("alerts.outcome")}</legend>
          {endings(alert, task).map((code) => (
            <button key={code} type="button" class="btn s" onClick={() => void order("close", code)}>
              {name("outcome", code)}
            </button>
          ))}
        </fieldset>
      )}
    </>
  );
}
