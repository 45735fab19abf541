/** Grids: the places that are measured, quickly or for good. */
import type { MeasuredOperation, Place } from './points.ts';
import type { VmOperation } from './virtualMachine.ts';

const PAGES = [1, 2, 4, 8, 16, 24, 32, 33, 34, 48, 64, 96, 128, 192, 256, 384, 512];
const VMAS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
const QUICK_PAGES = [1, 8, 32, 64, 512];
/** Of what takes one mapping and little time. */
const QUICK_SIZES = [1, 2, 4, 8, 16, 32, 48, 64, 128, 256, 512];
const QUICK_VMAS = [1, 4, 16, 64];
/** Of what should not depend on the size. */
const ENDS = [1, 512];

/** Entries before the call: none, clean ones, dirty ones. */
const ENTRIES = [{ touched: false, dirty: false }, { touched: true, dirty: false }, { touched: true, dirty: true }] as const;
const PRESENT = ENTRIES.slice(1);

const PLAIN = { vmas: 1, processes: 1, touched: false, dirty: false, cpus: 1 } as const;

interface Machine {
  /** CPUs that it has for it. */
  readonly cpus: number;
  /** What its KVM can do beside files; default: nothing. */
  readonly vmOperations?: readonly VmOperation[];
}

export function placesOf({ quick, cpus, vmOperations = [] }: Machine & { readonly quick: boolean }): readonly Place[] {
  const pages = quick ? QUICK_PAGES : PAGES;
  const sizes = quick ? QUICK_SIZES : PAGES;
  const vmas = quick ? QUICK_VMAS : VMAS;
  const cross = (operation: MeasuredOperation, some: Partial<Place>, counts: readonly number[] = sizes): readonly Place[] =>
    counts.map((count) => ({ ...PLAIN, ...some, operation, pages: count }));
  const others = quick ? [2] : [2, 3];
  const manyCpus = Array.from({ length: Math.min(cpus, 8) - 1 }, (_, more) => more + 2);
  const few = sizes.filter((count) => count === 1 || count === 32 || count === 128 || count === 512);
  return [
    { ...PLAIN, operation: 'syscall', pages: 0, vmas: 0 },
    { ...PLAIN, operation: 'efault', pages: 1 },
    { ...PLAIN, operation: 'sigbus', pages: 1 },
    ...[0, ...vmas].flatMap((count) => ENTRIES.filter(({ touched }) => count > 0 || !touched).flatMap((entries) => cross('fork', { vmas: count, ...entries }, ENDS))),
    ...vmas.flatMap((count) => ENTRIES.flatMap((entries) => cross('punch', { vmas: count, ...entries }, pages))),
    ...cross('punch', { vmas: 0 }),
    ...vmas.filter((count) => count > 1).flatMap((count) => PRESENT.flatMap((entries) => cross('punch.one', { vmas: count, ...entries }, few))),
    ...[0, 1, 16].flatMap((count) => cross('punch.empty', { vmas: count }, few)),
    ...others.flatMap((processes) => PRESENT.flatMap((entries) => [1, 4].flatMap((count) => cross('punch', { vmas: count, processes, ...entries }, few)))),
    ...manyCpus.flatMap((count) => [
      ...PRESENT.flatMap((entries) => cross('punch', { cpus: count, ...entries }, few)),
      ...cross('zap', { cpus: count, touched: true }),
    ]),
    ...ENTRIES.flatMap((entries) => cross('zap', entries)),
    ...[false, true].flatMap((dirty) => [...cross('fault.first', { dirty }), ...cross('fault.minor', { dirty }), ...cross('populate', { dirty })]),
    ...cross('allocate', {}),
    ...[0, 1, 16, 64].flatMap((count) => cross('mmap', { vmas: count }, few)),
    ...[0, 16].flatMap((count) => ENTRIES.flatMap((entries) => cross('munmap', { vmas: count, ...entries }, few))),
    ...[false, true].flatMap((touched) => [...cross('gup.get', { touched }), ...cross('gup.pin', { touched })]),
    ...cross('gup.unpin', { touched: true }),
    ...(['mixed', 'mixed.forks'] as const).flatMap((operation) => [1, 2, 4, 8].flatMap((count) => [false, true].flatMap((dirty) => cross(operation, { vmas: count, touched: true, dirty }, quick ? [256] : [64, 128, 256, 512])))),
    ...vmOperations.flatMap((operation) => VM_SURROUNDINGS[operation].flatMap((some) => cross(operation, some, few))),
  ];
}

const LEAVES = [{ vmas: 0, touched: false }, { vmas: 0, touched: true }] as const;
const VM_SURROUNDINGS: Readonly<Record<VmOperation, readonly Partial<Place>[]>> = {
  'stage2.fault': LEAVES,
  'stage2.punch': [{ vmas: 0 }, { vmas: 1, touched: true }, { vmas: 4, touched: true }],
  'convert.private': LEAVES,
  'convert.shared': LEAVES,
};
