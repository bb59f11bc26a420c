// The status and the headers of a target's response, beside its body: see core/stored-head.ts. A target that refused a request for
// good leaves its response with the error.
export const responses = "ALTER TABLE sluice.outcomes ADD COLUMN response text";
