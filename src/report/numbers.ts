/** Numbers for tables: three significant digits, no locale, and the same text on every machine. */

/** What stands where there is no figure. */
export const ABSENT = '-';

const SUFFIXES = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** `0`, `7`, `999`, `1.23k`, `12.3M`: a count. Whole numbers below 1000 keep their digits. */
export function formatCount(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1000 ? String(value) : formatFigure(value);
}

/** `0.00123`, `7.20`, `41.0`, `1.23k`: a measured or computed figure. */
export function formatFigure(value: number): string {
  if (value === 0) return '0';
  let scaled = value;
  let suffix = 0;
  // 999.5 would print as 1000, or in exponents.
  while (Math.abs(scaled) >= 999.5 && suffix < SUFFIXES.length - 1) {
    scaled /= 1000;
    suffix++;
  }
  return `${threeDigits(scaled)}${SUFFIXES[suffix]}`;
}

/** Microseconds as a sentence has them: `7.68 us`, `54.5 ms`, `1.20 s`. */
export function formatTime(us: number): string {
  if (us >= 999_500) return `${formatFigure(us / 1_000_000)} s`;
  return us >= 999.5 ? `${formatFigure(us / 1000)} ms` : `${formatFigure(us)} us`;
}

/** A share as per cent: `0`, `<0.1`, `12.3`, `100`. Only what is all of it prints as 100, and only what is nothing as 0. */
export function formatPercent(share: number): string {
  if (share === 0 || share === 1) return String(share * 100);
  const text = (share * 100).toFixed(1);
  if (text === '0.0') return '<0.1';
  return text === '100.0' && share < 1 ? '>99.9' : text;
}

function threeDigits(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 99.95) return value.toFixed(0);
  if (magnitude >= 9.995) return value.toFixed(1);
  if (magnitude >= 0.9995) return value.toFixed(2);
  return magnitude >= 0.001 ? value.toFixed(3) : '<0.001';
}
