/** Sizes as people write them: `512M`, `1GiB`, `4K`, always powers of 1024; and shares in per cent. */
import { UserError } from '../model/userError.ts';

export const PAGE_BYTES = 4096;

const UNITS = ['', 'K', 'M', 'G', 'T'] as const;
const SIZE = /^(\d{1,15})\s*([KMGT]?)(?:i?B)?$/i;

/** Bytes of a size such as `1G`, `1GiB`, `1gb` or `4096`. @throws UserError */
export function parseSize(text: string): number {
  const match = SIZE.exec(text.trim());
  const bytes = match === null ? 0 : Number(match[1]) * unitBytes(match[2]);
  if (bytes === 0 || !Number.isSafeInteger(bytes)) {
    throw new UserError({
      what: `"${text}" is no size`,
      why: bytes === 0 ? 'a size is a whole number above 0 with K, M, G or T behind it, with or without iB' : 'it is beyond 2^53 bytes',
      fix: 'write it as in 512M, 1GiB or 4096',
    });
  }
  return bytes;
}

/** `1GiB`, `512MiB`, `6KiB`, `100B`: the largest unit that divides the bytes. */
export function formatSize(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (unit < UNITS.length - 1 && value % 1024 === 0 && value > 0) {
    value /= 1024;
    unit++;
  }
  return `${value}${unit === 0 ? 'B' : `${UNITS[unit]}iB`}`;
}

/** A share in per cent, such as `2` or `0.5`. @throws UserError */
export function parsePercent(text: string): number {
  const percent = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (percent > 0) return percent;
  throw new UserError({ what: `"${text}" is no share`, why: 'a share is in per cent, a number above 0', fix: 'write it as in 2 or 0.5' });
}

function unitBytes(letter: string): number {
  let bytes = 1;
  for (let unit = 0; UNITS[unit] !== letter.toUpperCase(); unit++) bytes *= 1024;
  return bytes;
}
