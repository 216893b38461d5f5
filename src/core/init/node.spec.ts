import { describe, expect, it } from 'vitest';
import type { Look } from './look.ts';
import { nodeRuntime } from './node.ts';

function workspace(runner: 'turbo' | 'nx' | null, file: string | null): Look {
  const root = { private: true, workspaces: ['apps/*'], devDependencies: runner === null ? {} : { [runner]: '1' } };
  const app = { name: '@shop/web', scripts: { build: 'tsc', start: 'node dist/server.js' }, dependencies: { fastify: '5' } };
  const texts = new Map([
    ['package.json', JSON.stringify(root)],
    ['apps/web/package.json', JSON.stringify(app)],
  ]);
  return { name: 'shop', paths: new Set([...texts.keys(), 'package-lock.json', ...(file === null ? [] : [file])]), texts };
}

describe('the build of an app in a workspace', () => {
  it.each([
    ['turbo', 'turbo', 'turbo.json', 'npx --no-install turbo run build --filter=./apps/web'],
    ['nx', 'nx', 'nx.json', 'npx --no-install nx run @shop/web:build'],
    ['its own script, without a runner', null, null, 'npm run build --workspace apps/web'],
    ['its own script, where the runner is configured but not installed', null, 'turbo.json', 'npm run build --workspace apps/web'],
  ] as const)('is left to %s', (_, runner, file, command) => {
    expect(nodeRuntime(workspace(runner, file), 'apps/web')?.build).toEqual(['sh', '-c', `npm ci && ${command}`]);
  });
});
