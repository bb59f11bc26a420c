// Who sent a call: what each preset checks, over the bytes as they came.
import { verifyApiKey, verifyBasic } from "./credentials.ts";
import { verifyGitlab } from "./gitlab.ts";
import { verifyHmac } from "./hmac.ts";
import type { ProofSettings } from "./settings.ts";
import type { SignedCall, Verified, Verifier } from "./signed-call.ts";
import { verifyStandardWebhooks } from "./standard-webhooks.ts";
import { verifyStripe } from "./stripe.ts";
import { verifyTwilio } from "./twilio.ts";

/** For a route that is neither public nor open to the API's own keys. */
export function verifierOf(settings: ProofSettings): Verifier {
  return { verify: (call) => verify(settings, call) };
}

function verify(settings: ProofSettings, call: SignedCall): Verified {
  switch (settings.kind) {
    case "github":
    case "shopify":
    case "slack":
    case "hmac":
      return verifyHmac(settings, call);
    case "stripe":
      return verifyStripe(settings, call);
    case "standardWebhooks":
      return verifyStandardWebhooks(settings, call);
    case "gitlab":
      return verifyGitlab(settings, call);
    case "twilio":
      return verifyTwilio(settings, call);
    case "basic":
      return verifyBasic(settings, call);
    case "apiKey":
      return verifyApiKey(settings, call);
    default:
      return settings satisfies never;
  }
}
