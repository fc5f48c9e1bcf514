import "uplot/dist/uPlot.min.css";
import "./tokens.css";
import "./board.css";
import "./phone.css";
import "./worklist.css";
import { render } from "preact";
import { App } from "./app";
import { startLanguage } from "./i18n";
import { startKeys } from "./keys";
import { startRouting } from "./route";
import { follow } from "./state/live";

startLanguage();
startRouting();
startKeys();
follow();

const place = document.getElementById("board");
if (place) render(<App />, place);
