import { useEffect } from "preact/hooks";
import { t } from "./i18n";
import { AlertsPage } from "./pages/alerts";
import { DevicePage } from "./pages/device";
import { DevicesPage } from "./pages/devices";
import { OverviewPage } from "./pages/overview";
import { QuarantinePage } from "./pages/quarantine";
import { SystemPage } from "./pages/system";
import { WorklistPage } from "./pages/worklist";
import { Empty, Frame } from "./parts/frame";
import { route } from "./route";

export function App() {
  const at = route.value;
  useEffect(() => {
    document.title = `${title()} · Orderly`;
  });
  return (
    <Frame>
      {at.room === "overview" && <OverviewPage />}
      {at.room === "devices" && <DevicesPage />}
      {at.room === "device" && <DevicePage key={at.id} id={at.id} />}
      {at.room === "alerts" && <AlertsPage chosen={null} />}
      {at.room === "alert" && <AlertsPage chosen={at.id} />}
      {at.room === "worklist" && <WorklistPage list={at.list} />}
      {at.room === "quarantine" && <QuarantinePage />}
      {at.room === "system" && <SystemPage />}
      {at.room === "nowhere" && <Empty title={t("app.missingPage")} hint={t("app.missingPage.hint")} />}
    </Frame>
  );
}

function title(): string {
  const at = route.value;
  if (at.room === "device") return at.id;
  if (at.room === "alert") return t("room.alerts");
  return at.room === "nowhere" ? t("app.missingPage") : t(`room.${at.room}`);
}
