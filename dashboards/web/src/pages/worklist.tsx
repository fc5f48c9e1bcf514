import { useEffect, useState } from "preact/hooks";
import { Attempts } from "../api/attempts";
import * as api from "../api/client";
import type { ListFigures, Task } from "../api/types";
import { refused } from "../format/reason";
import { clock, moment, span } from "../format/time";
import { count } from "../format/value";
import { name, t } from "../i18n";
import { Empty, Notice } from "../parts/frame";
import { TaskCard } from "../parts/taskcard";
import { listPath } from "../route";
import { link } from "../state/live";
import { loaded, now } from "../state/store";
import { doneTasks, isNumber, isOverdue, openTasks, setWho, tasksChanged, who } from "../state/tasks";

type Tab = "waiting" | "free" | "mine" | "done";
const TABS: Tab[] = ["waiting", "free", "mine", "done"];
const MOST_SHOWN = 200;
/** Figures are read again so long after the last change: a flood of tasks is one question. */
const SETTLE_MS = 500;

function inTab(tasks: Task[], tab: Tab): Task[] {
  if (tab === "free") return tasks.filter((task) => task.state === "open");
  return tab === "mine" ? tasks.filter((task) => task.owner === who.value && who.value !== "") : tasks;
}

/** What a team has to do, in the order in which it should be done. */
export function WorklistPage({ list }: { list: string }) {
  const [tab, setTab] = useState<Tab>("waiting");
  const [attempts] = useState(() => new Attempts());
  const [chosen, setChosen] = useState("");
  const of = (tasks: Task[]) => (list === "" ? tasks : tasks.filter((task) => task.list === list));
  const [open, done] = [of(openTasks.value), of(doneTasks.value)];
  const tasks = (key: Tab) => (key === "done" ? done : inTab(open, key));
  const shown = tasks(tab);
  const title = list === "" ? t("worklist.title") : name("list", list);
  const first = shown[0]?.id ?? "";
  const focused = shown.some((task) => task.id === chosen) ? chosen : first;
  return (
    <>
      <div class="ph">
        <h1>{title}</h1>
        <span class="c3">{t("worklist.sorted")}</span>
        <span class="sp" />
        <Notice />
      </div>
      <p class="print-only">{t("worklist.printed", { list: title, time: moment(new Date(now.value).toISOString(), 0), who: who.value })}</p>
      <Answers list={list} open={open} />
      <Lists list={list} />
      <div class="filters">
        <span class="seg" role="group" aria-label={t("worklist.title")}>
          {TABS.map((key) => (
            <button key={key} type="button" class={tab === key ? "on" : ""} aria-pressed={tab === key} data-tab={key} onClick={() => setTab(key)}>
              {t(`worklist.${key}`)} <small>{count(tasks(key).length)}</small>
            </button>
          ))}
        </span>
        <label class="who">
          {t("worklist.who")} <input value={who.value} maxLength={64} autocomplete="off" onInput={(event) => setWho(event.currentTarget.value)} />
        </label>
        {!isNumber(who.value) && <span class="c3">{t("worklist.who.hint")}</span>}
        <button type="button" class="btn s" data-key="p" onClick={() => print()}>
          {t("worklist.print")} <kbd>P</kbd>
        </button>
        <Shift list={list} mine={inTab(open, "mine").length} attempts={attempts} />
      </div>
      <section class="p" aria-label={title}>
        {shown.length === 0 && loaded.value && (
          <Empty title={t("worklist.none")} hint={t("worklist.none.hint", { time: clock(new Date(now.value).toISOString()) })} />
        )}
        <ul
          class="list tasks"
          data-testid="tasks"
          onFocusIn={(event) => {
            const card = event.target instanceof Element ? event.target.closest("[data-task]") : null;
            setChosen(card?.getAttribute("data-task") ?? "");
          }}
        >
          {shown.slice(0, MOST_SHOWN).map((task) => (
            <TaskCard key={task.id} task={task} attempts={attempts} chosen={task.id === focused} />
          ))}
        </ul>
        {shown.length > 0 && (
          <footer>{t("app.range", { from: 1, to: Math.min(MOST_SHOWN, shown.length), all: count(shown.length) })}</footer>
        )}
      </section>
    </>
  );
}

