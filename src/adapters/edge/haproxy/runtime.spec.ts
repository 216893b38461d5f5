import { describe, expect, test } from 'vitest';
import { createCounters, outcomeOf } from './counters.ts';
import type { Layout } from './layout.ts';
import { createLost } from './lost.ts';
import { parseProcesses } from './master.ts';
import { commandsFor, type Holding, leftovers, linesOf, parseBackends, parseMap, parseServers } from './runtime.ts';

const layout: Layout = {
  routes: new Map([['*/', 'a1']]),
  versions: new Map([
    ['a1:7631', 'b1.1'],
    ['a1:7632', 'b2.2'],
  ]),
  splits: new Map([['a1', 'n|10000:b2.2']]),
  servers: new Map([
    ['b1', new Map([['x', { ip: '127.0.0.1', port: 1 }]])],
    ['b2', new Map([['y', { ip: '::1', port: 2 }]])],
  ]),
  headers: [],
};
const held = (ip: string, port: number, isOn = true) => ({ ip, port, isOn });
const exactly: Holding = {
  maps: { routes: layout.routes, versions: layout.versions, splits: layout.splits },
  servers: new Map([
    ['b1', new Map([['x', held('127.0.0.1', 1)]])],
    ['b2', new Map([['y', held('::1', 2)]])],
  ]),
};
const options = 'pool-purge-delay 1s pool-max-conn 512';

describe('commands', () => {
  test('none when HAProxy holds what it should', () => expect(commandsFor(layout, exactly)).toEqual([]));

  test('a version can be reached before anybody is sent to it', () => {
    const before: Holding = {
      maps: { routes: layout.routes, versions: new Map([['a1:7631', 'b1.1']]), splits: new Map([['a1', 'n|10000:b1.1']]) },
      servers: new Map([['b1', new Map([['x', held('127.0.0.1', 1)]])]]),
    };
    expect(commandsFor(layout, before)).toEqual([
      `add server b2/y [::1]:2 ${options}`,
      'enable server b2/y',
      'add map versions.map a1:7632 b2.2',
      'set map splits.map a1 n|10000:b2.2',
    ]);
  });

  test('what is no longer wanted goes last, servers of retired versions later', () => {
    const before: Holding = {
      maps: {
        ...exactly.maps,
        versions: new Map([...layout.versions, ['a1:7630', 'b3.3']]),
        routes: new Map([...layout.routes, ['old/', 'a1']]),
      },
      servers: new Map([
        ...exactly.servers,
        ['b3', new Map([['z', held('127.0.0.1', 3)]])],
        [
          'b1',
          new Map([
            ['x', held('127.0.0.1', 9)],
            ['w', held('127.0.0.1', 4)],
          ]),
        ],
      ]),
    };
    expect(commandsFor(layout, before)).toEqual([
      'set server b1/x addr 127.0.0.1 port 1',
      'del map routes.map old/',
      'del map versions.map a1:7630',
      'disable server b1/w',
    ]);
    expect(leftovers(layout, before)).toEqual([
      { backend: 'b1', name: 'w', isOn: true },
      { backend: 'b3', name: 'z', isOn: true },
    ]);
  });

  test('lines stay below the size HAProxy takes', () => {
    const commands = Array.from({ length: 1_000 }, (_, i) => `add map routes.map /${i} a1`);
    const lines = linesOf(commands);
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.every((line) => line.length < 16_000)).toBe(true);
    expect(lines.flatMap((line) => line.split('; '))).toEqual(commands);
  });
});

describe('what HAProxy says', () => {
  test('a map', () => expect([...parseMap('0x5636 a1 c|5000:b2.2\n\n')]).toEqual([['a1', 'c|5000:b2.2']]));
  test('servers', () => {
    const text = `1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port\n4 b1 1 s1 127.0.0.1 2 0 9201\n4 b1 2 s2 127.0.0.1 0 1 9202\n\n`;
    expect([...(parseServers(text).get('b1') ?? [])]).toEqual([
      ['s1', held('127.0.0.1', 9201)],
      ['s2', held('127.0.0.1', 9202, false)],
    ]);
  });
  test('backends', () => {
    const text =
      '# pxname,svname,scur,stot,req_tot,\nb1,s1,3,9,5,\nb1,BACKEND,3,9,5,\n\n# pxname,svname,scur,stot,req_tot,\nb2,BACKEND,0,1,1,\n';
    expect([...parseBackends(text)]).toEqual([
      ['b1', { inFlight: 3, begun: 9, finished: 5 }],
      ['b2', { inFlight: 0, begun: 1, finished: 1 }],
    ]);
  });
  test('processes', () => {
    const text =
      '#<PID> <type> <reloads>\n14 master 5 [failed: 0]\n# workers\n97 worker 0 0d\n# old workers\n86 worker 1 0d\n85 worker 2 0d\n# programs\n';
    expect(parseProcesses(text)).toEqual({ master: 14, current: 97, old: [86, 85] });
  });
});

