/** Changes of folios that wait for their last put, in words: the third state of their pages, their type, and the work that is queued. */
import { PageBit } from '../model/file.ts';
import { FolioType } from '../model/folioType.ts';
import type { World } from '../model/world.ts';

/** What the step between two worlds changed of each page that neither side may use, or may use again. */
export function callbackChanges(before: World, after: World): readonly string[] {
  return Array.from(after.folioType, (is, page) => {
    const was = before.folioType[page];
    const changed = (before.pageState[page] ^ after.pageState[page]) & PageBit.Draining;
    return [
      ...(changed === 0 ? [] : [after.pageState[page] & PageBit.Draining ? `page ${page} can be used by neither side` : `page ${page} is no longer between the sides`]),
      ...(was === FolioType.None && is !== FolioType.None ? [`folio of page ${page} gets its type`] : []),
      ...(was !== FolioType.None && is === FolioType.None ? [`folio of page ${page} loses its type`] : []),
      ...(was !== FolioType.Queued && is === FolioType.Queued ? [`the last put of page ${page} queues work`] : []),
    ];
  }).flat();
}
