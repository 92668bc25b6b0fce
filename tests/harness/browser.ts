/** The system's Chromium, pages in it, and pictures of them. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";

import { chromium, type Browser, type Page } from "playwright-core";

const ROOT = resolve(import.meta.dirname, "../..");

/** Where the pictures go. */
const PICTURES = process.env["ABIDE_SCREENSHOTS"] ?? join(ROOT, "target/screenshots");

/** How a page looks. */
export interface Look {
  dark?: boolean;
  /** As wide as a phone. */
  phone?: boolean;
}

export class Eyes {
  private readonly faults: string[] = [];

  private constructor(private readonly browser: Browser) {}

  /** Starts the browser that `ABIDE_CHROMIUM` names, or the first that is installed. */
  static async open(): Promise<Eyes> {
    const executablePath = program();
    return new Eyes(await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] }));
  }

  /** Opens a page, as a visitor of its own: nothing is shared with the others. */
  async visit(url: string, { dark = false, phone = false }: Look = {}): Promise<Page> {
    const context = await this.browser.newContext({
      colorScheme: dark ? "dark" : "light",
      viewport: phone ? { width: 390, height: 780 } : { width: 1120, height: 720 },
      deviceScaleFactor: phone ? 2 : 1,
      hasTouch: phone,
      locale: "en-GB",
    });
    const page = await context.newPage();
    page.on("pageerror", (error) => this.faults.push(`${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      // A server that is away is what some tests are about.
      if (message.type() === "error" && !/ERR_CONNECTION|WebSocket connection/.test(message.text())) {
        this.faults.push(`${page.url()}: ${message.text()}`);
      }
    });
    await page.goto(url);
    return page;
  }

  /** Keeps a picture of what is to be seen; it must fit its width. */
  async picture(page: Page, name: string): Promise<void> {
    await mkdir(PICTURES, { recursive: true });
    const overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    if (overflow !== 0) this.faults.push(`${name}: the page is ${String(overflow)} pixels wider than its window`);
    await page.screenshot({ path: join(PICTURES, `${name}.png`) });
  }

  /** What went wrong on the pages since it was asked last: errors, and whatever their policy refused. */
  complaints(): string[] {
    return this.faults.splice(0);
  }

  close(): Promise<void> {
    return this.browser.close();
  }
}

function program(): string {
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const folders = (process.env["PATH"] ?? "").split(":");
  const all = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = process.env["ABIDE_CHROMIUM"] ?? all.find(existsSync);
  if (!found) throw new Error("there is no Chromium here: install it, or name one in ABIDE_CHROMIUM");
  return found;
}
