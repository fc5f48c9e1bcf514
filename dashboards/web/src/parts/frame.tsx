import type { ComponentChildren } from "preact";
import { ago, clock, day, hourMinute, span } from "../format/time";
import { type Key, language, t } from "../i18n";
import { helpOpen } from "../keys";
import { route } from "../route";
import { link } from "../state/live";
import { now, status, waiting } from "../state/store";
import { openTasks } from "../state/tasks";
import { Help } from "./help";
import { Icon, type IconName, Logo, SeverityShape } from "./icons";

const ROOMS: { path: string; label: Key; icon: IconName; rooms: string[] }[] = [
  { path: "/", label: "room.overview", icon: "overview", rooms: ["overview"] },
  { path: "/worklist", label: "room.worklist", icon: "worklist", rooms: ["worklist"] },
  { path: "/devices", label: "room.devices", icon: "devices", rooms: ["devices", "device"] },
  { path: "/alerts", label: "room.alerts", icon: "alerts", rooms: ["alerts", "alert"] },
  { path: "/quarantine", label: "room.quarantine", icon: "quarantine", rooms: ["quarantine"] },
  { path: "/system", label: "room.system", icon: "system", rooms: ["system"] },
];

export function Frame({ children }: { children: ComponentChildren }) {
  return (
    <div class={`app ${link.value.state === "lost" ? "away" : ""}`}>
      <a class="skip" href="#main">
        {t("app.skip")}
      </a>
      <Top />
      <Rail />
      <main class="main" id="main" tabIndex={-1}>
        <LostBanner />
        {children}
      </main>
      <footer class="foot">
        <span>{t("app.notice.long")}</span>
        <span class="sp" />
        <button type="button" class="quiet keys" onClick={() => (helpOpen.value = true)}>
          <kbd>?</kbd> {t("app.shortcuts")}
        </button>
      </footer>
      {helpOpen.value && <Help />}
    </div>
  );
}

function Top() {
  const time = new Date(now.value).toISOString();
  return (
    <header class="top">
      <div class="brand">
        <Logo />
        <b>Orderly</b>
        {status.value && <span>{t("app.hospital", { site: status.value.site })}</span>}
      </div>
      <span class="sp" />
      <Counts />
      <Live />
      <span class="clock" data-testid="clock">
        {hourMinute(time)}
      </span>
      <span class="day">{day(time)}</span>
      <Languages />
    </header>
  );
}

function Counts() {
  const firing = waiting.value;
  return (
    <span class="counts">
      {(["P1", "P2", "P3"] as const).map((level) => (
        <span key={level} class={`cnt ${level.toLowerCase()}`} title={t(`severity.${level}`)}>
          <SeverityShape level={level} />
          <b>{firing.filter((alert) => alert.severity === level).length}</b>
        </span>
      ))}
    </span>
  );
}

/** Whether what is shown is of now; the text changes each second, so it is not announced. */
function Live() {
  const { state, heardAt, lostAt } = link.value;
  now.value;
  if (state === "live") {
    return (
      <span class="live" data-testid="live" data-state={state}>
        <i /> {t("link.live", { age: span(Date.now() - heardAt) })}
      </span>
    );
  }
  const text = state === "lost" ? t("link.lost", { age: span(Date.now() - lostAt) }) : t("link.connecting");
  return (
    <span class="live old" data-testid="live" data-state={state}>
      <i /> {text}
    </span>
  );
}

function LostBanner() {
  const { state, heardAt, lostAt, tries } = link.value;
  now.value;
  if (state !== "lost") return null;
  const shown = heardAt > 0 ? clock(new Date(heardAt).toISOString()) : "—";
  return (
    <div class="banner" role="status">
      <SeverityShape level="P3" />
      <span>
        <b>{t("link.lost", { age: span(Date.now() - lostAt) })}</b>
        {language.value === "zh" ? "，" : "; "}
        {t("link.lost.detail", { time: shown, n: tries })}
      </span>
    </div>
  );
}

function Languages() {
  return (
    <span class="lang" role="group" aria-label={t("app.language")}>
      <button type="button" lang="zh" aria-pressed={language.value === "zh"} onClick={() => (language.value = "zh")}>
        中
      </button>
      /
      <button type="button" lang="en" aria-pressed={language.value === "en"} onClick={() => (language.value = "en")}>
        EN
      </button>
    </span>
  );
}

function Rail() {
  const at = route.value.room;
  const badge = (path: string) => {
    if (path === "/alerts") return { n: waiting.value.length, urgent: waiting.value.some((a) => a.severity === "P1") };
    if (path === "/worklist") return { n: openTasks.value.length, urgent: openTasks.value.some((task) => task.severity === "P1") };
    if (path === "/quarantine") return { n: status.value?.counts.quarantined ?? 0, urgent: false };
    return { n: 0, urgent: false };
  };
  return (
    <nav class="rail">
      {ROOMS.map(({ path, label, icon, rooms }) => {
        const { n, urgent } = badge(path);
        return (
          <a key={path} href={path} class={rooms.includes(at) ? "on" : ""} aria-current={rooms.includes(at) ? "page" : undefined}>
            <Icon name={icon} size={22} />
            {t(label)}
            {n > 0 && <span class={`n ${urgent ? "c" : path === "/quarantine" ? "q" : ""}`}>{n > 999 ? "999+" : n}</span>}
          </a>
        );
      })}
    </nav>
  );
}

/** The sentence that stands on every clinical view and cannot be dismissed. */
export function Notice() {
  return (
    <span class="info" data-testid="notice">
      <Icon name="info" />
      {t("app.notice")}
    </span>
  );
}

export function Age({ at }: { at: string | null }) {
  return (
    <time class="age" dateTime={at ?? undefined} title={at ? clock(at) : undefined}>
      {ago(at, now.value)}
    </time>
  );
}

export function Empty({ title, hint }: { title: string; hint: string }) {
  return (
    <div class="empty">
      <b>{title}</b>
      <span>{hint}</span>
    </div>
  );
}

export function Panel(props: { title: string; hint?: string | undefined; aside?: ComponentChildren; children: ComponentChildren; class?: string; testid?: string }) {
  return (
    <section class={`p ${props.class ?? ""}`} data-testid={props.testid}>
      <header>
        <h2>{props.title}</h2>
        {props.hint && <span class="c3">{props.hint}</span>}
        {props.aside && (
          <>
            <span class="sp" />
            {props.aside}
          </>
        )}
      </header>
      {props.children}
    </section>
  );
}
