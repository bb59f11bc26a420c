export default { queues: { orders: { concurrency: 300, handle: (r: any) => ({ n: r.bytes.length }) } } };
