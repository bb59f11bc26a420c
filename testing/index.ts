export { type Child, type Exit, type StartChildOptions, startChild } from "./child.ts";
export { freePort } from "./free-port.ts";
export { type Redis, type StartRedisOptions, startRedis } from "./redis.ts";
export { type Sluice, type StartSluiceOptions, sluiceCommand, startSluice } from "./sluice.ts";
export { type SystemProgram, findProgram } from "./system-program.ts";
export { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";
