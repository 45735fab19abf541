/** What a CI system says of itself in its environment variables. */
import path from 'node:path';

export interface CiEnvironment {
  /** Lines of the form `::error ...` are read as annotations. */
  readonly annotates?: boolean;
  /** Markdown appended there becomes the summary of the job. */
  readonly summaryFile?: string;
  /** The repository's folder: annotations name files relative to it. */
  readonly workspace?: string;
}

/** GitHub Actions, and what follows it (Gitea, Forgejo). @param variables as in `process.env` */
export function ciEnvironmentOf({ GITHUB_ACTIONS, GITHUB_STEP_SUMMARY, GITHUB_WORKSPACE }: Readonly<Record<string, string | undefined>>): CiEnvironment {
  return {
    annotates: GITHUB_ACTIONS === 'true',
    ...(GITHUB_STEP_SUMMARY === undefined || GITHUB_STEP_SUMMARY === '' ? {} : { summaryFile: GITHUB_STEP_SUMMARY }),
    ...(GITHUB_WORKSPACE === undefined || GITHUB_WORKSPACE === '' ? {} : { workspace: GITHUB_WORKSPACE }),
  };
}

/** As an annotation names it; a file outside of the repository by its own path. */
export function annotatedPath(file: string, { workspace }: CiEnvironment): string {
  if (workspace === undefined) return file;
  const relative = path.relative(workspace, path.resolve(file));
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative.replaceAll('\\', '/');
}
