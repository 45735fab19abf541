/**
 * A small world of shmem that tests drive by hand: an access runs to its end alone, or a step at a time among others.
 */
import { canAcknowledge, acknowledgeFlush } from '../../src/model/crossCalls.ts';
import { Meter } from '../../src/model/meter.ts';
import { Op, type OperationName } from '../../src/model/operations.ts';
import { buildShmemHost } from '../../src/model/shmem/host.ts';
import type { ShmemHost } from '../../src/model/shmem/host.ts';
import { SHMEM_INVARIANTS } from '../../src/model/shmem/invariants.ts';
import type { WpRules } from '../../src/model/shmem/kept.ts';
import { populate, shmemShape, startShmem } from '../../src/model/shmem/start.ts';
import type { ShmemSizes } from '../../src/model/shmem/start.ts';
import { clearShmemTask } from '../../src/model/shmem/tasks.ts';
import { createShmemWorld } from '../../src/model/shmem/world.ts';
import type { ShmemWorld } from '../../src/model/shmem/world.ts';
import { DEPTH_MAX, Flow } from '../../src/model/step.ts';

export const MARKERS: WpRules = { keeps: 'marker', aroundArmed: false, forkCopies: true, punchKeeps: true };
export const PROTNONE: WpRules = { ...MARKERS, keeps: 'protnone' };
export const DROP: WpRules = { ...MARKERS, keeps: 'nothing', forkCopies: false };

export interface Asked {
  readonly kind: number;
  readonly page?: number;
  readonly count?: number;
  readonly slot?: number;
  readonly value?: number;
}

export interface ShmemMachine {
  readonly world: ShmemWorld;
  readonly host: ShmemHost;
  /** How often an operation was charged. */
  count(operation: OperationName): number;
  /** Runs an access to its end, the monitor when it is woken and acknowledgements as they come included. @returns what it read, or -1 @throws Error where it never ends */
  run(task: number, asked: Asked): number;
  begin(task: number, asked: Asked): void;
  /** One step of a task that is at work. @returns whether it was taken; false: it waits */
  step(task: number): boolean;
  acknowledge(): void;
  /** The first sentence that does not hold. */
  broken(): string | undefined;
}

export interface MachineAsked extends Partial<ShmemSizes> {
  readonly anonymous?: boolean;
  readonly processOfCpu?: readonly number[];
  readonly alive?: readonly number[];
  readonly cached?: boolean;
}

export function createShmemMachine(rules: WpRules, asked: MachineAsked = {}): ShmemMachine {
  const { anonymous = false, processOfCpu = [0, 0], alive = [0], cached = true } = asked;
  const sizes: ShmemSizes = {
    pages: 4, cpus: processOfCpu.length, processes: 1 + Math.max(...processOfCpu), slots: 2, regionOrder: 1, chunk: 1, wpAsync: false, faultAroundPages: 1, monitored: true, contents: true, ...asked,
  };
  const shape = shmemShape({ ...sizes, anonymous });
  const meter = new Meter(undefined, shape.tasks);
  const world = createShmemWorld(shape, meter);
  startShmem(world, { processOfCpu, alive, anonymous });
  if (cached && !anonymous) for (let page = 0; page < sizes.pages; page++) populate(world, page);
  const host = buildShmemHost(rules, shape);
  const { run, otherwise, callee } = host.program;
  const begin = (task: number, { kind, page = 0, count = 1, slot = 0, value = 0 }: Asked): void => {
    world.kind[task] = kind;
    world.page[task] = page;
    world.rangeStart[task] = page;
    world.rangeEnd[task] = page + count;
    world.window[task] = world.mm[task];
    world.slot[task] = slot;
    world.value[task] = value;
    world.pc[task * DEPTH_MAX] = host.entries[kind];
  };
  const step = (task: number): boolean => {
    const base = task * DEPTH_MAX;
    const level = world.depth[task];
    const at = world.pc[base + level];
    const flow = run[at](world, task);
    meter.attention = false;
    if (flow === Flow.Wait) return false;
    if (flow === Flow.Next) world.pc[base + level] = at + 1;
    else if (flow === Flow.Otherwise) world.pc[base + level] = otherwise[at];
    else if (flow === Flow.Call) {
      world.depth[task] = level + 1;
      world.pc[base + level + 1] = callee[at];
    } else if (level === 0) clearShmemTask(world, task);
    else {
      world.pc[base + level] = 0;
      world.depth[task] = level - 1;
      world.pc[base + level - 1]++;
    }
    return true;
  };
  const acknowledge = (): void => {
    for (let caller = 0; caller < shape.tasks; caller++) for (let cpu = 0; cpu < shape.cpus; cpu++) if (canAcknowledge(world, caller, cpu)) acknowledgeFlush(world, caller, cpu);
  };
  return {
    world,
    host,
    count: (operation) => meter.count[Op[operation]],
    begin,
    step,
    acknowledge,
    run(task, access) {
      meter.readValue = -1;
      begin(task, access);
      const monitor = shape.cpus;
      for (let steps = 0; world.pc[task * DEPTH_MAX] !== 0; steps++) {
        if (steps > 100_000) throw new Error(`an access of kind ${access.kind} never ends`);
        if (step(task)) continue;
        acknowledge();
        if (shape.monitored && world.pc[monitor * DEPTH_MAX] !== 0) step(monitor);
      }
      while (shape.monitored && world.pc[monitor * DEPTH_MAX] !== 0) if (!step(monitor)) acknowledge();
      return meter.readValue;
    },
    broken() {
      for (const { name, broken } of SHMEM_INVARIANTS) {
        const what = broken(world);
        if (what !== undefined) return `${name}: ${what}`;
      }
      return undefined;
    },
  };
}
