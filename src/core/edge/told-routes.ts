/** Routes of an app that an edge counts apart. */
export const MOST_ROUTES = 24;
/** …and of those that begin with the same segment: names that are made up as one goes, such as titles, do not take all the room. */
const MOST_ALIKE = 6;
/** Paths whose names are remembered. */
const REMEMBERED = 1000;
/** Segments that name one thing of many: numbers, UUIDs, digests, anything very long or not plain. */
const ONE_OF_MANY = /^(?:\d+|[0-9a-f-]{16,}|.{33,}|.*[^\w.~@-].*)$/i;

/**
 * The routes of one app that are told apart, so that an endpoint with little traffic can be judged by itself: the first two
 * segments of a path, one where there are too many. Which ones, shows from the traffic: a path counts as a route once it has been
 * answered well, so that requests for what does not exist take no room.
 */
export interface ToldRoutes {
  /** Name of the route that a request target belongs to; null: it is counted with none. `outcome`: its class, as `2xx`. */
  nameOf(target: string, outcome: string): string | null;
}

interface Names {
  readonly long: string;
  readonly short: string;
}

export function toldRoutes(): ToldRoutes {
  const told = new Set<string>();
  const alike = new Map<string, number>();
  const namesOf = new Map<string, Names>();

  function admit(name: string, isWell: boolean): string | null {
    if (told.has(name)) return name;
    if (!isWell || told.size >= MOST_ROUTES) return null;
    told.add(name);
    return name;
  }

  function names(target: string): Names {
    const path = beginOf(target);
    const known = namesOf.get(path);
    if (known !== undefined) return known;
    if (namesOf.size >= REMEMBERED) namesOf.clear();
    const made = namesIn(path);
    namesOf.set(path, made);
    return made;
  }

  return {
    nameOf(target, outcome) {
      const { long, short } = names(target);
      const isWell = outcome === '2xx';
      if (long === short || told.has(long)) return admit(long, isWell);
      const others = alike.get(short) ?? 0;
      if (isWell && others < MOST_ALIKE && admit(long, isWell) !== null) {
        alike.set(short, others + 1);
        return long;
      }
      return admit(short, isWell);
    },
  };
}

/** The target up to the end of its second segment. */
function beginOf(target: string): string {
  let slashes = 0;
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code === 63 || code === 35 || (code === 47 && ++slashes > 2)) return target.slice(0, i);
  }
  return target;
}

function namesIn(path: string): Names {
  const [first = '', second] = path.split('/').slice(1).map(segmentOf);
  const short = `/${first}`;
  return { short, long: second === undefined || second === '' ? short : `${short}/${second}` };
}

function segmentOf(segment: string): string {
  if (!ONE_OF_MANY.test(segment)) {
    // Built files carry a digest in their names: their kind is what they have in common.
    const dot = segment.lastIndexOf('.');
    return dot > 0 ? `*${segment.slice(dot)}` : segment;
  }
  return '*';
}
