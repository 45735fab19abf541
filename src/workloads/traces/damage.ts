/** What is told to a user whose trace cannot be read. */
import { UserError } from '../../model/userError.ts';

/** Damage at a place: the file, the line (from 1) and the reason. */
export function damaged(file: string, line: number, why: string): UserError {
  return new UserError({
    what: `${file}, line ${line}: the trace is damaged`,
    why,
    fix: 'copy or record the trace again; the format is in traces/README.md',
  });
}

/** A field as it stands in the file: quoted, with odd bytes made visible, and never a screenful. */
export function shown(field: string): string {
  return JSON.stringify(field.length > 40 ? `${field.slice(0, 40)}...` : field);
}
