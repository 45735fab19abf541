/** What the kernel and the model answered, as text. */
import { Access } from '../workloads/workload.ts';
import type { Agreement, Disagreement } from './agreement.ts';
import type { BackingName } from './backing.ts';
import type { Ending } from './drive.ts';
import { RUNNABLE } from './kernelFile.ts';

/** Ends in a newline. */
export function formatAgreement({ sequences, operations, disagreements }: Agreement, backing: BackingName, filesNotAsked: readonly string[] = []): string {
  const lines = [
    `the kernel's ${backing} and the model, asked the same: ${operations} operations in ${sequences} sequences, ${disagreements.length === 0 ? 'all answers agree' : `${disagreements.length} sequences do not agree`}`,
    ...disagreements.map(told),
    `asked: ${Object.values(RUNNABLE).join(', ')}`,
    `cannot be asked here: ${NOT_RUNNABLE.join(', ')}`,
    ...(filesNotAsked.length > 0 ? [`litmus files that begin with one of these, or with large folios: ${filesNotAsked.join(', ')}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** What takes a guest, a conversion, a device, or a way into GUP that no system call has. */
export const NOT_RUNNABLE: readonly string[] = [
  'guest read', 'guest write', 'to-shared', 'to-private', 'to-read-only', 'io', 'pin short', 'pin get, or by one path only', 'close', 'secondary map', 'secondary access',
];

function told({ sequence, index, operation: { kind, page, count, window }, model, kernel }: Disagreement): string {
  const name = RUNNABLE[kind] ?? Object.entries(Access).find(([, value]) => value === kind)?.[0] ?? String(kind);
  return `  ${sequence}, operation ${index + 1}, ${name} of ${count === 1 ? `page ${page}` : `pages ${page}..${page + count - 1}`} through mapping ${window}: the model says ${ending(model)}, the kernel ${ending(kernel)}`;
}

const ending = ({ errno, value }: Ending): string => (value < 0 ? errno : `${errno} and reads ${value}`);
