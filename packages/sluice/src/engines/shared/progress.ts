// How far the handlers of this process got, by their own word. A hint: it goes with the process.
import type { Claim, RequestStatus } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";

export class Progress {
  readonly #reported = new Map<RequestId, { readonly token: number; readonly progress: unknown }>();

  note({ id, token }: Claim, progress: unknown): void {
    this.#reported.set(id, { token, progress });
  }

  forget({ id, token }: Claim): void {
    if (this.#reported.get(id)?.token === token) this.#reported.delete(id);
  }

  addTo(status: RequestStatus): RequestStatus {
    const reported = status.state === "running" ? this.#reported.get(status.id) : undefined;
    return reported === undefined ? status : { ...status, progress: reported.progress };
  }
}
