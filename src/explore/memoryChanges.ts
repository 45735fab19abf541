/**
 * Changes of worlds of processes, in words: what one step did to entries, frames, locks and processes. Both families beside conversions
 * tell them so; what a family has beyond it adds its own.
 */
import { CrossCall } from '../model/crossCalls.ts';
import { WRITER } from '../model/locks.ts';
import { EntryBit, EntryType, TableBit, entryAt, typeOf } from '../model/memory/entries.ts';
import { FrameBit, ZERO_FRAME } from '../model/memory/frames.ts';
import { MmState } from '../model/memory/processes.ts';
import { framesOf, mmOf } from '../model/memory/shape.ts';
import { SlotKind } from '../model/memory/slots.ts';
import { Backing } from '../model/memory/windows.ts';
import type { MemoryWorld } from '../model/memory/world.ts';
import { TaskFlag } from '../model/tasks.ts';
import type { ChangeNames } from './family.ts';

export const frameName = (frame: number): string => (frame === ZERO_FRAME ? 'the zero page' : `frame ${frame}`);

/** "page 1 of process 0", and where a process has several mappings "page 1 of mapping 0 of process 0". */
export function pageName(world: MemoryWorld, window: number, page: number): string {
  const { windowsPerMm } = world.shape;
  return `page ${page} of ${windowsPerMm === 1 ? '' : `mapping ${window % windowsPerMm} of `}process ${mmOf(world, window)}`;
}

/** "-> frame 3, writable", "in swap slot 0, exclusive", "none". */
export function entryText(bits: number, target: number): string {
  const marks = [
    ...(bits & EntryBit.Write ? ['writable'] : []),
    ...(bits & EntryBit.UffdWp ? ['uffd-wp'] : []),
    ...(bits & EntryBit.ProtNone ? ['PROTNONE'] : []),
    ...(bits & EntryBit.Exclusive ? ['exclusive'] : []),
  ];
  const tail = marks.length === 0 ? '' : `, ${marks.join(', ')}`;
  if (bits & EntryBit.Present) return `-> ${frameName(target - 1)}${bits & EntryBit.Write ? '' : ', read-only'}${tail}`;
  switch (typeOf(bits)) {
    case EntryType.Swap:
      return `in swap slot ${target - 1}${tail}`;
    case EntryType.Migration:
      return `migrates ${frameName(target - 1)}${tail}`;
    case EntryType.Marker:
      return `marker${tail}`;
    default:
      return 'none';
  }
}

export function memoryLocks(before: MemoryWorld, after: MemoryWorld): readonly string[] {
  const words = (was: number, is: number, name: string): readonly string[] => {
    if (was === is) return [];
    if (is === WRITER || was === WRITER) return [is === WRITER ? `takes ${name} (write)` : is === 0 ? `drops ${name}` : `downgrades ${name}`];
    return [is > was ? `takes ${name} (read)` : `drops ${name} (read)`];
  };
  const bit = (was: number, is: number, mask: number, name: string): readonly string[] => ((was & mask) === (is & mask) ? [] : [`${is & mask ? 'takes' : 'drops'} ${name}`]);
  return [
    ...[...after.mmapLock].flatMap((is, mm) => words(before.mmapLock[mm], is, `mmap_lock of process ${mm}`)),
    ...words(before.rmapLock[0], after.rmapLock[0], 'rmap lock'),
    ...[...after.frameFlags].flatMap((is, frame) => bit(before.frameFlags[frame], is, FrameBit.Locked, `lock of ${frameName(frame)}`)),
    ...[...after.table].flatMap((is, table) => bit(before.table[table], is, TableBit.Locked, `page-table lock ${table}`)),
  ];
}

const SLOT_WORDS: Readonly<Record<number, string>> = { [SlotKind.Pin]: 'pins', [SlotKind.LongTerm]: 'pins for long', [SlotKind.Get]: 'gets' };

