/** Icons: drawn here, so that nothing is loaded for them. */

const PATHS = {
  objects: "M7 4.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Zm10 2a2 2 0 1 0 0 4 2 2 0 0 0 0-4Zm-4 8a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6ZM9.4 7.3l5.7.9M8.2 9.2l3.3 5.6m4.7-4.4-1.9 4.3",
  changes: "M4 6h9M4 12h13M4 18h7m5-2.5 2.5 2.5 2.5-2.5M18.500 8v9.500",
  metrics: "M4 19V5m0 14h16M7.500 15l3.500-5 3.500 3L19 7",
  node: "M5 5h14v5.500H5zm0 8.500h14V19H5zM8.500 7.750h.01m-.01 8.500h.01",
  search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12Zm4.500 10.500L20 20",
  back: "M14.500 6 8.500 12l6 6",
  copy: "M9 9h10v10H9zM15 9V5H5v10h4",
  check: "M5 12.500 10 17.500 19.500 7",
  key: "M14.500 4.500a5 5 0 1 1-4.400 7.400L4.500 17.500V20H7l1-1v-2h2l2-2",
  help: "M9.200 9.200a2.900 2.900 0 1 1 4.200 2.600c-.9.500-1.400 1.100-1.400 2.200m0 3.200v.1M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17Z",
  theme: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17Zm0 0v17",
  close: "M6 6l12 12M18 6 6 18",
  pause: "M8.500 5.500v13m7-13v13",
  play: "M8 5.500v13l10.500-6.500z",
  bell: "M6.500 16V11a5.500 5.500 0 0 1 11 0v5l1.500 1.500H5zm3.500 4h4",
  trash: "M5 7h14M9.500 7V4.500h5V7m-8 0 .8 12.500h9.400L17.500 7",
  refresh: "M19 12a7 7 0 1 1-2.200-5.100L19 9m0-4.500V9h-4.500",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
