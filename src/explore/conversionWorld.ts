/** How the litmus files of the conversion family say their world, and what the names of their threads mean. */
import { CONTENT_RULES } from '../model/shape.ts';
import type { ContentRule } from '../model/shape.ts';
import type { StatedWorld, ThreadGrammar, WorldKey, WorldReader } from './grammar.ts';
import type { LitmusOperation, LitmusWorld } from './litmus.ts';
import { PAGES_MAX, THREADS_MAX } from './litmusLimits.ts';
import { choiceOf, integerOf, wrongKind } from './litmusYaml.ts';
import type { MistakeAt, YamlNode } from './litmusYaml.ts';

/** litmus/README.md says what they mean. */
export const WORLD_KEYS: readonly WorldKey[] = [
  'pages', 'order', 'region-order', 'large-backing', 'gigantic-order', 'pmd-mappings', 'start', 'mmap', 'content', 'flush', 'lru-batch', 'lazy', 'windows',
  'spare-folios', 'patience',
].map((key) => ({ key }));

/** The count of attempts goes no further. */
const PATIENCE_MAX = 7;

export function readWorld({ mistake, lineOf, read, integer, boolean, choice }: WorldReader): StatedWorld<LitmusWorld> {
  const pages = integer('pages', 2, 1, PAGES_MAX);
  const folioOrder = integer('order', 0, 0, 2);
  if (pages % (1 << folioOrder) !== 0) {
    throw mistake(lineOf('order'), {
      what: `${pages} page${pages === 1 ? '' : 's'} cannot be made of folios of order ${folioOrder}`,
      why: `a folio has ${1 << folioOrder} pages, and the file is made of whole ones`,
      fix: `set \`pages\` to a multiple of ${1 << folioOrder}, or \`order\` lower`,
    });
  }
  const regionOrder = integer('region-order', 1, 0, 3);
  const largeBacking = boolean('large-backing', false);
  const giganticOrder = integer('gigantic-order', 0, 0, 3);
  if (giganticOrder > 0 && (!largeBacking || giganticOrder <= regionOrder || giganticOrder < folioOrder)) {
    throw mistake(lineOf('gigantic-order'), {
      what: `\`gigantic-order\` ${giganticOrder} goes with no memory of this world`,
      why: `a gigantic leaf needs large backing, more pages than a region (order ${regionOrder}), and as many as a folio (order ${folioOrder})`,
      fix: 'add `large-backing: true`, and set `gigantic-order` higher or the other orders lower',
    });
  }
  const pmdMappings = boolean('pmd-mappings', false);
  if (pmdMappings && (regionOrder === 0 || folioOrder < regionOrder)) {
    throw mistake(lineOf('pmd-mappings'), {
      what: `no PMD can map a folio of order ${folioOrder} in regions of order ${regionOrder}`,
      why: 'a PMD maps all pages of a region, which are more than one and of one folio',
      fix: regionOrder === 0 ? 'set `region-order` to 1 or more, and `order` to as much' : `set \`order\` to ${regionOrder} or more`,
    });
  }
  const stated = read<ContentRule | undefined>('content', undefined, (node) => choiceOf(mistake, node, 'content', CONTENT_RULES));
  const world = {
    pages,
    folioOrder,
    regionOrder,
    largeBacking,
    giganticOrder,
    pmdMappings,
    shared: read<readonly boolean[]>('start', Array.from({ length: pages }, () => true), (node) => parseStart(mistake, node, pages)),
    mmap: boolean('mmap', true),
    flush: choice('flush', 'ipi', ['ipi', 'broadcast']),
    lruBatch: integer('lru-batch', 0, 0, 31),
    lazy: boolean('lazy', false),
    windowsPerProcess: integer('windows', 1, 1, 4),
    spareFolios: integer('spare-folios', 2, 0, 8),
    patience: read('patience', 0, (node) => parsePatience(mistake, node)),
  };
  return { ...world, finish: (operations, comparesValues) => ({ ...world, content: contentOf(mistake, stated, operations, comparesValues) }) };
}

function parsePatience(mistake: MistakeAt, node: YamlNode): number {
  if (node.kind !== 'text') throw wrongKind(mistake, node, 'patience', `a whole number from 0 to ${PATIENCE_MAX}, or forever`);
  const { text, value } = node;
  if (value === 'forever') return Infinity;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= PATIENCE_MAX) return value;
  throw mistake(node.line, {
    what: `\`patience\` is "${text}"`,
    why: `it is how often the VMM repeats a request that was refused: 0 to ${PATIENCE_MAX}, or forever`,
    fix: typeof value === 'number' && value > PATIENCE_MAX ? 'write forever' : 'write a number or forever',
  });
}

const SIDES = ['shared', 'private'] as const;

function parseStart(mistake: MistakeAt, node: YamlNode, pages: number): readonly boolean[] {
  if (node.kind !== 'list') {
    const shared = choiceOf(mistake, node, 'start', SIDES) === 'shared';
    return Array.from({ length: pages }, () => shared);
  }
  if (node.items.length !== pages) {
    throw mistake(node.line, { what: `\`start\` lists ${node.items.length} pages`, why: `the file has ${pages}`, fix: 'write shared or private once for each page, or once for all' });
  }
  return node.items.map((item) => choiceOf(mistake, item, 'start', SIDES) === 'shared');
}

/** The file's rule, or: contents are kept where somebody compares or writes one. */
function contentOf(mistake: MistakeAt, stated: ContentRule | undefined, operations: readonly LitmusOperation[], comparedByFacts: boolean): ContentRule {
  const valued = operations.find(({ value, expected }) => value !== 0 || expected?.value !== undefined);
  if (stated === 'none' && valued !== undefined) {
    throw mistake(valued.line, { what: `"${valued.text}" has a value`, why: '`content: none` keeps none', fix: 'set `content` to preserve, zero or scramble, or leave the value out' });
  }
  return stated ?? (valued !== undefined || comparedByFacts ? 'preserve' : 'none');
}

/* ---- threads ---- */

/** Threads named vcpu... run the guest, come first, and are in the VMM's process; `process` says in which all others are. */
export const threadGrammar: ThreadGrammar = {
  keys: ['process'],
  roleOf(name, earlier, mistake) {
    const host = earlier.find(({ role }) => role === 'vmm');
    if (!name.startsWith('vcpu')) return 'vmm';
    if (host !== undefined) throw mistake({ what: `the vCPU "${name}" comes after the host thread "${host.name}"`, why: 'vCPUs come first', fix: `move "${name}" up, or call it something that does not start with vcpu` });
    return 'vcpu';
  },
  processOf({ name, role }, fields, mistake, line) {
    const node = fields.get('process')?.node;
    const process = node === undefined ? 0 : integerOf(mistake, node, 'process', 0, THREADS_MAX - 1);
    if (role === 'vcpu' && process !== 0) throw mistake(node?.line ?? line, { what: `the vCPU "${name}" is in process ${process}`, why: 'vCPUs are threads of the VMM, process 0', fix: 'leave `process` out' });
    return process;
  },
};
