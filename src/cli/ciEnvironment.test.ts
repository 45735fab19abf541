import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { annotatedPath, ciEnvironmentOf } from './ciEnvironment.ts';

describe('the environment of a CI system', () => {
  test('is that of GitHub Actions where its variables are there', () => {
    const variables = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: '/tmp/summary.md', GITHUB_WORKSPACE: '/home/runner/checkout/project' };
    expect(ciEnvironmentOf(variables)).toEqual({ annotates: true, summaryFile: '/tmp/summary.md', workspace: '/home/runner/checkout/project' });
  });

  test('is none where they are not, or empty', () => {
    expect(ciEnvironmentOf({})).toEqual({ annotates: false });
    expect(ciEnvironmentOf({ GITHUB_ACTIONS: 'false', GITHUB_STEP_SUMMARY: '', GITHUB_WORKSPACE: '' })).toEqual({ annotates: false });
  });
});

describe('a file in an annotation', () => {
  test('is named from the folder of the repository on, wherever the program runs', () => {
    const workspace = process.cwd();
    expect(annotatedPath('results/baseline.json', { workspace })).toBe('results/baseline.json');
    expect(annotatedPath(path.join(workspace, 'results', 'baseline.json'), { workspace })).toBe('results/baseline.json');
    expect(annotatedPath('results/baseline.json', { workspace: path.dirname(workspace) })).toBe(`${path.basename(workspace)}/results/baseline.json`);
  });

  test('keeps its path outside of it, and where nobody says which it is', () => {
    expect(annotatedPath('../baseline.json', { workspace: process.cwd() })).toBe('../baseline.json');
    expect(annotatedPath('baseline.json', {})).toBe('baseline.json');
  });
});
