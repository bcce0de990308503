// Campaigns through the API, and a node that sends them.

import type { Loose, TestServer } from "./server.ts";

export const PROGRESS = "progress { total waiting sent failed skipped cancelled percent estimatedFinishAt }";
const CAMPAIGN = `id name status text audience startAt minDelaySeconds maxDelaySeconds greeting visibleVariation startedAt finishedAt ${PROGRESS}`;
const ANSWER = `campaign { ${CAMPAIGN} } userErrors { code message field }`;

/** What is refused is in `userErrors`. */
export function campaignCalls({ query }: Pick<TestServer, "query">) {
  const ask = async (text: string, variables: Record<string, unknown> = {}): Promise<Loose> => {
    const { data, errors } = await query(text, variables);
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  };
  const change = (name: string) => async (id: string): Promise<Loose> => (await ask(`mutation($id: ID!) { answer: ${name}Campaign(id: $id) { ${ANSWER} } }`, { id })).answer;
  return {
    ask,
    async create(input: Record<string, unknown> = {}): Promise<Loose> {
      const whole = { name: "News", text: "Hello {{name}}", audience: {}, minDelaySeconds: 0, maxDelaySeconds: 0, ...input };
      return (await ask(`mutation($input: CreateCampaignInput!) { createCampaign(input: $input) { ${ANSWER} } }`, { input: whole })).createCampaign;
    },
    update: async (id: string, input: Record<string, unknown>): Promise<Loose> =>
      (await ask(`mutation($input: UpdateCampaignInput!) { updateCampaign(input: $input) { ${ANSWER} } }`, { input: { id, ...input } })).updateCampaign,
    launch: async (id: string, idempotencyKey: string | null = null): Promise<Loose> =>
      (await ask(`mutation($id: ID!, $key: String) { launchCampaign(id: $id, idempotencyKey: $key) { ${ANSWER} } }`, { id, key: idempotencyKey })).launchCampaign,
    remove: async (id: string): Promise<Loose> =>
      (await ask("mutation($id: ID!) { deleteCampaign(id: $id) { deletedCampaignId userErrors { code message field } } }", { id })).deleteCampaign,
    test: async (id: string, to: { phone?: string; leadId?: string }): Promise<Loose> =>
      (
        await ask("mutation($id: ID!, $phone: PhoneNumber, $leadId: ID) { testCampaign(id: $id, phone: $phone, leadId: $leadId) { flow { id isTest status campaign { id } } userErrors { code message field } } }", {
          id,
          ...to,
        })
      ).testCampaign,
    pause: change("pause"),
    resume: change("resume"),
    cancel: change("cancel"),
    read: async (id: string): Promise<Loose> => (await ask(`query($id: ID!) { campaign(id: $id) { ${CAMPAIGN} } }`, { id })).campaign,
  };
}

/** A campaign that was made and launched. */
export async function launched(calls: ReturnType<typeof campaignCalls>, input: Record<string, unknown> = {}): Promise<string> {
  const created = await calls.create(input);
  const answer = await calls.launch(created.campaign?.id);
  if (answer.userErrors.length > 0) throw new Error(JSON.stringify(answer.userErrors));
  return answer.campaign.id;
}
