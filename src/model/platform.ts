/**
 * Platforms: what makes a page private in hardware, what a conversion pays for it there, and what becomes of a host access that
 * reaches a private page all the same.
 *
 * The kernel's part stands right before the step that stores the attribute (`arch.convert`). What the guest pays stands in the
 * request: SNP takes its validation back before it asks to share (`guest.rescind`); SNP and TDX accept, page by page, what
 * became private before they go on (`guest.accept`), and the faults of that acceptance are where KVM hands the page over
 * (RMPUPDATE, PAGE.AUG). A page that is in the wanted state already costs nothing. A software-protected VM has none of these steps.
 *
 * Source: rmp_make_private and rmp_make_shared (arch/x86/virt/svm/sev.c), set_pages_state and pvalidate_pages
 * (arch/x86/coco/sev/core.c); tdx_sept_zap_private_spte and tdx_sept_drop_private_spte (arch/x86/kvm/vmx/tdx.c),
 * tdx_accept_memory (arch/x86/coco/tdx/tdx-shared.c); __pkvm_host_donate_guest and __pkvm_guest_share_host
 * (arch/arm64/kvm/hyp/nvhe/mem_protect.c).
 * Differs from Linux: every page is handed over by itself, also where the hardware has large entries; a page state change is one
 * exit however long its list is; the calls to the TDX module stand behind the stage-2 zap, outside of mmu_lock; memory that is
 * accepted at boot or at its first use is not counted.
 */
import { column } from './columns.ts';
import { isPrivate } from './file.ts';
import { Op } from './operations.ts';
import type { OperationName } from './operations.ts';
import { isWorked } from './shape.ts';
import type { ContentRule, Shape } from './shape.ts';
import { Flow, free, steady } from './step.ts';
import type { Run, Step } from './step.ts';
import { UserError } from './userError.ts';
import type { World } from './world.ts';

export const PLATFORM_NAMES = ['sw-protected', 'pkvm', 'snp', 'tdx'] as const;
export type PlatformName = (typeof PLATFORM_NAMES)[number];
export const DEFAULT_PLATFORM: PlatformName = 'sw-protected';

/** Operations of a conversion: each once a request that changes anything, or once a page that changes. */
export interface Charges {
  readonly request?: readonly OperationName[];
  readonly page?: readonly OperationName[];
}

export interface Platform {
  readonly name: PlatformName;
  /** What a conversion does to the contents of a page. */
  readonly content: ContentRule;
  /** The host's part, before the attribute is stored. */
  readonly host: { readonly toPrivate: Charges; readonly toShared: Charges };
  /** Before the guest asks to share, and after its request for privacy was granted. */
  readonly guest: { readonly rescind: Charges; readonly accept: Charges };
  /** What becomes of a host access that reaches the data of a private page, for those who see that there was one. */
  readonly rogue: string;
}

const NOTHING: Charges = {};

export const PLATFORMS: Readonly<Record<PlatformName, Platform>> = {
  'sw-protected': {
    name: 'sw-protected',
    content: 'preserve',
    host: { toPrivate: NOTHING, toShared: NOTHING },
    guest: { rescind: NOTHING, accept: NOTHING },
    rogue: 'nothing happens physically: the access reads or writes the data of the guest',
  },
  pkvm: {
    name: 'pkvm',
    content: 'preserve',
    host: { toPrivate: { page: ['hyp.call', 'hyp.unmapHost'] }, toShared: { page: ['hyp.call', 'hyp.mapHost'] } },
    guest: { rescind: NOTHING, accept: NOTHING },
    rogue: 'the host\'s stage-2 aborts: an access of user space ends in a signal, one of the kernel may crash the host',
  },
  snp: {
    name: 'snp',
    content: 'scramble',
    host: { toPrivate: NOTHING, toShared: { page: ['rmp.update'] } },
    guest: { rescind: { page: ['rmp.validate'] }, accept: { page: ['rmp.update', 'rmp.validate'] } },
    rogue: 'a write is an RMP page fault: SIGBUS for user space, an oops for the kernel; a read sees ciphertext',
  },
  tdx: {
    name: 'tdx',
    content: 'zero',
    host: { toPrivate: NOTHING, toShared: { request: ['sept.track'], page: ['sept.block', 'sept.remove', 'page.clear'] } },
    guest: { rescind: NOTHING, accept: { page: ['sept.aug', 'sept.accept'] } },
    rogue: 'a write poisons the page, and the machine check at its next use may kill the host; a read sees no data of the guest',
  },
};

