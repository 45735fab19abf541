/**
 * Changes in a world of shmem: what one step did that others can see, in the words of the field, as the difference of two worlds.
 * Not told: what only the task itself reads, ghosts, and counts that follow from what is told.
 */
import { EntryBit, EntryType, TableBit, typeOf } from '../model/memory/entries.ts';
import { FrameBit } from '../model/memory/frames.ts';
import { MmState } from '../model/memory/processes.ts';
import { SlotKind } from '../model/memory/slots.ts';
import { regionsOf } from '../model/memory/shape.ts';
import { WRITER } from '../model/locks.ts';
import { isFake } from '../model/shmem/kept.ts';
import { Userfault } from '../model/shmem/world.ts';
import type { ShmemWorld } from '../model/shmem/world.ts';
import type { ChangeNames, Changes } from './family.ts';
import { joinPages, pagesName } from './pageRuns.ts';

export function describeShmemChanges(before: ShmemWorld, after: ShmemWorld, names: ChangeNames = {}): Changes {
  return {
    locks: [...rwLocks(before, after), ...folioLocks(before, after), ...tableLocks(before, after)],
    others: joinPages([
      ...entries(before, after),
      ...file(before, after),
      ...userfaults(before, after, names),
      ...buffers(before, after, names),
      ...crossCalls(before, after, names),
      ...processes(before, after),
    ]),
  };
}

const threadName = ({ threads = [] }: ChangeNames, cpu: number): string => threads[cpu] ?? `CPU ${cpu}`;

/** Which process, where there are several. */
const inProcess = ({ shape: { mms } }: ShmemWorld, mm: number): string => (mms === 1 ? '' : ` in process ${mm}`);

/* ---- entries ---- */

/** An entry in words. */
function entryName(bits: number, target: number): string {
  const wp = bits & EntryBit.UffdWp ? ', write-protected' : '';
  if (isFake(bits, target)) return 'PROTNONE of the zero page, write-protected';
  if (bits & EntryBit.Present) {
    if (bits & EntryBit.ProtNone) return `a NUMA hint${wp}`;
    return `${target === 1 ? 'the zero page' : 'mapped'}${bits & EntryBit.Write ? ', writable' : ''}${wp}`;
  }
  if (typeOf(bits) === EntryType.Marker) return 'a marker';
  return typeOf(bits) === EntryType.Migration ? `a migration entry${wp}` : 'empty';
}

function entries(before: ShmemWorld, after: ShmemWorld): readonly string[] {
  const { pages } = after.shape;
  const told: string[] = [];
  for (let at = 0; at < after.entry.length; at++) {
    const where = `entry of page ${at % pages}${inProcess(after, Math.floor(at / pages))}`;
    const [was, is] = [entryName(before.entry[at], before.entryTarget[at]), entryName(after.entry[at], after.entryTarget[at])];
    if (was !== is) told.push(`${where}: ${is}`);
    else if (is === 'mapped' && before.entryTarget[at] !== after.entryTarget[at]) told.push(`${where}: mapped elsewhere`);
    if (before.stale[at] === 0 && after.stale[at] !== 0) told.push(`TLBs may still write through the ${where}`);
    if (before.stale[at] !== 0 && after.stale[at] === 0) told.push(`no TLB has the ${where} any more`);
  }
  return told;
}

/* ---- the file ---- */

function file(before: ShmemWorld, after: ShmemWorld): readonly string[] {
  const told: string[] = [];
  for (let page = 0; page < after.cacheFrame.length; page++) {
    const [was, is] = [before.cacheFrame[page], after.cacheFrame[page]];
    if (was === 0 && is !== 0) told.push(`page ${page} enters the page cache`);
    if (was !== 0 && is === 0) told.push(`page ${page} leaves the page cache`);
    if (was !== 0 && is !== 0 && was !== is) told.push(`page ${page} moves to another frame`);
    if (before.swapped[page] < after.swapped[page]) told.push(`page ${page} is in swap`);
    if (was !== 0 && was === is && before.frameContent[was - 1] !== after.frameContent[is - 1]) told.push(`page ${page} holds ${after.frameContent[is - 1]}`);
  }
  if (before.holeEnd[0] !== after.holeEnd[0]) told.push(after.holeEnd[0] === 0 ? 'the hole is punched' : `faults in ${pagesName(after.holeStart[0], after.holeEnd[0] - after.holeStart[0])} wait from here on`);
  return told;
}

