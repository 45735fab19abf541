/** Changes of several pages in one sentence. */
import { expect, test } from 'vitest';
import { joinPages, pagesName } from './pageRuns.ts';

test('a run of pages has its first and its last', () => expect([pagesName(3, 1), pagesName(3, 2)]).toEqual(['page 3', 'pages 3..4']));

test.each<[readonly string[], readonly string[]]>([
  [['PTE of page 0 flushed', 'PTE of page 1 flushed', 'PTE of page 2 flushed'], ['PTE of pages 0..2 flushed']],
  [['page 0 becomes private', 'page 1 becomes private'], ['pages 0..1 become private']],
  [['page 4 enters the page cache', 'page 5 enters the page cache'], ['pages 4..5 enter the page cache']],
  [['page 0 is up to date', 'page 1 is up to date'], ['pages 0..1 are up to date']],
  [['secondary MMU drops page 1', 'secondary MMU drops page 2'], ['secondary MMU drops pages 1..2']],
  // What differs in more than the page, or does not follow, stays apart.
  [['refcount of page 0: 1 -> 2', 'refcount of page 1: 2 -> 3'], ['refcount of page 0: 1 -> 2', 'refcount of page 1: 2 -> 3']],
  [['PTE of page 0 set', 'PTE of page 2 set'], ['PTE of page 0 set', 'PTE of page 2 set']],
  [['PTE of page 0 in process 0 set', 'PTE of page 1 in process 1 set'], ['PTE of page 0 in process 0 set', 'PTE of page 1 in process 1 set']],
  [['PTE of page 0 set', 'interrupts on', 'PTE of page 1 set'], ['PTE of page 0 set', 'interrupts on', 'PTE of page 1 set']],
  [[], []],
])('neighbours that differ in their page only are one: %j', (told, expected) => expect(joinPages(told)).toEqual(expected));
