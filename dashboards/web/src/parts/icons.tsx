import type { Severity } from "../api/types";
import { t } from "../i18n";

const PATHS = {
  overview: "M3 9.5 10 3l7 6.5M5 8.500V17h10V8.500",
  devices: "M5 5h10v10H5zM8 8h4v4H8zM8 2.500V5M12 2.500V5M8 15v2.500M12 15v2.500M2.500 8H5M2.500 12H5M15 8h2.500M15 12h2.500",
  worklist: "M3 5l1.500 1.500L7 4M9 5.500h8M3 10l1.500 1.500L7 9M9 10.500h8M3 15l1.500 1.500L7 14M9 15.500h8",
  alerts: "M5 8.500a5 5 0 0 1 10 0V12l1.500 2.500h-13L5 12zM8 16.500a2 2 0 0 0 4 0",
  quarantine: "M10 3l7 13H3zM10 8v4M10 14h.1",
  system: "M3 4h14v5H3zM3 11h14v5H3zM6 6.500h.1M6 13.500h.1M10 6.500h4M10 13.500h4",
  search: "M9 4a5 5 0 1 0 .1 0M12.800 12.800 17 17",
  info: "M10 3a7 7 0 1 0 .1 0M10 9v5M10 6.200v.1",
  back: "M12 4 6 10l6 6",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  const rows = [6.5, 11.5, 16.5];
  return (
    <svg width="26" height="26" viewBox="0 0 26 26" aria-hidden="true">
      <rect width="26" height="26" rx="6" fill="var(--act)" />
      <g fill="var(--act-ink)">
        {rows.map((y) => (
          <rect key={y} x="6" y={y} width="3" height="3" rx=".8" />
        ))}
        {rows.map((y) => (
          <rect key={y} x="11" y={y} width={y > 15 ? 6 : 9} height="3" rx=".8" />
        ))}
      </g>
    </svg>
  );
}

/** Shape and letter as well as colour: octagon, triangle, diamond, ring. */
export function SeverityShape({ level }: { level: Severity }) {
  return (
    <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
      {level === "P1" && (
        <>
          <path d="M4.500 1h5L13 4.500v5L9.500 13h-5L1 9.500v-5z" fill="currentColor" class="s1" />
          <path d="M7 3.600v4.200M7 10.200v.2" class="s1-mark" />
        </>
      )}
      {level === "P2" && <path d="M7 1.200 13.300 12.500H.7z" fill="var(--p2-fill)" />}
      {level === "P3" && <path d="M7 1 13 7 7 13 1 7z" fill="var(--p3-fill)" stroke="var(--p3)" />}
      {level === "P4" && <circle cx="7" cy="7" r="5" fill="none" stroke="currentColor" stroke-width="1.6" />}
    </svg>
  );
}

export function SeverityChip({ level, word = false }: { level: Severity; word?: boolean }) {
  return (
    <span class={`sv ${level.toLowerCase()}`} title={t(`severity.${level}`)}>
      <SeverityShape level={level} />
      {level}
      {word && ` ${t(`severity.${level}`)}`}
    </span>
  );
}
