import { extractMessageContent, proto } from "baileys";

/** What is about another message, or about the chat. */
const ABOUT_OTHERS = ["protocolMessage", "reactionMessage", "encReactionMessage", "keepInChatMessage", "pinInChatMessage"] as const;

/** What stands beside a message. */
const BESIDE: readonly string[] = ["senderKeyDistributionMessage", "messageContextInfo"];

/** What an encoded message says: empty where it is a picture or a voice message without words, null where nobody says anything: a reaction, a deletion,
 *  a setting. An edit says what the message says now. */
export function messageText(encoded: Uint8Array): string | null {
  const message = proto.Message.decode(encoded);
  const content = extractMessageContent(editedIn(message) ?? message);
  if (!content || ABOUT_OTHERS.some((part) => content[part])) return null;
  const said = Object.entries(content).filter(([part, value]) => value !== null && value !== undefined && !BESIDE.includes(part));
  if (said.length === 0) return null;
  return (
    content.conversation ||
    content.extendedTextMessage?.text ||
    content.imageMessage?.caption ||
    content.videoMessage?.caption ||
    content.documentMessage?.caption ||
    content.buttonsResponseMessage?.selectedDisplayText ||
    content.templateButtonReplyMessage?.selectedDisplayText ||
    content.listResponseMessage?.title ||
    ""
  );
}

const editedIn = (message: proto.IMessage) => message.protocolMessage?.editedMessage ?? message.editedMessage?.message?.protocolMessage?.editedMessage;
