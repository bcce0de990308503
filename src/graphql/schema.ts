import type { GraphQLSchema } from "graphql";
import { deedOf } from "../access/audit.ts";
import { builder } from "./builder.ts";
import type { ApiContext } from "./context.ts";
import { withVocabulary } from "./vocabulary.ts";
import "./types.ts";
import "../access/audit-graphql.ts";
import "../access/graphql.ts";
import "../access/tokens-graphql.ts";
import "../campaigns/graphql.ts";
import "../campaigns/mutations-graphql.ts";
import "../devices/graphql.ts";
import "../devices/pairing-graphql.ts";
import "../events/graphql.ts";
import "../flows/graphql.ts";
import "../flows/mutations-graphql.ts";
import "../flows/stats-graphql.ts";
import "../flows/subscriptions.ts";
import "../leads/graphql.ts";
import "../leads/subscriptions.ts";
import "../media/graphql.ts";
import "../messages/graphql.ts";
import "../replies/graphql.ts";
import "../sequences/draw-graphql.ts";
import "../sequences/enrollments-graphql.ts";
import "../sequences/graphql.ts";
import "../sequences/mutations-graphql.ts";
import "../sequences/simulate-graphql.ts";
import "../sequences/subscriptions.ts";
import "../system/graphql.ts";
import "../webhooks/graphql.ts";
import "../webhooks/mutations-graphql.ts";

export const schema = audited(withVocabulary(builder.toSchema()));

/** Each mutation says what it is before it writes. */
function audited(schema: GraphQLSchema): GraphQLSchema {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const { resolve } = field;
    field.resolve = (root, args: Record<string, unknown>, context: ApiContext, info) => {
      context.begin(deedOf(field.name, args));
      return resolve?.(root, args, context, info);
    };
  }
  return schema;
}
