// A row for each account, made from its events: what its statement shows.
export default {
  name: 'statement',
  version: 1,
  columns: { balance: 'bigint', movements: 'integer' },
  key: 'stream',
  init: () => ({ balance: 0, movements: 0 }),
  evolve({ balance, movements }, { data }) {
    if (data.type === 'Opened') return { balance, movements };
    const amount = data.type === 'Withdrawn' ? -data.amount : data.amount;
    return { balance: balance + amount, movements: movements + 1 };
  },
};
