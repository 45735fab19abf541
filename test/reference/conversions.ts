/**
 * Conversions on the reference machine: the request with the VMM's side around it, and the kernel's side of each policy.
 * Sources: the in-place conversion series, the five proposals and the three checks as the mails state them.
 */
import { TABLE_PAGES, bump, count, folioAt, headOf, isGuests, isPrivate, mapcount, maybePinned, ownReferences, pagesOf, refcount, waysTo, zapStage2 } from './machine.ts';
import type { Folio, Machine, Range, Rules } from './machine.ts';
import { covers, drainAll, mmap, munmap, punchFile, punchOwnPages, unmapEverywhere } from './hostSide.ts';
import type { Outcome } from './hostSide.ts';
import { releaseDue } from './users.ts';

/** The VMM's patience: it rests 10 us after the first refusal, twice as long after each more, and gives up after 100 ms. */
const REST_FIRST_NS = 10_000;
const REST_LAST_NS = 1_000_000;
const PATIENCE_NS = 100_000_000;

/** What tells the policies apart, in one table. */
export function rulesOf(policy: string): Rules {
  const usual: Rules = { conversion: 'kernel-unmaps', gupAllowed: true, splits: false, ownerRefs: 0 };
  switch (policy) {
    case 'null':
      return { ...usual, conversion: 'ignore' };
    case 'lower-bound':
      return { ...usual, conversion: 'bare' };
    case 'sigbus-on-fault':
      return usual;
    case 'folio-mmapped':
      return { ...usual, conversion: 'no-vma-over-folio' };
    case 'refuse-mmap':
      return { ...usual, conversion: 'no-vma-at-all' };
    case 'disallow-gup':
      return { ...usual, gupAllowed: false };
    case 'separate-shared-memory':
      return { ...usual, conversion: 'two-memories' };
    case 'split-4k':
      return { ...usual, splits: true, ownerRefs: 1 };
    default:
      throw new Error(`the reference model does not know the policy ${policy}`);
  }
}

export interface Request {
  readonly cpu: number;
  readonly range: Range;
  readonly toPrivate: boolean;
  /** The guest's fault asks, and not the guest. */
  readonly donation: boolean;
}