/** Everything but locks, and what only the task itself reads. */
export function memoryChanges(before: MemoryWorld, after: MemoryWorld, { threads = [], buffers = [] }: ChangeNames): readonly string[] {
  const { windows, pages, cpus, tasks, slotPages, slots } = after.shape;
  const told: string[] = [];
  const threadName = (cpu: number): string => threads[cpu] ?? `CPU ${cpu}`;
  for (const [mm, is] of after.mmState.entries()) {
    const was = before.mmState[mm];
    if (was !== is) told.push(is === MmState.Alive ? `process ${mm} is born` : is === MmState.None ? `process ${mm} is gone` : `process ${mm} is conceived`);
    if (before.mmForkSequence[mm] !== after.mmForkSequence[mm] && is !== MmState.None) told.push(`fork sequence of process ${mm} is ${after.mmForkSequence[mm]}`);
    if (before.mmHasPinned[mm] < after.mmHasPinned[mm]) told.push(`process ${mm} has pinned`);
  }
  for (let window = 0; window < windows; window++) {
    if (before.windowBacking[window] !== after.windowBacking[window]) {
      told.push(`mapping ${window % after.shape.windowsPerMm} of process ${mmOf(after, window)} ${after.windowBacking[window] === Backing.None ? 'removed' : 'created'}`);
    }
    for (let page = 0; page < pages; page++) {
      const at = entryAt(after, window, page);
      const [was, is] = [entryText(before.entry[at], before.entryTarget[at]), entryText(after.entry[at], after.entryTarget[at])];
      if (was !== is) told.push(`${pageName(after, window, page)}: ${was} becomes ${is}`);
      if ((before.entry[at] & EntryBit.NoVma) < (after.entry[at] & EntryBit.NoVma)) told.push(`${pageName(after, window, page)} has no VMA`);
    }
  }
  for (let frame = 1; frame < framesOf(after.shape); frame++) {
    const name = frameName(frame);
    const [refs, is] = [before.frameRefs[frame], after.frameRefs[frame]];
    if (refs !== is) told.push(refs === 0 ? `${name} allocated` : is === 0 ? `${name} freed` : `refcount of ${name} ${refs} -> ${is}`);
    if (is === 0) continue;
    if (before.frameMaps[frame] !== after.frameMaps[frame]) told.push(`mapcount of ${name} ${before.frameMaps[frame]} -> ${after.frameMaps[frame]}`);
    const [flags, now] = [before.frameFlags[frame] & FrameBit.Exclusive, after.frameFlags[frame] & FrameBit.Exclusive];
    if (flags !== now) told.push(`${name} ${now ? 'becomes exclusive' : 'is no longer exclusive'}`);
    if (before.frameContent[frame] !== after.frameContent[frame]) told.push(`content of ${name} ${before.frameContent[frame]} -> ${after.frameContent[frame]}`);
  }
  for (const [folio, is] of after.hugePins.entries()) if (before.hugePins[folio] !== is) told.push(`pincount of huge folio ${folio} ${before.hugePins[folio]} -> ${is}`);
  for (const [page, is] of after.cacheFrame.entries()) if (before.cacheFrame[page] !== is) told.push(is === 0 ? `page ${page} of the file leaves the page cache` : `page ${page} of the file is ${frameName(is - 1)}`);
  for (const [slot, is] of after.swapFrame.entries()) if (before.swapFrame[slot] !== is) told.push(is === 0 ? `swap slot ${slot} has no cached page` : `swap slot ${slot} is cached by ${frameName(is - 1)}`);
  for (let slot = 0; slot < slots; slot++) {
    const name = buffers[slot] ?? `buffer ${slot}`;
    for (let place = slot * slotPages; place < (slot + 1) * slotPages; place++) {
      const [was, is] = [before.slotFrame[place], after.slotFrame[place]];
      if (was !== is) told.push(is === 0 ? `${name} drops ${frameName(was - 1)}` : `${name} ${SLOT_WORDS[after.slotKind[slot]] ?? 'holds'} ${frameName(is - 1)}`);
    }
    if (before.slotKind[slot] !== after.slotKind[slot] && after.slotKind[slot] === SlotKind.Refused) told.push(`${name} is refused`);
  }
  for (let task = 0; task < tasks; task++) {
    if (before.callKind[task] === CrossCall.None && after.callKind[task] !== CrossCall.None) told.push(`${threadName(task)} asks ${after.callCount[task]} to flush`);
    const irq = [before.flags[task] & TaskFlag.IrqOff, after.flags[task] & TaskFlag.IrqOff];
    if (irq[0] !== irq[1]) told.push(`interrupts ${irq[1] ? 'off' : 'on'}`);
    for (let cpu = 0; cpu < cpus; cpu++) if (before.callPending[task * cpus + cpu] > after.callPending[task * cpus + cpu]) told.push(`${threadName(cpu)} flushes for ${threadName(task)}`);
  }
  return told;
}
