/** Grammars: how the litmus files of a family are written, as far as families differ. The rest of the language is one for all. */
import type { UserError } from '../model/userError.ts';
import type { LitmusOperation, LitmusThread, LitmusWorldBase } from './litmus.ts';
import type { Complaint, MistakeAt, YamlEntry, YamlNode } from './litmusYaml.ts';

export interface Grammar<L extends LitmusWorldBase = LitmusWorldBase> {
  readonly worldKeys: readonly WorldKey[];
  /** Reads `world`. @throws UserError */
  readWorld(reader: WorldReader): StatedWorld<L>;
  readonly threads: ThreadGrammar;
  /** In the order of the documents. Where one starts with the words of another, the longer one comes first. */
  readonly operations: readonly OperationForm[];
  readonly kinds: OperationKinds;
}

/** A key of `world`. */
export interface WorldKey {
  readonly key: string;
  /** The default, as a file would say it. */
  readonly usual?: string;
  /** What it says. Both are for the documents, where these are made from the grammar. */
  readonly means?: string;
}

/** Reads values of `world`, each with its default. */
export interface WorldReader {
  readonly mistake: MistakeAt;
  /** The line that a key stands in; 1 where the file does not have it. */
  readonly lineOf: (key: string) => number;
  readonly read: <Value>(key: string, fallback: Value, parse: (node: YamlNode) => Value) => Value;
  readonly integer: (key: string, fallback: number, least: number, most: number) => number;
  readonly boolean: (key: string, fallback: boolean) => boolean;
  readonly choice: <Name extends string>(key: string, fallback: Name, known: readonly Name[]) => Name;
}

/** The world as far as `world` itself says it. */
export interface StatedWorld<L extends LitmusWorldBase> extends LitmusWorldBase {
  /** The whole of it, once the operations are known. @param comparesValues some fact compares a value @throws UserError */
  finish(operations: readonly LitmusOperation[], comparesValues: boolean): L;
}

/** What the name of a thread means, and its keys. */
export interface ThreadGrammar {
  /** Keys beside `do` of a thread that is a map. */
  readonly keys: readonly string[];
  /** By its name and the threads before it. @throws UserError */
  roleOf(name: string, earlier: readonly Pick<LitmusThread, 'name' | 'role'>[], mistake: (complaint: Complaint) => UserError): LitmusThread['role'];
  /** The process of a thread with these keys. @throws UserError */
  processOf(thread: Pick<LitmusThread, 'name' | 'role'>, fields: ReadonlyMap<string, YamlEntry>, mistake: MistakeAt, line: number): number;
}

export interface OperationForm {
  /** The words that it starts with. */
  readonly words: string;
  /** RANGE = `3`, `0..3`, `any` or `file`; PAGE = `3` or `any`. */
  readonly form: string;
  readonly read: (words: Words) => Details;
  /** For the documents, where they are made from the grammar: one of it, and what it does. */
  readonly example?: string;
  readonly means?: string;
}

export type Details = Pick<LitmusOperation, 'kind'> & Partial<Pick<LitmusOperation, 'page' | 'count' | 'slot' | 'window' | 'value' | 'flags'>>;
export type Pages = Pick<LitmusOperation, 'page' | 'count'>;

/** The words behind those that name the operation, read from left to right. */
export interface Words {
  /** The next word is this one, and taken. */
  readonly take: (word: string) => boolean;
  readonly expect: (word: string) => void;
  /** The next word is one of these, and taken. */
  readonly oneOf: <Word extends string>(known: readonly Word[]) => Word | undefined;
  readonly page: (reach?: Reach) => Pages;
  readonly range: (reach?: Reach) => Pages;
  /** `bytes OFFSET+LENGTH`, as pages and flags. */
  readonly bytesOrRange: () => Pages & Pick<LitmusOperation, 'flags'>;
  readonly buffer: () => number;
  /** The content of a write; 0 where there is none. */
  readonly writtenValue: () => number;
  /** `through N`. */
  readonly window: () => number;
  /** The name of a thread of the file, as its place among them. */
  readonly thread: () => number;
}
/** Whether an operation's pages may lie beyond the end of the file. */
export type Reach = 'file' | 'beyond';

/** Kinds of operations by what may stand behind them, and by what they do with buffers. */
export interface OperationKinds {
  /** Deliver a content, so that `=> VALUE` can stand behind them. */
  readonly readers: ReadonlySet<number>;
  /** Say at which page they were refused: `=> EAGAIN at 2`. */
  readonly requests: ReadonlySet<number>;
  /** Only vCPUs do them. */
  readonly guest: ReadonlySet<number>;
  /** Fill a buffer with references; use what is in it; empty it. */
  readonly fills: ReadonlySet<number>;
  readonly uses: ReadonlySet<number>;
  readonly drops: ReadonlySet<number>;
}
