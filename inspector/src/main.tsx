/** Where it begins. */
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/views.css";
import { effect, untracked } from "@preact/signals";
import { render } from "preact";
import { App } from "./app";
import { sampleForEver } from "./data/history";
import { readKinds } from "./data/kinds";
import { epoch } from "./data/link";
import { hear } from "./data/live";

// At the beginning, and whenever everything has to be read anew.
effect(() => {
  void epoch.value;
  untracked(() => {
    void readKinds();
    hear();
  });
});
sampleForEver();

render(<App />, document.getElementById("app")!);
