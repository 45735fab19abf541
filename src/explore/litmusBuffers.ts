/**
 * Buffers of a litmus: whoever accesses or unpins one needs somebody who fills it, and a buffer is filled once at a time.
 *
 * Only what is certain in every interleaving is refused: what one thread does by itself, in its order.
 */
import type { OperationKinds } from './grammar.ts';
import type { AnyLitmus, LitmusOperation, LitmusThread } from './litmus.ts';
import { suggestion } from './litmusYaml.ts';
import type { MistakeAt } from './litmusYaml.ts';

/** @throws UserError */
export function refuseMisusedBuffers(mistake: MistakeAt, kinds: OperationKinds, buffers: readonly string[], before: AnyLitmus['before'], threads: readonly LitmusThread[]): void {
  const fills = ({ kind }: LitmusOperation): boolean => kinds.fills.has(kind);
  const drops = ({ kind }: LitmusOperation): boolean => kinds.drops.has(kind);
  const uses = (operation: LitmusOperation): boolean => drops(operation) || kinds.uses.has(operation.kind);
  /** Whether a buffer is full after these operations on it. A pin that is expected to fail fills nothing. */
  const isHeld = (operations: readonly LitmusOperation[]): boolean => {
    const last = operations.findLast((one) => drops(one) || (fills(one) && (one.expected?.errno ?? 'OK') === 'OK'));
    return last !== undefined && fills(last);
  };
  const first = before.map(({ operation }) => operation);
  for (const { operations } of threads.length === 0 ? [] : [{ operations: [] }, ...threads]) {
    const own = [...first, ...operations];
    const elsewhere = threads.flatMap((thread) => (thread.operations === operations ? [] : thread.operations));
    for (const [at, operation] of own.entries()) {
      const { slot, text, line } = operation;
      const buffer = buffers[slot];
      const about = (one: LitmusOperation): boolean => one.slot === slot;
      const earlier = own.slice(0, at).filter(about);
      // What comes before everything has no elsewhere.
      const others = at < first.length ? [] : elsewhere.filter(about);
      if (uses(operation) && !earlier.some(fills) && !others.some(fills)) {
        const known = [...new Set([...own, ...elsewhere].filter(fills).map((one) => buffers[one.slot]))];
        throw mistake(line, {
          what: `"${text}" comes before any pin names "${buffer}"`,
          why: known.length === 0 ? 'no pin of the file names a buffer' : `the pins of the file name ${known.join(', ')}`,
          fix: known.includes(buffer) ? 'move it behind the pin' : known.length === 0 ? `pin it first: pin 0 as ${buffer}` : suggestion(buffer, known),
        });
      }
      if (fills(operation) && isHeld(earlier) && !others.some(drops)) {
        throw mistake(line, { what: `"${text}" fills "${buffer}" again`, why: 'nothing has unpinned it', fix: `add "unpin ${buffer}" before it, or use another name` });
      }
    }
  }
}