/** One request from the guest's exit to its resume. @returns whether it succeeded */
export function convert(machine: Machine, request: Request): boolean {
  const { range, toPrivate, donation } = request;
  const [start, end] = range;
  /** Processes that were asked in this dance: one message each, however many mappings they have. */
  const asked = new Set<number>();
  const { pages, rules } = machine.setup;
  const inFile = Array.from({ length: Math.max(0, Math.min(end, pages) - start) }, (_, at) => start + at);
  const account = machine.requests[toPrivate ? 'toPrivate' : 'toShared'];
  account.requested++;
  account.pages += end - start;
  if (!donation) {
    for (const page of inFile) {
      if (toPrivate) machine.asked.delete(page);
      else machine.asked.add(page);
    }
  }

  const beganNs = machine.nowNs;
  for (let restNs = REST_FIRST_NS; ; restNs = Math.min(2 * restNs, REST_LAST_NS)) {
    account.attempts++;
    if (toPrivate) prepareToPrivate(machine, request);
    const outcome: Outcome = end > pages ? 'EINVAL' : toPrivate ? kernelToPrivate(machine, request) : kernelToShared(machine, request);
    if (outcome === 'OK') {
      if (rules.conversion === 'two-memories') {
        if (toPrivate) punchFile(machine, request.cpu, range);
        else punchOwnPages(machine, range);
      }
      finishRequest(machine, request);
      for (const page of inFile) machine.degraded.delete(page);
      account.succeeded++;
      return true;
    }
    bump(machine.errors.convert, outcome);
    bump(account.refused, outcome);
    const retryable = outcome === 'EAGAIN';
    if (retryable && machine.nowNs + restNs < beganNs + PATIENCE_NS) {
      machine.nowNs += restNs;
      releaseDue(machine);
      continue;
    }
    if (retryable) {
      machine.nowNs = beganNs + PATIENCE_NS;
      releaseDue(machine);
      account.timedOut++;
    } else {
      account.gaveUp++;
    }
    finishRequest(machine, request);
    for (const page of inFile) machine.degraded.add(page);
    return false;
  }

  /* ---- the VMM's side ---- */

  /** The VMM of `folio-mmapped` unmaps the folios in every process; that of `refuse-mmap` unmaps everything that is mapped. */
  function prepareToPrivate(machine: Machine, { cpu }: Request): void {
    asked.clear();
    if (rules.conversion === 'no-vma-over-folio') {
      for (const window of machine.windows) {
        askProcess(window.process, cpu);
        munmap(machine, cpu, window, wholeFolios(machine, range));
      }
    }
    if (rules.conversion === 'no-vma-at-all') {
      for (const window of machine.windows.filter(({ vmas }) => vmas.length > 0)) {
        askProcess(window.process, cpu);
        munmap(machine, cpu, window, [0, pages]);
      }
    }
  }

  /** Afterwards, however it ended, the VMM of `folio-mmapped` maps what is shared in the folios of the range. */
  function finishRequest(machine: Machine, { cpu }: Request): void {
    if (rules.conversion !== 'no-vma-over-folio') return;
    asked.clear();
    const [first, last] = wholeFolios(machine, range);
    for (const window of machine.windows) {
      const missing = (page: number): boolean => page < last && !isPrivate(machine, page) && !covers(window, page);
      for (let page = first; page < last; page++) {
        if (!missing(page)) continue;
        let after = page;
        while (missing(after)) after++;
        askProcess(window.process, cpu);
        mmap(machine, window, [page, after]);
        page = after;
      }
    }
  }

  function askProcess(process: number, cpu: number): void {
    if (process === machine.setup.cpus[cpu].process || asked.has(process)) return;
    asked.add(process);
    count(machine, 'ipc');
  }
}

/** The range, widened to whole folios and cut at the end of the file. */
function wholeFolios(machine: Machine, [start, end]: Range): Range {
  const { pages } = machine.setup;
  const inFile = Math.min(end, pages);
  return [headOf(machine, start), inFile <= start ? headOf(machine, start) : headOf(machine, inFile - 1) + machine.folioPages];
}

/* ---- the kernel's side ---- */

const isAlready = (machine: Machine, [start, end]: Range, wanted: boolean): boolean => {
  for (let page = start; page < end; page++) if (isPrivate(machine, page) !== wanted) return false;
  return true;
};

function kernelToShared(machine: Machine, { range }: Request): Outcome {
  if (isAlready(machine, range, false)) return 'OK';
  commit(machine, range, false);
  return 'OK';
}

function kernelToPrivate(machine: Machine, { cpu, range }: Request): Outcome {
  const { conversion } = machine.setup.rules;
  if (isAlready(machine, range, true)) return 'OK';
  const walk = wholeFolios(machine, range);
  switch (conversion) {
    case 'ignore':
      throw new Error('requests are ignored before they come here');
    case 'two-memories':
      commit(machine, range, true);
      return 'OK';
    case 'bare':
      unmapForFree(machine, range);
      commit(machine, range, true);
      return 'OK';
    case 'kernel-unmaps':
      unmapEverywhere(machine, cpu, walk, range);
      break;
    case 'no-vma-over-folio':
      if (machine.windows.some(({ vmas }) => vmas.some(([start, end]) => start < walk[1] && walk[0] < end))) {
        count(machine, 'refused.mapping');
        return 'EPERM';
      }
      break;
    case 'no-vma-at-all':
      if (machine.windows.some(({ vmas }) => vmas.length > 0)) {
        count(machine, 'refused.mapping');
        return 'EBUSY';
      }
      break;
    default:
      conversion satisfies never;
  }
  const user = firstUsed(machine, walk);
  if (user !== undefined) {
    blame(machine, user, range);
    return 'EAGAIN';
  }
  commit(machine, range, true);
  return 'OK';
}

