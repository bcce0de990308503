import { builder } from "./builder.ts";
import "./types.ts";
import "../access/graphql.ts";
import "../devices/graphql.ts";
import "../devices/pairing-graphql.ts";
import "../flows/graphql.ts";
import "../flows/mutations-graphql.ts";
import "../flows/subscriptions.ts";
import "../leads/graphql.ts";
import "../messages/graphql.ts";
import "../replies/graphql.ts";
import "../sequences/draw-graphql.ts";
import "../sequences/enrollments-graphql.ts";
import "../sequences/graphql.ts";
import "../sequences/mutations-graphql.ts";
import "../sequences/simulate-graphql.ts";
import "../system/graphql.ts";

export const schema = builder.toSchema();
