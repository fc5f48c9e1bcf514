import { useEffect, useState } from "preact/hooks";
import * as api from "../api/client";
import type { Command, Commands as Said, Device, Possible } from "../api/types";
import { moment } from "../format/time";
import { type Key, pick, t } from "../i18n";
import { now } from "../state/store";
import { Panel } from "./frame";
import { Order } from "./order";

/** While an answer is out it is looked for so often. */
const LOOK_MS = 1000;
const WAITING = "sent";

/** What the device can be told here, and what became of what it was told. Devices without commands show nothing. */
export function Commands({ device }: { device: Device }) {
  const [said, setSaid] = useState<Said | null>(null);
  const [attempt, setAttempt] = useState(0);
  const waits = said?.commands.some((command) => command.state === WAITING) ?? false;
  const look = () => setAttempt((before) => before + 1);
  useEffect(() => {
    let current = true;
    api.commands(device.id).then(
      (answer) => current && setSaid(answer),
      () => undefined,
    );
    const again = waits ? setTimeout(look, LOOK_MS) : undefined;
    return () => {
      current = false;
      clearTimeout(again);
    };
  }, [device.id, attempt, waits]);
  if (!said || (said.possible.length === 0 && said.commands.length === 0)) return null;
  const allowed = said.possible.filter((possible) => possible.allowed);
  return (
    <Panel title={t("commands.title")} hint={allowed.length > 0 ? t("commands.hint") : t("commands.none")} testid="commands">
      {allowed.length > 0 && <Order device={device} possible={allowed} done={look} />}
      {said.commands.length > 0 && <Told commands={said.commands} possible={said.possible} />}
    </Panel>
  );
}

function Told({ commands, possible }: { commands: Command[]; possible: Possible[] }) {
  const label = (id: string) => {
    const found = possible.find((command) => command.command === id);
    return found ? pick(found.label) : id;
  };
  return (
    <table class="t cards">
      <thead>
        <tr>
          <th>{t("device.time")}</th>
          <th>{t("commands.command")}</th>
          <th>{t("commands.state")}</th>
          <th>{t("commands.why")}</th>
          <th>{t("commands.by")}</th>
        </tr>
      </thead>
      <tbody>
        {commands.map((command) => (
          <tr key={command.id} data-id={command.id} data-state={command.state}>
            <td class="nw">{moment(command.decided_at, now.value)}</td>
            <td>
              {label(command.command)} {command.value}
            </td>
            <td>
              <b>{t(`commands.state.${command.state}` as Key)}</b>
            </td>
            <td class="wide">{command.why ? pick(command.why) : ""}</td>
            <td class="c3">
              {command.actor} {command.reason}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