/** The first folio of the walk that the check finds in use; LRU batches are drained once before that is believed. */
function firstUsed(machine: Machine, [start, end]: Range): Folio | undefined {
  const { check } = machine.setup;
  const inUse = (folio: Folio): boolean => {
    switch (check) {
      case 'mapcount':
        return mapcount(machine, folio) > 0;
      case 'mapped-or-pinned':
        return mapcount(machine, folio) > 0 || maybePinned(machine, folio);
      case 'refcount':
        return refcount(machine, folio) !== ownReferences(machine, folio);
    }
  };
  let mayDrain = check === 'refcount' && machine.folioPages === 1;
  for (let head = start; head < end; head += machine.folioPages) {
    const folio = folioAt(machine, head);
    if (folio === undefined || !inUse(folio)) continue;
    if (mayDrain) {
      mayDrain = false;
      drainAll(machine);
    }
    if (inUse(folio)) return folio;
  }
  return undefined;
}

function blame(machine: Machine, folio: Folio, [start, end]: Range): void {
  const used = pagesOf(machine, folio).filter((page) => waysTo(machine, page) > 0);
  if (mapcount(machine, folio) > 0) count(machine, 'refused.mapping');
  else if (used.some((page) => page >= start && page < end)) count(machine, 'refused.ownPin');
  else count(machine, used.length > 0 ? 'refused.neighbourPin' : 'refused.transient');
}

/** Stage-2 is zapped, then the attribute is stored; whoever can still reach a page is an exposure of it. */
function commit(machine: Machine, [start, end]: Range, toPrivate: boolean): void {
  if (machine.setup.rules.conversion === 'bare') zapStage2ForFree(machine, start, end);
  else zapStage2(machine, start, end);
  count(machine, 'state.store');
  for (let page = start; page < end; page++) {
    if (isPrivate(machine, page) === toPrivate) continue;
    machine.exposed.delete(page);
    if (!toPrivate) {
      machine.privatePages.delete(page);
      continue;
    }
    machine.privatePages.add(page);
    if (waysTo(machine, page) === 0 || !isGuests(machine, page)) continue;
    machine.exposed.add(page);
    count(machine, 'access.exposed');
  }
}

/* ---- the lower bound: what has to be done, and not how ---- */

/** One flush, of one entry, for each mm that had an entry of the range and runs. */
function unmapForFree(machine: Machine, [start, end]: Range): void {
  const processes = new Set<number>();
  for (const { process, entries, tables, pmds } of machine.windows) {
    for (const [region, { dirty }] of pmds) {
      const first = region * TABLE_PAGES;
      if (first >= end || first + TABLE_PAGES <= start) continue;
      pmds.delete(region);
      tables.add(region);
      for (let page = first; page < first + TABLE_PAGES; page++) entries.set(page, { dirty });
    }
    for (const page of entries.keys()) {
      if (page < start || page >= end) continue;
      entries.delete(page);
      processes.add(process);
    }
  }
  const running = [...processes].filter((process) => machine.setup.cpus.some((cpu) => cpu.process === process)).length;
  count(machine, 'tlb.flush', running);
  count(machine, 'tlb.flushEntry', running);
}

/** A large leaf that is split costs one zap and nothing else. */
function zapStage2ForFree(machine: Machine, start: number, end: number): void {
  const split = machine.counts.get('stage2.split') ?? 0;
  const before = machine.counts.get('stage2.zap') ?? 0;
  const large = [...machine.largeLeaves].filter((region) => region * TABLE_PAGES < end && start < (region + 1) * TABLE_PAGES);
  const small = [...machine.leaves].filter((page) => page >= start && page < end);
  zapStage2(machine, start, end);
  machine.counts.set('stage2.split', split);
  machine.counts.set('stage2.zap', before + large.length + small.length);
}
