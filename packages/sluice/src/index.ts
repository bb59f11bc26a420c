export {
  type CallbackConfig,
  type CallbacksConfig,
  type ClusterConfig,
  defineConfig,
  type QueueConfig,
  type RetryConfig,
  type ScalingConfig,
  type SluiceConfig,
  type TargetsConfig,
  type TlsConfig,
} from "./config/config.ts";
export {
  Reject,
  RetryLater,
  type Handler,
  type HandlerContext,
  type HandlerRequest,
  type TypedResult,
} from "./worker/handler.ts";
export type { Sql, SqlResult } from "./engine/engine.ts";
