/** The conversion family in the step loop: who converts, what its interrupts do, and its accesses that hit. */
import { acknowledge } from '../model/crossCalls.ts';
import { isConverting } from '../model/request.ts';
import { clearTask } from '../model/tasks.ts';
import type { World } from '../model/world.ts';
import { Access } from '../workloads/workload.ts';
import { Accounting } from './accounting.ts';
import { Engine } from './engine.ts';
import type { EngineOptions } from './engine.ts';
import type { EngineFamily } from './engineFamily.ts';
import { Hits } from './hits.ts';

const conversionEngineFamily: EngineFamily<World> = {
  clearTask,
  acknowledge,
  isAtRequest: isConverting,
  // To-shared waits before it splits a folio, a punch for whoever works on the page.
  awaitsReferences: (world, task) => world.kind[task] === Access.ToShared,
  plainKinds: Access.ToShared,
  begins(world, task, kind) {
    if (kind === Access.ToShared || kind === Access.ToPrivate || kind === Access.ToReadOnly) world.meter.clearPhases(task);
  },
  bulk: (parts) => new Hits(parts),
};

/** The engine of one run, and what it accounts to. */
export function createConversionEngine(options: Omit<EngineOptions<World>, 'family' | 'account'>): { readonly engine: Engine<World>; readonly accounting: Accounting } {
  const accounting = new Accounting(options.world);
  return { engine: new Engine({ ...options, family: conversionEngineFamily, account: accounting }), accounting };
}
