// Numbers, times and names as the page shows them.
/** At most five significant digits, large ones with a unit; an en dash for nothing. */
export function shownNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1e9) return `${trimmed(value / 1e9)}G`;
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`;
  if (size >= 1e4) return `${trimmed(value / 1e3)}k`;
  if (size !== 0 && size < 1e-3) return value.toExponential(1);
  return trimmed(value);
}

const trimmed = (value: number): string => String(Number(value.toPrecision(4)));

/** Seconds as `1:05` or `2:03:04`. */
export function shownTime(seconds: number): string {
  const whole = Math.round(Math.abs(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  const text = hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
  return seconds < 0 ? `-${text}` : text;
}

/** A share in percent with one digit. */
export const shownPercent = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : `${value.toFixed(1)}%`;

/** `2026-11-29 02:53`, of ISO 8601. */
export const shownDate = (iso: string): string => iso.slice(0, 16).replace('T', ' ');

/** Okabe, Ito: told apart by the color-blind too; a lighter set for dark pages. */
const palettes = {
  light: ['#0072b2', '#d55e00', '#008a63', '#b0568a', '#8a6d00', '#3b7ea1', '#000000'],
  dark: ['#56b4e9', '#ff9a4d', '#2bc493', '#e89ac7', '#f0e442', '#9ad0f5', '#ffffff'],
};
const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

/** How the line of a rank is drawn: colors first, then dashes. */
export function styleOf(rank: number, dark: boolean): { color: string; dash: readonly number[] } {
  const palette = palettes[dark ? 'dark' : 'light'];
  return { color: palette[rank % palette.length]!, dash: dashes[Math.floor(rank / palette.length) % dashes.length]! };
}
