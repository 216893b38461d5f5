import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backup, BackupStore } from '../../src/ports/backup.ts';

const { signal } = new AbortController();

export interface StoreHarness {
  readonly store: BackupStore;
  end(): Promise<void>;
}

/** What every place for objects promises. */
export function backupStoreContract(name: string, open: () => Promise<StoreHarness>): void {
  describe(`${name} as a store of backups`, () => {
    let harness: StoreHarness;
    beforeAll(async () => {
      harness = await open();
    });
    afterAll(() => harness.end());

    it('gives back what was put, by bytes and by stream', async () => {
      const { store } = harness;
      await store.put('shop/a/one.gz', Buffer.from('one'));
      await store.put('shop/a/two.gz', Readable.from([Buffer.from('t'), Buffer.from('wo')]));
      expect(await textOf(store, 'shop/a/two.gz')).toBe('two');
      await store.put('shop/a/two.gz', Buffer.from('two again'));
      expect(await textOf(store, 'shop/a/two.gz')).toBe('two again');
    });

    it('lists by prefix, in order, over any number of pages', async () => {
      const { store } = harness;
      for (const i of [5, 3, 1, 4, 2]) await store.put(`shop/many/${i}`, Buffer.from('x'.repeat(i)));
      const listed = await store.list('shop/many/');
      expect(listed.map(({ key, bytes }) => `${key} ${bytes}`)).toEqual([1, 2, 3, 4, 5].map((i) => `shop/many/${i} ${i}`));
      expect(await store.list('shop/nothing/')).toEqual([]);
      expect((await store.list('shop/many/3')).map(({ key }) => key)).toEqual(['shop/many/3']);
    });

    it('leaves nothing of what could not be read to its end', async () => {
      const { store } = harness;
      const broken = new Readable({
        read() {
          this.push('half');
          this.destroy(new Error('the source broke'));
        },
      });
      await expect(store.put('shop/half', broken)).rejects.toThrow('the source broke');
      expect(await store.list('shop/half')).toEqual([]);
    });

    it('removes, and does not mind what is gone', async () => {
      const { store } = harness;
      await store.put('shop/gone', Buffer.from('x'));
      await store.remove(['shop/gone', 'shop/never']);
      await expect(store.get('shop/gone')).rejects.toMatchObject({ code: 'STORE_OBJECT_MISSING', blame: 'outside' });
    });

    it('says where it is', () => {
      expect(harness.store.location).not.toBe('');
    });
  });
}

export interface BackupHarness {
  readonly backup: Backup;
  /** A fresh place for a copy. */
  into(): string;
  /** Change the source. */
  write(text: string): Promise<void>;
  /** What a copy holds; null where the world cannot tell copies apart. */
  read(location: string): Promise<string | null>;
  end(): Promise<void>;
}

/** What every adapter of the port Backup promises. */
export function backupContract(name: string, open: () => Promise<BackupHarness>): void {
  describe(`backups by ${name}`, { timeout: 60_000 }, () => {
    let harness: BackupHarness;
    beforeAll(async () => {
      harness = await open();
      await harness.backup.prepare(signal);
    }, 60_000);
    afterAll(() => harness.end());

    it('has nothing at first', async () => {
      expect((await harness.backup.catalog()).backups).toEqual([]);
    });

    it('may be made ready again', async () => {
      await expect(harness.backup.prepare(signal)).resolves.toBeUndefined();
    });

    it('lists what was taken, and finds it sound', async () => {
      const { backup } = harness;
      await harness.write('first');
      const record = await backup.take({ kind: 'full', reason: 'manual' }, signal);
      const { backups } = await backup.catalog();
      expect(backups.map(({ id }) => id)).toEqual([record.id]);
      expect(await backup.verify(record.id, record.digest, signal)).toEqual([]);
      await expect(backup.restore({ backup: 'never', to: null, into: harness.into(), scratch: true }, signal)).rejects.toMatchObject({
        code: 'BACKUP_UNKNOWN',
      });
    });

    it('restores beside the source what it was then', async () => {
      const { backup } = harness;
      const [first] = (await backup.catalog()).backups;
      await harness.write('second');
      const restored = await backup.restore({ backup: first?.id ?? null, to: null, into: harness.into(), scratch: false }, signal);
      expect(restored.backup).toBe(first?.id);
      const text = await harness.read(restored.location);
      if (text !== null) expect(text).toBe('first');
      await restored.destroy();
    });

    it('removes what is no longer wanted, once or again', async () => {
      const { backup } = harness;
      await new Promise((resolve) => setTimeout(resolve, 20));
      const newer = await backup.take({ kind: 'full', reason: 'manual' }, signal);
      const old = (await backup.catalog()).backups.map(({ id }) => id).filter((id) => id !== newer.id);
      const expiry = { expire: old, keep: [newer.id], walFrom: null, walOf: [] };
      await backup.expire(expiry);
      await backup.expire(expiry);
      expect((await backup.catalog()).backups.map(({ id }) => id)).toEqual([newer.id]);
      await backup.ship(signal);
    });
  });
}

async function textOf(store: BackupStore, key: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await store.get(key)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
