import { nodeRef } from "../graphql/node.ts";
import { campaignsById, type Campaign } from "./read.ts";

export const CampaignRef = nodeRef<Campaign>("Campaign", (ids, { db }) => campaignsById(db, ids));
