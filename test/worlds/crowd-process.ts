/**
 * Clients who do nothing, or do it slowly: one process of a crowd (`crowd.ts`), with its order as JSON in the first argument. Each client
 * comes again five seconds after it has been sent away. Once a second a line of JSON says how many are connected and how many have been sent away.
 */
import { connect, type Socket } from 'node:net';
import type { CrowdCount, CrowdOrder } from './crowd.ts';

/** How long a client that was sent away stays away, ms. */
const AWAY_MS = 5_000;
/** Between two bytes of a slow client, ms. */
const DRIP_MS = 3_000;
/** Connections that are opened in one go, and the pause between two of these, ms: a listener's queue is not endless. */
const AT_ONCE = 100;
const PAUSE_MS = 20;

const HOST = 'Host: crowd.test\r\n';
const order = JSON.parse(process.argv[2] ?? '{}') as CrowdOrder;
const count: CrowdCount = { open: 0, sentAway: 0 };

interface Habit {
  /** What the client says when it comes. */
  readonly opening: string;
  /** What it adds every few seconds. */
  readonly drip?: string;
  /** It takes no byte of its answer. */
  readonly isDeaf?: boolean;
}

const GET = `GET / HTTP/1.1\r\n${HOST}`;
const HABITS: readonly Habit[] = [
  { opening: '' },
  { opening: GET, drip: 'X: y\r\n' },
  { opening: `POST / HTTP/1.1\r\n${HOST}Content-Length: 1000000\r\n\r\nx`, drip: 'x' },
  { opening: `${GET}\r\n` },
  { opening: GET.slice(0, 9) },
];
const DEAF: Habit = { opening: `GET /download?bytes=400000 HTTP/1.1\r\n${HOST}\r\n`, isDeaf: true };
/** One client of so many asks for much and takes nothing. */
const DEAF_SHARE = 40;

function come(index: number): void {
  const habit = index % DEAF_SHARE === 0 ? DEAF : (HABITS[index % HABITS.length] as Habit);
  // Each address of this machine has its own ports, and no address has more connections than a network of people would.
  const from = process.platform === 'linux' ? { localAddress: `127.0.${order.number + 1}.${(index % 200) + 1}` } : {};
  const socket: Socket = connect({ host: '127.0.0.1', port: order.port, ...from });
  let timer: NodeJS.Timeout | undefined;
  let isOpen = false;
  socket.on('connect', () => {
    isOpen = true;
    count.open += 1;
    if (habit.opening !== '') socket.write(habit.opening);
    if (habit.drip !== undefined) timer = setInterval(() => socket.write(habit.drip ?? ''), DRIP_MS);
    if (habit.isDeaf === true) socket.pause();
    else socket.resume();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    clearInterval(timer);
    if (isOpen) count.open -= 1;
    count.sentAway += 1;
    setTimeout(come, AWAY_MS, index);
  });
}

for (let index = 0; index < order.clients; index += AT_ONCE)
  setTimeout(
    () => {
      for (let one = index; one < Math.min(order.clients, index + AT_ONCE); one += 1) come(one);
    },
    (index / AT_ONCE) * PAUSE_MS,
  );
setInterval(() => console.log(JSON.stringify(count)), 1_000);
// The one who ordered the crowd has gone.
process.stdin.on('end', () => process.exit(0)).resume();
