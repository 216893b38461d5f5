import { expect, test } from 'vitest';
import { memoryPlanner } from '../../../test/worlds/memory-planner.ts';
import type { Plan } from '../../core/release/plan/plan.ts';
import { addressesOf } from './addresses.ts';

test('addresses are those of the routes: below the edge, or at their own host, each once', async () => {
  const plan = await memoryPlanner({ web: {} }).plan({ environment: 'production', manifest: { environment: 'production', apps: {} } });
  const [app] = plan.apps;
  const routes = [
    { host: null, pathPrefix: '/accounts' },
    { host: 'shop.example', pathPrefix: '/' },
    { host: null, pathPrefix: '/accounts' },
  ];
  const routed = { ...plan, apps: app === undefined ? [] : [{ ...app, routes }] } satisfies Plan;
  expect(addressesOf(routed, 'http://127.0.0.1:4190')).toEqual(['http://127.0.0.1:4190/accounts', 'http://shop.example:4190/']);
});
