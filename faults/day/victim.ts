// What is killed: a process of Sluice's, or a server, as the killer and the report see it.
import type { Member } from "../cluster/member.ts";
import type { Running, Server } from "../cluster/servers.ts";

export interface Victim {
  readonly name: string;
  /** SIGKILL as soon as it is ready; resolves once it has ended, and for a server once it is up again. */
  kill(): Promise<void>;
  /** With its children; undefined while it is away. */
  readonly pid: number | undefined;
  readonly kills: number;
}

/** It starts again by itself. */
export function memberVictim(name: string, member: Member): Victim {
  return {
    name,
    async kill() {
      await member.ready();
      const ended = new Promise<void>((resolve) => member.onEnd(resolve));
      member.kill("SIGKILL");
      await ended;
    },
    get pid() {
      return member.pid;
    },
    get kills() {
      return member.kills;
    },
  };
}

/** It is started again on its folder and its port. */
export function serverVictim<Kind extends Running>(name: string, server: Server<Kind>): Victim {
  let kills = 0;
  let isUp = true;
  return {
    name,
    async kill() {
      isUp = false;
      await server.kill();
      kills += 1;
      await server.up();
      isUp = true;
    },
    get pid() {
      return isUp ? server.now.pid : undefined;
    },
    get kills() {
      return kills;
    },
  };
}
