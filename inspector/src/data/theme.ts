/** Light, dark, or as the system has it. */
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "abide.theme";
const THEMES: Theme[] = ["system", "light", "dark"];

export const theme = signal<Theme>(THEMES.find((one) => one === localStorage.getItem(KEY)) ?? "system");

export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!;
  localStorage.setItem(KEY, theme.value);
}

theme.subscribe((value) => {
  if (value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = value;
});

/** Calls back when colours change: by the button, or by the system. */
export function onColours(changed: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", changed);
  const stop = theme.subscribe(() => changed());
  return () => {
    system.removeEventListener("change", changed);
    stop();
  };
}

/** What a colour of the style sheet is right now. */
export function colour(name: string): string {
  const probe = document.createElement("span");
  probe.className = "probe";
  probe.style.setProperty("color", `var(${name})`);
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
