/** What large guests cost: resident memory of a process that runs one, and the time to create a world. */
import { buildHost } from '../../src/model/host.ts';
import { Meter } from '../../src/model/meter.ts';
import { createWorld } from '../../src/model/world.ts';
import type { World } from '../../src/model/world.ts';
import { DEFAULT_CHECK } from '../../src/policies/policy.ts';
import { sigbusOnFault } from '../../src/policies/conversion/sigbus-on-fault.ts';
import { prepareWorld, shapeOf } from '../../src/simulate/prepare.ts';
import { allConvert } from '../../src/workloads/index.ts';
import { createActor, opened, put, putHost } from '../../src/workloads/synthetic/stream.ts';
import type { Plan } from '../../src/workloads/synthetic/stream.ts';
import { Access } from '../../src/workloads/workload.ts';
import type { Workload } from '../../src/workloads/workload.ts';
import { once, scaled } from '../measurement.ts';
import type { BenchCase } from '../measurement.ts';
import { GIB_PAGES, optionsOf, simulate } from '../simulated.ts';
import { costOf, timeRuns } from '../timing.ts';

const MIB = 1 << 20;
const RESIDENT_TARGET_MIB = 1536;
const CREATION_TARGET_MS = 1000;
const LARGEST_GIB = 1024;
const WORKING_SET_GIB = 64;

/** Pages of which one is shared: near enough to one another that every column of the working set becomes resident. */
const GROUP_PAGES = 16;
const GROUP_ACCESSES = GROUP_PAGES + 2;

/** The guest writes each page of the working set once, from its start, and one page of each group is shared, mapped and written by the host. */
const touchAll: Workload = {
  name: 'touch-all',
  summary: 'Writes each page of a contiguous working set once; the host writes some.',
  open({ accessCount }) {
    let next = 0;
    const plan: Plan = (batch, from) => {
      let at = from;
      for (let i = 0; i < GROUP_PAGES; i++) at = put(batch, at, Access.GuestWrite, next++);
      at = put(batch, at, Access.ToShared, next - 1);
      return putHost(batch, at, Access.HostWrite, next - 1, 0);
    };
    return opened({ actors: [createActor({ name: 'vcpu0', accessCount, plan })] });
  },
};

/** The process is the case's own, so that its highest resident memory is the guest's. */
function residentMemory(guestGib: number, workingSetGib: number): BenchCase {
  return {
    name: `memory/${guestGib}GiB`,
    async measure(scale) {
      const accesses = scaled((workingSetGib * GIB_PAGES) / GROUP_PAGES, scale) * GROUP_ACCESSES;
      const { completed } = await simulate({ policy: sigbusOnFault, workload: touchAll, accesses, tasks: 1, pages: guestGib * GIB_PAGES });
      if (completed !== accesses) throw new Error(`${completed} of ${accesses} accesses were completed`);
      const value = (process.resourceUsage().maxRSS * 1024) / MIB;
      const target = guestGib === LARGEST_GIB ? RESIDENT_TARGET_MIB : null;
      return [once({ figure: `resident memory, ${guestGib} GiB guest, ${workingSetGib} GiB touched`, unit: 'MiB', better: 'less', value, target })];
    },
  };
}

async function createGuest(guestGib: number): Promise<World> {
  const windowsPerProcess = 1;
  const options = optionsOf({ accesses: 1, tasks: 4, pages: guestGib * GIB_PAGES });
  const workload = await allConvert.open(options);
  const rules = sigbusOnFault.rules({ check: DEFAULT_CHECK });
  const shape = shapeOf({ policy: sigbusOnFault, rules, folioOrder: 0, options, opened: workload });
  buildHost(rules, shape);
  const world = createWorld(shape, new Meter());
  prepareWorld(world, rules, workload, windowsPerProcess);
  return world;
}

function creation(guestGib: number): BenchCase {
  return {
    name: `creation/${guestGib}GiB`,
    async measure(scale) {
      const timing = await timeRuns(async () => void (await createGuest(guestGib)), scale, { isAsync: true });
      const nsInMs = 1e6;
      return [costOf(timing, nsInMs, { figure: `creation of a world, ${guestGib} GiB`, unit: 'ms', target: guestGib === LARGEST_GIB ? CREATION_TARGET_MS : null })];
    },
  };
}

export const guestSizeCases: readonly BenchCase[] = [
  creation(1),
  creation(LARGEST_GIB),
  residentMemory(1, 1),
  residentMemory(WORKING_SET_GIB, WORKING_SET_GIB),
  residentMemory(LARGEST_GIB, WORKING_SET_GIB),
];
