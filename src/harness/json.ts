/** JSON with one form for one value, so that it can be hashed and compared byte by byte. */
import { createHash } from 'node:crypto';

/** Compact JSON with the keys of every object in order of their code units. Leaves out what JSON cannot say (`undefined`). */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (isPlainObject(part) ? sortKeys(part) : part));
}

/** SHA-256 over the canonical JSON of a value: the first 16 hex digits, which name an experiment well enough for people. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 16);
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sortKeys(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}
