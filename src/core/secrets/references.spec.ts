import fc from 'fast-check';
import { expect, test } from 'vitest';
import { secretReferences } from './references.ts';

test('variables are found wherever a configuration names them', () => {
  const found = secretReferences({
    apps: { web: { run: { env: { A: { fromEnv: 'WEB_KEY' }, B: 'plain' } }, checks: { sonar: { reports: [{ token: 'SONAR_TOKEN' }] } } } },
    templates: {
      slow: { source: { headers: { Authorization: { fromEnv: 'METRICS_TOKEN' }, 'X-Api-Key': 'written down', accept: 'text/plain' } } },
    },
    notify: [{ webhook: 'https://user:hook-password@hooks.example.com/x', secret: { fromEnv: 'PAGER' } }],
    github: { webhookSecrets: [{ fromEnv: 'ONE' }, { fromEnv: 'TWO' }] },
  });
  expect(found.names).toEqual(['METRICS_TOKEN', 'ONE', 'PAGER', 'SONAR_TOKEN', 'TWO', 'WEB_KEY']);
  expect(found.literals).toEqual(['written down', 'hook-password']);
});

test('at any depth, beside anything', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('__proto__', 'constructor')), { maxLength: 6 }),
      fc.jsonValue(),
      (path, other) => {
        const deep = path.reduceRight<unknown>((inner, key) => [other, Object.fromEntries([[key, inner]])], { fromEnv: 'NEEDLE' });
        expect(secretReferences(deep).names).toContain('NEEDLE');
      },
    ),
  );
});
