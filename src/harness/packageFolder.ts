/** Where the package lies: its litmus files, its committed results, its list of sources. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder with `package.json`: the code runs from src/ and, one level deeper, from dist/src/. */
export function packageFolder(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json'))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error('the package has no package.json above its code');
    folder = parent;
  }
  return folder;
}
