/** The queue whose groups are bounded, in histories whose requests stand in lines. */
export const boundedQueue = "mails";
/** Of a group of it at once. */
export const groupConcurrency = 2;
