import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ARTIFACT_KINDS, artifactId, artifactOf } from './artifact.ts';

const digests = fc.oneof(
  fc.stringMatching(/^sha256:[0-9a-f]{64}$/),
  fc.string({ minLength: 1 }).map((id) => `dpl_${id}`),
);

test('an artifact named by its text is the same artifact', () => {
  fc.assert(
    fc.property(fc.constantFrom(...ARTIFACT_KINDS), digests, (kind, digest) => {
      expect(artifactOf(artifactId({ kind, digest }))).toEqual({ kind, digest });
    }),
  );
});

test('what earlier versions recorded is a folder', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  expect(artifactOf(digest)).toEqual({ kind: 'folder', digest });
});
