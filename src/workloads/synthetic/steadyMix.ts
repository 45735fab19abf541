/**
 * The mix of a steady guest: mostly its own loads and stores, beside them the host's work on pages that the guest shares,
 * short I/O or short pins, and a few conversions in both directions. Which pages the guest touches is the pattern's part.
 *
 * A stream owns some pages of the shared zone and keeps them in two bags, by what the guest asked for last. A page that the
 * stream itself has pinned is in neither, so that the guest never waits for an unpin that only comes later in its own stream.
 */
import { below, nextInt32 } from '../random.ts';
import type { RandomState } from '../random.ts';
import { Access } from '../workload.ts';
import { addPage, createBag, peekAny, takeAny } from './pageBag.ts';
import { PLAN_LENGTH, put, putHost, putIo, putRange, putSlot } from './stream.ts';
import type { Plan } from './stream.ts';

/** Shares of a stream's accesses in 1/65536; what is left over are the guest's own loads and stores. */
export interface Mix {
  readonly host: number;
  readonly io: number;
  /** Pins and unpins together. */
  readonly pin: number;
  /** Requests, to-shared and to-private in equal parts. */
  readonly conversion: number;
}

export const MIX_UNIT = 65_536;
const perCent = (percent: number): number => Math.round((percent * MIX_UNIT) / 100);
export const mixOf = ({ host = 0, io = 0, pin = 0, conversion = 0 }: Partial<Mix>): Mix => ({
  host: perCent(host),
  io: perCent(io),
  pin: perCent(pin),
  conversion: perCent(conversion),
});

/** Chooses the guest's pages, PLAN_LENGTH at a time. */
export type ChoosePages = (pages: Uint32Array) => void;

export interface SteadyOptions {
  readonly mix: Mix;
  readonly random: RandomState;
  readonly choosePages: ChoosePages;
  /** Pages of the shared zone that belong to this stream. */
  readonly ownedPages: Iterable<number>;
  readonly ownedCount: number;
  /** What the guest asks to share before anything else: one range, or page by page where it owns no range. */
  readonly setup: { readonly kind: 'range' | 'pages'; readonly count: number };
  readonly windows: number;
  /** `Access.Io`, or `Access.Copy` where I/O is buffered. */
  readonly ioKind: number;
  /** Slots of this stream for pins, and the first of them. */
  readonly firstSlot?: number;
  readonly slotCount?: number;
}

/** One access in four is a store: 1 for those, else 0, without a branch that nobody can predict. A write's kind follows its read's. */
const isStore = (bits: number): number => (((bits >>> 16) & 3) - 1) >>> 31;
/** A short I/O holds its page for 20 to 83 us, a request to an NVMe device. */
const IO_HOLD_NS = 20_000;
const IO_HOLD_STEP_NS = 1_000;
const IO_HOLD_STEPS = 64;

export function planSteadyMix(options: SteadyOptions): Plan {
  const { mix, random, choosePages, ownedPages, ownedCount, setup, windows, ioKind, firstSlot = 0, slotCount = 0 } = options;
  const hostBelow = mix.host;
  const ioBelow = hostBelow + mix.io;
  const pinBelow = ioBelow + mix.pin;
  const conversionBelow = pinBelow + mix.conversion;
  const shared = createBag(ownedCount);
  const unshared = createBag(ownedCount);
  const chosen = new Uint32Array(PLAN_LENGTH);
  const pinnedPage = new Uint32Array(Math.max(1, slotCount));
  let oldestPin = 0;
  let pinCount = 0;
  let toSetUp = setup.count;
  for (const page of ownedPages) addPage(unshared, page);

  /** Asks for the range that the owned pages begin with. */
  const shareFirstRange: Plan = (batch, at) => {
    for (let i = 0; i < setup.count; i++) addPage(shared, unshared.pages[i]);
    unshared.pages.copyWithin(0, setup.count, unshared.count);
    unshared.count -= setup.count;
    toSetUp = 0;
    return putRange(batch, at, Access.ToShared, shared.pages[0], setup.count);
  };

  const convert: Plan = (batch, at) => {
    const share = unshared.count > 0 && (shared.count === 0 || (nextInt32(random) & 1) === 0);
    const page = takeAny(share ? unshared : shared, random);
    addPage(share ? shared : unshared, page);
    return put(batch, at, share ? Access.ToShared : Access.ToPrivate, page);
  };

  const pinOrUnpin: Plan = (batch, at) => {
    // The last shared page stays out of the ring, so that the host always has one to work on.
    const pin = pinCount === 0 || (pinCount < slotCount && shared.count > 1 && (nextInt32(random) & 1) === 0);
    if (!pin) {
      const place = oldestPin;
      oldestPin = oldestPin + 1 === slotCount ? 0 : oldestPin + 1;
      pinCount--;
      addPage(shared, pinnedPage[place]);
      return putSlot(batch, at, Access.Unpin, firstSlot + place, pinnedPage[place], 1);
    }
    const place = (oldestPin + pinCount) % slotCount;
    pinCount++;
    pinnedPage[place] = takeAny(shared, random);
    return putSlot(batch, at, Access.PinShort, firstSlot + place, pinnedPage[place], 1);
  };

  return (batch, from) => {
    let at = from;
    if (toSetUp > 0 && setup.kind === 'range') at = shareFirstRange(batch, at, 0);
    const { kind, page } = batch;
    choosePages(chosen);
    for (const end = from + PLAN_LENGTH; at < end; ) {
      const bits = nextInt32(random);
      const roll = bits & (MIX_UNIT - 1);
      if (toSetUp > 0) {
        toSetUp--;
        const next = takeAny(unshared, random);
        addPage(shared, next);
        at = put(batch, at, Access.ToShared, next);
      } else if (roll >= conversionBelow) {
        kind[at] = Access.GuestRead + isStore(bits);
        page[at] = chosen[at - from];
        at++;
      } else if (roll >= pinBelow || shared.count === 0) at = convert(batch, at, 0);
      else if (roll < hostBelow) {
        at = putHost(batch, at, Access.HostRead + isStore(bits), peekAny(shared, random), windows === 1 ? 0 : below(random, windows));
      } else if (roll < ioBelow) {
        const holdNs = IO_HOLD_NS + IO_HOLD_STEP_NS * ((bits >>> 16) & (IO_HOLD_STEPS - 1));
        at = putIo(batch, at, ioKind, peekAny(shared, random), 1, holdNs);
      } else at = pinOrUnpin(batch, at, 0);
    }
    return at;
  };
}
