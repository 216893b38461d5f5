// A row for each account, made from its events: what its statement shows.
export default {
  name: 'statement',
  version: 2,
  columns: { balance: 'bigint', movements: 'integer', largest: 'bigint' },
  key: 'stream',
  init: () => ({ balance: 0, movements: 0, largest: 0 }),
  evolve({ balance, movements, largest }, { data }) {
    if (data.type === 'Opened') return { balance, movements, largest };
    const amount = data.type === 'Withdrawn' ? -data.amount : data.amount;
    return { balance: balance + amount, movements: movements + 1, largest: Math.max(largest, data.amount) };
  },
};
