// GitLab sends its secret token as it is, and signs by Standard Webhooks where it has a signing token.
// https://docs.gitlab.com/user/project/integrations/webhooks/ https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944
import type { GitlabSettings } from "./settings.ts";
import { headerOf, refused, verified, type SignedCall, type Verified } from "./signed-call.ts";
import { isKnown } from "./signature.ts";
import { verifyStandardWebhooks } from "./standard-webhooks.ts";

export function verifyGitlab({ tokens, signing }: GitlabSettings, call: SignedCall): Verified {
  const bySignature = signing && verifyStandardWebhooks(signing, call);
  if (bySignature?.kind === "verified" || (bySignature && tokens.length === 0)) return bySignature;
  const token = headerOf(call, "x-gitlab-token");
  if (token === undefined) return bySignature ?? refused("missing");
  return isKnown(tokens, Buffer.from(token, "latin1")) ? verified : refused("mismatch");
}