describe('counters', () => {
  test('outcome by status and termination state', () => {
    const cases: [number, string, string][] = [
      [200, '--', '2xx'],
      [304, '--', '3xx'],
      [503, '--', '5xx'],
      [101, 'CD', '1xx'],
      [503, 'SC', 'failed'],
      [502, 'SH', 'failed'],
      [504, 'sH', 'failed'],
      [200, 'SD', 'failed'],
      [502, 'PH', 'failed'],
      [-1, 'CH', 'aborted'],
      [200, 'CD', '2xx'],
      [-1, 'cD', 'aborted'],
      // Ended by the keeper, because the body came too slowly.
      [-1, 'KH', 'aborted'],
      [200, 'KD', '2xx'],
      [200, 'KH', '2xx'],
    ];
    for (const [status, ended, outcome] of cases) expect([status, ended, outcomeOf(status, ended)]).toEqual([status, ended, outcome]);
  });

  test('lines are counted for the version whose token they carry', () => {
    const counters = createCounters();
    counters.know('b1.1', 'app', 'v1');
    for (const line of ['b1.1 200 -- 1500 1', 'b1.1 404 -- 900 0', '- 404 LR - 0', 'b9.9 200 -- 5 0', 'rubbish']) counters.take(line);
    expect(counters.read('app')).toEqual({ v1: { requests: 2, byClass: { '2xx': 1, '4xx': 1 }, latency: expect.any(Object), routes: {} } });
    counters.know('b2.5', 'app', 'v1');
    counters.take('b2.5 200 -- 100 0');
    counters.take('b1.1 200 -- 100 0');
    expect(counters.read('app')['v1']?.requests).toBe(4);
    counters.forget('app');
    expect(counters.read('app')).toEqual({});
  });

  test('lines that tell a path are counted by route, anew with each new version', () => {
    const counters = createCounters();
    counters.know('b1.1', 'app', 'v1');
    for (const line of ['b1.1 200 -- 5 0 /shop/cart', 'b1.1 500 -- 5 0 /shop/cart', 'b1.1 404 -- 5 0 /wp-admin']) counters.take(line);
    expect(counters.read('app')['v1']?.routes).toEqual({ '/shop/cart': { '2xx': 1, '5xx': 1 } });
    counters.know('b1.2', 'app', 'v2');
    counters.take('b1.2 500 -- 5 0 /shop/cart');
    counters.take('b1.1 200 -- 5 0 /shop/cart');
    expect(Object.values(counters.read('app')).map(({ routes }) => routes)).toEqual([{ '/shop/cart': { '2xx': 1 } }, {}]);
  });

  test('a clock that was set is not believed', () => {
    const counters = createCounters();
    counters.know('b1.1', 'app', 'v1');
    counters.take('b1.1 200 -- 3600000000 7');
    counters.take('b1.1 200 -- -5000000 7');
    expect(Object.values(counters.read('app')['v1']?.latency ?? {})).toEqual([2]);
  });

  test('only the newest versions keep their counters', () => {
    const counters = createCounters();
    for (let i = 0; i < 50; i += 1) counters.know(`b1.${i}`, 'app', `v${i}`);
    expect(Object.keys(counters.read('app'))).toEqual(Array.from({ length: 20 }, (_, i) => `v${i + 30}`));
  });

  test('what began and neither goes on nor finished is lost, and counted once', () => {
    const lost = createLost();
    const counts = (begun: number, inFlight: number, finished: number) => ({ begun, inFlight, finished });
    lost.begin('b1.1', 7, counts(10, 0, 8));
    expect(lost.settle('b1.1', 7, counts(20, 3, 15), counts(20, 3, 15))).toBe(0);
    expect(lost.settle('b1.1', 7, counts(30, 3, 23), counts(31, 3, 24))).toBe(2);
    expect(lost.settle('b1.1', 7, counts(31, 0, 27), counts(31, 0, 27))).toBe(0);
    expect(lost.settle('b1.1', 7, counts(40, 0, 35), counts(40, 1, 36))).toBe(0);
    expect(lost.settle('b1.1', 8, counts(5, 0, 4), counts(5, 0, 4))).toBe(1);
  });
});
