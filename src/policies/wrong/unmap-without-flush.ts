/**
 * unmap-without-flush, wrong on purpose: takes the references of entries that it has cleared for its own, and flushes the TLBs only
 * after the commit.
 *
 * What is wrong: a cleared page-table entry may live on in the TLB of any CPU that runs the mm. mmu_gather keeps the folio's
 * reference until the flush for this very reason (mm/mmu_gather.c), so the reference check would refuse; this policy
 * discounts that reference, "we hold it ourselves", to save a flush under the locks.
 * Right:  flush before the references are read. Dirty entries are flushed under the page-table lock in any case.
 * Caught by litmus/conversion/mapped-page.litmus.yaml.
 */
import { EntryBit } from '../../model/entries.ts';
import { PageBit } from '../../model/file.ts';
import { cacheReferences } from '../../model/folios.ts';
import { isClearedPmd } from '../../model/pmd.ts';
import { referenceCheckSteps } from '../../model/references.ts';
import { Flow, step } from '../../model/step.ts';
import type { Run, Step } from '../../model/step.ts';
import { firstInIMmap } from '../../model/windows.ts';
import { flushGatherSteps, unmapEverywhereSteps } from '../../model/zap.ts';
import type { World } from '../../model/world.ts';
import { sigbusOnFault, unmapThenCheckSteps } from '../conversion/sigbus-on-fault.ts';
import type { ConversionPolicy } from '../policy.ts';
import { between } from './steps.ts';

/** Whether the walk has another VMA to go through: there is one gather, so that only the last one can wait for its flush. */
function hasAnotherVma(world: World, task: number): boolean {
  const start = world.cursor[task];
  const end = world.cursorEnd[task];
  const current = world.walkWindow[task];
  if (firstInIMmap(world, current, world.walkEnd[task], end) >= 0) return true;
  for (let window = current + 1; window < world.shape.windows; window++) if (firstInIMmap(world, window, start, end) >= 0) return true;
  return false;
}

/** The gather goes on in the window of the last VMA. */
const inItsWindow = (run: Run): Run => (world, task) => {
  const window = world.walkWindow[task];
  const flow = run(world, task);
  world.walkWindow[task] = window;
  return flow;
};

/** unmap_mapping_pages without its last flush. */
const unmapWithoutFlushSteps = (): readonly Step[] =>
  unmapEverywhereSteps().flatMap((one) =>
    one.name === 'tlb.send' ? [step('tlb.isNeeded', (world, task) => (hasAnotherVma(world, task) ? Flow.Next : Flow.Otherwise), 'gather.done'), one]
    : one.name === 'iMmap.readUnlock' ? [step(one.name, inItsWindow(one.run))]
    : [one],
  );

/** References that the gather of the task holds on a folio: of a PMD one, at its first page. */
function gathered(world: World, task: number, head: number): number {
  const { shape: { pages, pmdMappings }, sizes: { folioPages, regionPages } } = world;
  const window = world.walkWindow[task];
  let count = 0;
  for (let page = head; page < head + folioPages; page++) {
    if ((world.entry[window * pages + page] & EntryBit.StaleZap) === 0) continue;
    if (!(pmdMappings && page % regionPages !== 0 && isClearedPmd(world, window, page, EntryBit.StaleZap))) count++;
  }
  return count;
}

/** refcount = the owner's, this lookup's and the gather's. Chunks of one folio. */
const hasReferenceOfOthers: Run = (world, task) => {
  const head = world.cursor[task];
  if ((world.pageState[head] & PageBit.Present) === 0) return Flow.Next;
  if (world.refcount[head] === cacheReferences(world, head) + 1 + gathered(world, task, head)) return Flow.Next;
  world.walkCursor[task] = head;
  return Flow.Otherwise;
};

/** The flush and the put that come too late, under names of their own. */
const lateFlushSteps = (): readonly Step[] =>
  flushGatherSteps(EntryBit.StaleZap).map(({ name, run, otherwise }) => step(`${name}Late`, run, otherwise === undefined ? undefined : `${otherwise}Late`));

export const unmapWithoutFlush: ConversionPolicy = {
  ...sigbusOnFault,
  name: 'unmap-without-flush',
  summary: 'wrong on purpose: flushes what it has unmapped only after the commit',
  checks: ['refcount'],
  rules: (options) => {
    const right = unmapThenCheckSteps({ check: 'refcount' });
    const check = referenceCheckSteps({ check: 'refcount', drain: true, refused: 'tlb.sendLate' });
    return {
      ...sigbusOnFault.rules(options),
      toPrivate: [
        ...between(right, 'invalidate.writeLock', 'walk.folios'),
        ...unmapWithoutFlushSteps(),
        ...check.map((one) => (one.name === 'folio.readRef' ? step(one.name, hasReferenceOfOthers, one.otherwise) : one)),
        ...between(right, 'mmuLock.write', 'seq.end'),
        ...lateFlushSteps(),
        ...between(right, 'invalidate.unlock', 'end'),
      ],
    };
  },
};