const isFree = ({ request = [], page = [] }: Charges): boolean => request.length + page.length === 0;

const platformOf = ({ platform = DEFAULT_PLATFORM }: Pick<Shape, 'platform'>): Platform => PLATFORMS[platform];
const accepts = (shape: Pick<Shape, 'platform'>): boolean => !isFree(platformOf(shape).guest.accept);

export const platformColumns = {
  /** Pages that became private and that the guest has yet to accept. */
  accepting: column('u32', 'task', (shape) => (accepts(shape) ? shape.tasks : 0), ({ pages }) => pages),
} as const;

/** Charges what a number of pages cost; nothing at all where there are none. */
function payer({ request = [], page = [] }: Charges): (world: World, pages: number) => void {
  const once = request.map((name) => Op[name]);
  const each = page.map((name) => Op[name]);
  return ({ meter }, pages) => {
    if (pages === 0) return;
    for (const operation of once) meter.charge(operation);
    for (const operation of each) meter.chargeMany(operation, pages);
  };
}

/** Pages of the range, as far as the file goes, that are not in the wanted state; where callbacks convert one by one, the one that is under way. */
function pagesToChange(world: World, task: number, toPrivate: boolean): number {
  const onePage = toPrivate && isWorked(world.shape);
  const first = onePage ? world.page[task] : world.rangeStart[task];
  const last = onePage ? first + 1 : Math.min(world.rangeEnd[task], world.shape.pages);
  let count = 0;
  for (let page = first; page < last; page++) if (isPrivate(world, page) !== toPrivate) count++;
  return count;
}

function convertStep({ host, guest }: Platform, toPrivate: boolean): readonly Step[] {
  const charges = toPrivate ? host.toPrivate : host.toShared;
  const remembers = toPrivate && !isFree(guest.accept);
  if (isFree(charges) && !remembers) return [];
  const pay = payer(charges);
  const convert: Run = (world, task) => {
    const pages = pagesToChange(world, task, toPrivate);
    pay(world, pages);
    // Of what the worker converts the requester has said so.
    if (remembers && task < world.shape.cpus) world.accepting[task] += pages;
    return Flow.Next;
  };
  return [steady('arch.convert', convert)];
}

/** The step of a conversion that stores the attribute, in the names of the model's blocks; the kernel's part of a platform stands before it. */
const STORE = 'state.store';

/**
 * The kernel's side of a conversion on a platform: the same steps, and `arch.convert` before the store.
 * @param whole the routine is one step that does everything (`lower-bound`)
 * @throws UserError where there is no store
 */
export function onPlatform(platform: PlatformName, steps: readonly Step[], { toPrivate, whole }: { readonly toPrivate: boolean; readonly whole: boolean }): readonly Step[] {
  const convert = convertStep(PLATFORMS[platform], toPrivate);
  if (convert.length === 0) return steps;
  const store = whole ? 0 : steps.findIndex(({ name }) => name === STORE);
  if (store >= 0) return [...steps.slice(0, store), ...convert, ...steps.slice(store)];
  throw new UserError({
    what: `a ${toPrivate ? 'to-private' : 'to-shared'} has no place for what it pays on ${platform}`,
    why: `none of its steps is "${STORE}", before which the platform does its part`,
    fix: `name the step that stores the attribute "${STORE}", or leave --platform away`,
  });
}

/** The guest's own part of a request for shared pages, before it asks. @param wantsPrivate whether the request of a task is for private pages */
export function rescindSteps(platform: PlatformName, wantsPrivate: (world: World, task: number) => boolean): readonly Step[] {
  const { rescind } = PLATFORMS[platform].guest;
  if (isFree(rescind)) return [];
  const pay = payer(rescind);
  return [
    steady('guest.rescind', (world, task) => {
      if (!wantsPrivate(world, task)) pay(world, pagesToChange(world, task, false));
      return Flow.Next;
    }),
  ];
}

/** The guest's own part of a request for private pages, once it was granted. */
export function acceptSteps(platform: PlatformName): readonly Step[] {
  const { accept } = PLATFORMS[platform].guest;
  if (isFree(accept)) return [];
  const pay = payer(accept);
  return [
    free('guest.accept', (world, task) => {
      pay(world, world.accepting[task]);
      world.accepting[task] = 0;
      return Flow.Next;
    }),
  ];
}
