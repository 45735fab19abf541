/** The bytes of a trace file in chunks, unzipped where the file is gzip: whatever it is called, its first two bytes tell. */
import { open, type FileHandle } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UserError } from '../../model/userError.ts';

export interface ByteSource {
  /** The next chunk, null at the end. Rejects with a zlib error (code `Z_*`) or a UserError. */
  next(): Promise<Uint8Array | null>;
  close(): void;
}

const READ_BYTES = 1 << 16;
/** Few large chunks: each costs a turn of the event loop. */
const UNZIPPED_BYTES = 1 << 18;

/** @throws UserError where the file cannot be opened, or is called .gz and is none */
export async function openBytes(file: string): Promise<ByteSource> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    throw unreadable(file, error);
  }
  try {
    const isGzip = await startsAsGzip(handle);
    if (!isGzip && file.endsWith('.gz')) {
      throw new UserError({
        what: `${file} is no gzip file`,
        why: 'it is called .gz, and does not begin with the bytes 1f 8b',
        fix: 'copy it again, or call it .csv if it is not compressed',
      });
    }
    const compressed = handle.createReadStream({ start: 0, highWaterMark: READ_BYTES });
    if (!isGzip) return chunksOf(file, compressed, compressed);
    const unzipped = createGunzip({ chunkSize: UNZIPPED_BYTES });
    pipeline(compressed, unzipped, () => {
      // An error also ends `unzipped`, whose reader tells it.
    });
    return chunksOf(file, unzipped, compressed);
  } catch (error) {
    await handle.close();
    throw unreadable(file, error);
  }
}

async function startsAsGzip(handle: FileHandle): Promise<boolean> {
  const magic = new Uint8Array(2);
  const { bytesRead } = await handle.read(magic, 0, 2, 0);
  return bytesRead === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
}

function chunksOf(file: string, stream: Readable, origin: Readable): ByteSource {
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  return {
    async next() {
      try {
        const { done, value } = await chunks.next();
        return done === true ? null : value;
      } catch (error) {
        throw isZlibError(error) ? error : unreadable(file, error);
      }
    },
    close() {
      stream.destroy();
      origin.destroy();
    },
  };
}

export function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_');
}

function unreadable(file: string, error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const isMissing = 'code' in error && error.code === 'ENOENT';
  return new UserError({
    what: isMissing ? `there is no trace ${file}` : `${file} cannot be read`,
    why: isMissing ? 'no file has that path' : error.message,
    fix: 'give the path of a trace, or one of the names that `foliobench list workloads` prints',
  });
}
