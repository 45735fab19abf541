/** The machine that a record was made on, and the version of the tool. */
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release } from 'node:os';
import type { Environment } from './record.ts';

export function readEnvironment(): Environment {
  return {
    node: process.version,
    platform: platform(),
    arch: arch(),
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    kernel: release(),
  };
}

/** The package's version: two folders up from the sources, three from the compiled files. */
export function toolVersion(): string {
  const up = import.meta.url.endsWith('.ts') ? '../../package.json' : '../../../package.json';
  const { version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { readonly version: string };
  return version;
}