/* ---- userfaults, buffers, calls, processes ---- */

function userfaults(before: ShmemWorld, after: ShmemWorld, names: ChangeNames): readonly string[] {
  const told: string[] = [];
  for (let task = 0; task < after.shape.cpus; task++) {
    const [was, is] = [before.userfault[task], after.userfault[task]];
    if (was === is) continue;
    if (is === Userfault.Pending) told.push(`a write to page ${after.page[task]} is told to the monitor`);
    else if (is === Userfault.Read) told.push(`reads the event of ${threadName(names, task)}`);
    else told.push(`${threadName(names, task)} need not wait any more`);
  }
  return told;
}

function buffers(before: ShmemWorld, after: ShmemWorld, { buffers: known = [] }: ChangeNames): readonly string[] {
  return [...after.slotKind].flatMap((is, slot) => {
    if (is === before.slotKind[slot]) return [];
    return [is === SlotKind.Empty ? `buffer ${known[slot] ?? slot} dropped` : `buffer ${known[slot] ?? slot} pinned`];
  });
}

function crossCalls(before: ShmemWorld, after: ShmemWorld, names: ChangeNames): readonly string[] {
  const { cpus, tasks } = after.shape;
  const told: string[] = [];
  for (let task = 0; task < tasks; task++) {
    const asked: string[] = [];
    for (let cpu = 0; cpu < cpus; cpu++) {
      const at = task * cpus + cpu;
      if (after.callPending[at] > before.callPending[at]) asked.push(threadName(names, cpu));
      if (after.callPending[at] < before.callPending[at]) told.push(`TLB flushed for ${task < cpus ? threadName(names, task) : 'the monitor'}`);
    }
    if (asked.length > 0) told.push(`asks ${asked.join(', ')} to flush`);
  }
  return told;
}

function processes(before: ShmemWorld, after: ShmemWorld): readonly string[] {
  return [...after.mmState].flatMap((is, mm) => {
    if (is === before.mmState[mm] || is === MmState.Unborn) return [];
    return [is === MmState.Alive ? `process ${mm} begins` : `process ${mm} is gone`];
  });
}

/* ---- locks ---- */

function lockChange(name: string, was: number, is: number): readonly string[] {
  if (was === is) return [];
  if (is === WRITER) return [`takes ${name} (write)`];
  if (was === WRITER) return [`drops ${name} (write)`];
  return [is > was ? `takes ${name} (read)` : `drops ${name} (read)`];
}

const bitChange = (name: string, was: number, is: number, bit: number): readonly string[] => ((was & bit) === (is & bit) ? [] : [`${is & bit ? 'takes' : 'drops'} ${name}`]);

function rwLocks(before: ShmemWorld, after: ShmemWorld): readonly string[] {
  return [
    ...Array.from(after.mmapLock, (word, mm) => lockChange(`mmap_lock${after.shape.mms === 1 ? '' : ` of process ${mm}`}`, before.mmapLock[mm], word)).flat(),
    ...lockChange('i_rwsem', before.inodeLock[0], after.inodeLock[0]),
    ...lockChange('i_mmap_rwsem', before.rmapLock[0], after.rmapLock[0]),
  ];
}

/** A frame by the page that it is of, in the page cache before or after. */
function frameName(before: ShmemWorld, after: ShmemWorld, frame: number): string {
  const page = [after, before].map(({ cacheFrame }) => cacheFrame.indexOf(frame + 1)).find((at) => at >= 0);
  return page === undefined ? `frame ${frame}` : `page ${page}`;
}

const folioLocks = (before: ShmemWorld, after: ShmemWorld): readonly string[] =>
  [...after.frameFlags].flatMap((flags, frame) => bitChange(`folio lock of ${frameName(before, after, frame)}`, before.frameFlags[frame], flags, FrameBit.Locked));

function tableLocks(before: ShmemWorld, after: ShmemWorld): readonly string[] {
  const { regionOrder, pages } = after.shape;
  const regions = regionsOf(after.shape);
  return [...after.table].flatMap((bits, table) => {
    const first = (table % regions) << regionOrder;
    const covered = pagesName(first, Math.min(1 << regionOrder, pages - first));
    return bitChange(`page-table lock of ${covered}${inProcess(after, Math.floor(table / regions))}`, before.table[table], bits, TableBit.Locked);
  });
}
