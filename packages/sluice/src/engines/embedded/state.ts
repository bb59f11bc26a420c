// How a request's state follows from the rows it has. One place, for every statement that tells states.

/** For `r` in requests with its queue `q`, and left joins `o` outcomes, `n` running, `s` scheduled; needs :now. */
export const STATE = `
  CASE WHEN o.seq IS NOT NULL THEN o.state
       WHEN n.seq IS NOT NULL THEN 'running'
       WHEN s.seq IS NOT NULL AND s.due_at > :now THEN 'scheduled'
       ELSE 'waiting' END`;

export const FROM_REQUESTS = `
  FROM requests r JOIN queues q ON q.no = r.queue
  LEFT JOIN outcomes o ON o.seq = r.seq
  LEFT JOIN running n ON n.seq = r.seq
  LEFT JOIN scheduled s ON s.seq = r.seq`;

export const STATE_OF_SEQ = `SELECT ${STATE} AS state, r.random, q.no ${FROM_REQUESTS} WHERE r.seq = :seq`;