function Lists({ list }: { list: string }) {
  const counts = new Map<string, number>();
  for (const task of openTasks.value) counts.set(task.list, (counts.get(task.list) ?? 0) + 1);
  if (list !== "" && !counts.has(list)) counts.set(list, 0);
  return (
    <nav class="chips" aria-label={t("worklist.all")}>
      <a class={`chip ${list === "" ? "on" : ""}`} href={listPath("")}>
        {t("worklist.all")} <small>{count(openTasks.value.length)}</small>
      </a>
      {[...counts].sort().map(([one, n]) => (
        <a key={one} class={`chip ${one === list ? "on" : ""}`} href={listPath(one)} data-list={one}>
          {name("list", one)} <small>{count(n)}</small>
        </a>
      ))}
    </nav>
  );
}

function Answers({ list, open }: { list: string; open: Task[] }) {
  const [lists, setLists] = useState<ListFigures[]>([]);
  const changed = tasksChanged.value;
  useEffect(() => {
    let current = true;
    const timer = setTimeout(() => {
      api.figures().then(
        (found) => current && setLists(found),
        () => undefined,
      );
    }, SETTLE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [changed]);
  const overdue = open.filter((task) => isOverdue(task, now.value)).length;
  const mine = lists.filter((one) => list === "" || one.list === list);
  const one = mine.length === 1 ? mine[0] : undefined;
  const ended = new Map<string, number>();
  for (const [code, n] of mine.flatMap((figures) => Object.entries(figures.outcomes))) ended.set(code, (ended.get(code) ?? 0) + n);
  const outcomes = [...ended].sort((a, b) => b[1] - a[1]).map(([code, n]) => `${name("outcome", code)} ${n}`);
  const time = (seconds: number | null | undefined) => (typeof seconds === "number" ? span(seconds * 1000) : "—");
  const tiles: [string, string, string, string][] = [
    ["open", t("worklist.q.open"), count(open.length), t("worklist.q.open.detail", { free: open.filter((task) => task.state === "open").length })],
    ["overdue", t("worklist.q.overdue"), count(overdue), t("worklist.q.overdue.detail")],
    ["done", t("worklist.q.done"), count(mine.reduce((sum, figures) => sum + figures.done, 0)), t("worklist.q.done.detail", { outcomes: outcomes.join(" · ") })],
    ["claim", t("worklist.q.claim"), time(one?.to_claim_s), t("worklist.q.claim.detail")],
    ["finish", t("worklist.q.finish"), time(one?.to_finish_s), t("worklist.q.finish.detail")],
  ];
  return (
    <div class="ans few">
      {tiles.map(([key, question, value, detail]) => (
        <div key={key} class={`a ${key === "overdue" && overdue > 0 ? "p3" : ""}`} data-tile={key}>
          <span class="q">{question}</span>
          <span class="v">{value}</span>
          <span class="s">{detail}</span>
        </div>
      ))}
    </div>
  );
}

/** At the end of a shift all goes to the next one in one step. */
function Shift({ list, mine, attempts }: { list: string; mine: number; attempts: Attempts }) {
  const [open, setOpen] = useState(false);
  const [to, setTo] = useState("");
  const [said, setSaid] = useState("");
  const off = mine === 0 || link.value.state !== "live" || !isNumber(who.value);
  const send = async () => {
    const asked = { who: who.value, to, ...(list === "" ? {} : { list }) };
    try {
      const n = await attempts.send(["shift", asked, mine], (key) => api.handOver(key, asked));
      setSaid(t("worklist.shift.done", { n }));
      setOpen(false);
    } catch (error) {
      setSaid(refused(error, t("worklist.failed")));
    }
  };
  return (
    <>
      {!open && (
        <button type="button" class="btn s" disabled={off} data-do="shift" onClick={() => setOpen(true)}>
          {t("worklist.shift")}
        </button>
      )}
      {open && (
        <form
          class="shift"
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <label class="who">
            {t("worklist.to")} <input value={to} maxLength={64} autocomplete="off" onInput={(event) => setTo(event.currentTarget.value.trim())} />
          </label>
          <button type="submit" class="btn s pri" disabled={off || !isNumber(to)}>
            {t("worklist.shift.do", { n: mine })}
          </button>
        </form>
      )}
      {said !== "" && <span role="status">{said}</span>}
    </>
  );
}
