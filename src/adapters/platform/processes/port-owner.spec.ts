import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answering, type Listener, listenersIn } from '../../../lib/sockets.ts';
import { elsewhere, type Sockets, strangerAt } from './port-owner.ts';

const PORT = 20_017;
const addresses = fc.constantFrom('127.0.0.1', '0.0.0.0', '::', '::1', '127.0.0.2', '10.0.0.3', 'fe80::1');
const listener = fc.record({
  address: addresses,
  port: fc.constantFrom(PORT, PORT, 3456, 8080),
  inode: fc.integer({ min: 1, max: 12 }).map(String),
  uid: fc.constantFrom(0, 1000),
});
const machines = fc.record({
  listeners: fc.array(listener, { maxLength: 8 }),
  own: fc.array(fc.integer({ min: 1, max: 12 }).map(String), { maxLength: 6 }).map((inodes): ReadonlySet<string> => new Set(inodes)),
});

function sockets(listeners: readonly Listener[], own: Iterable<string>, others: Partial<Sockets> = {}): Sockets {
  return { listeners, own: new Set(own), hiddenUid: null, owner: () => ({ pid: 7, name: 'nginx' }), ...others };
}

function at(address: string, port: number, inode: string): Listener {
  return { address, port, inode, uid: 1000 };
}

describe('whose answer it is', () => {
  test('is the app itself only where every socket that the kernel may choose is its own', () => {
    fc.assert(
      fc.property(machines, ({ listeners, own }) => {
        const chosen = answering(listeners, PORT);
        const isOwn = strangerAt(sockets(listeners, own), PORT) === null;
        expect(isOwn).toBe(chosen.length > 0 && chosen.every(({ inode }) => own.has(inode)));
        for (const one of chosen) expect(['127.0.0.1', '0.0.0.0', '::']).toContain(one.address);
      }),
    );
  });

  test('a more exact address wins over all addresses', () => {
    const table = [at('0.0.0.0', PORT, '1'), at('127.0.0.1', PORT, '2')];
    expect(strangerAt(sockets(table, ['1']), PORT)).toBe(`port ${PORT} is answered by nginx (pid 7), which is not part of it`);
    expect(strangerAt(sockets(table, ['2']), PORT)).toBeNull();
  });

  test('a proxy of a container that the app has started counts as the app', () => {
    const proxy = { owner: () => ({ pid: 8, name: 'docker-proxy' }) };
    expect(strangerAt(sockets([at('0.0.0.0', PORT, '1')], [], proxy), PORT)).toBeNull();
  });

  test("a socket that nobody can look into is the app's own only if the app has such a process of that user", () => {
    const table = [at('127.0.0.1', PORT, '1')];
    expect(strangerAt(sockets(table, [], { owner: () => null }), PORT)).toContain('a process of another user (uid 1000)');
    expect(strangerAt(sockets(table, [], { owner: () => null, hiddenUid: 1 }), PORT)).toContain('a process of another user');
    expect(strangerAt(sockets(table, [], { owner: () => null, hiddenUid: 1000 }), PORT)).toBeNull();
    expect(strangerAt(sockets(table, [], { hiddenUid: 1000 }), PORT)).toContain('nginx');
  });
});

describe('where it listens instead', () => {
  test('is every place of its own and no place of others', () => {
    const table = [at('127.0.0.1', 3456, '1'), at('0.0.0.0', 3457, '2'), at('10.0.0.3', 3458, '3'), at('127.0.0.1', 9999, '9')];
    expect(elsewhere(sockets(table, ['1', '2', '3']), PORT)).toBe(`; it listens on 3456, 3457, 10.0.0.3:3458, was given ${PORT} (in PORT)`);
    expect(elsewhere(sockets(table, []), PORT)).toContain('no TCP port');
    expect(elsewhere(sockets(table, ['1'], { hiddenUid: 0 }), PORT)).toBeNull();
  });
});

describe('the tables of the kernel', () => {
  test('are read as they are written, whatever stands between', () => {
    fc.assert(
      fc.property(fc.array(listener, { maxLength: 6 }), fc.array(fc.string({ maxLength: 60 }), { maxLength: 3 }), (wanted, noise) => {
        const table = [
          '  sl  local_address rem_address   st …',
          ...wanted.map(row),
          ...noise.map((line) => ` 9: ${line.replaceAll('0A', '')}`),
        ];
        expect(listenersIn(table.join('\n'))).toEqual(wanted);
      }),
    );
  });

  test('connections that do not listen are left out', () => {
    expect(listenersIn(`head\n${row({ ...at('127.0.0.1', PORT, '4') }).replace(' 0A ', ' 01 ')}`)).toEqual([]);
  });
});

/** A line of `/proc/net/tcp` (or `tcp6`) as the kernel writes it: words of 32 bits, little-endian. */
function row({ address, port, inode, uid }: Listener): string {
  const bytes = Buffer.from(
    address.includes(':') ? expanded(address).flatMap((group) => [group >> 8, group & 255]) : address.split('.').map(Number),
  );
  for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse();
  const local = `${bytes.toString('hex').toUpperCase()}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return `   0: ${local} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${inode} 1 ffff 100 0 0 10 0`;
}

function expanded(address: string): number[] {
  const [head = '', tail = ''] = address.split('::').map((part) => part);
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right].map((group) =>
    Number.parseInt(group, 16),
  );
}
