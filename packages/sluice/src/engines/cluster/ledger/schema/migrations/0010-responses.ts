// The status and the headers of a target's response, beside its body: see core/stored-head.ts. If a target refused a
// request of the front for good, its response is here too.
export const responses = "ALTER TABLE sluice.outcomes ADD COLUMN response text";
