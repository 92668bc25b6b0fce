/** Numbers and times, as people read them. */

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function count(value: number): string {
  return whole.format(value);
}

export function compact(value: number): string {
  return value < 10_000 ? whole.format(Math.round(value * 10) / 10) : short.format(value);
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (value >= 1024 && step < units.length - 1) {
    value /= 1024;
    step++;
  }
  return `${value >= 100 || step === 0 ? Math.round(value) : value.toFixed(1).replace(/\.0$/, "")} ${units[step]}`;
}

/** A length of time: `3 s`, `4 min`, `2 h 5 min`. */
export function duration(ms: number): string {
  const s = Math.round(ms / 1000);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 && s < 600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
  const h = Math.floor(s / 3600);
  if (h < 48) return Math.floor((s % 3600) / 60) ? `${h} h ${Math.floor((s % 3600) / 60)} min` : `${h} h`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

/** How long ago a moment was, or how far it is. */
export function ago(at: string, now: number): string {
  const ms = now - Date.parse(at);
  if (Math.abs(ms) < 1500) return "now";
  return ms > 0 ? `${duration(ms)} ago` : `in ${duration(-ms)}`;
}

/** The time of day, to the millisecond; with the date if it is not today. */
export function clock(at: string, now = Date.now()): string {
  const date = new Date(at);
  const pad = (value: number, width = 2) => String(value).padStart(width, "0");
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
  const today = new Date(now).toDateString() === date.toDateString();
  return today ? time : `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${time}`;
}

/** Seconds as milliseconds or microseconds. */
export function latency(seconds: number): string {
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 0.01) return `${Math.round(seconds * 1000)} ms`;
  if (seconds >= 0.001) return `${(seconds * 1000).toFixed(1)} ms`;
  return `${Math.round(seconds * 1e6)} µs`;
}
